"""One transaction: run, repeated after what passes, committed once. Used by `libs.common.mongo` alone."""

import asyncio
import inspect
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

TRANSACTION_S = 30.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.005, 0.5


class NoTransaction(RuntimeError):
    """Something that is only safe inside a transaction was called outside of one."""


@dataclass(slots=True)
class _Open:
    """The transaction that is open. Args: kept_back: rows to insert at its end, by collection name."""

    session: Any
    kept_back: dict[str, tuple[Any, list[Any]]] = field(default_factory=dict)


_open: ContextVar[_Open | None] = ContextVar("open_transaction", default=None)


def current_session() -> Any:
    """Return the driver's session of the open transaction, None outside of one."""
    found = _open.get()
    return None if found is None else found.session


def require_transaction() -> None:
    """Refuse to go on outside a transaction. Raises NoTransaction."""
    if _open.get() is None:
        raise NoTransaction("an event is only published from inside a transaction: use UnitOfWork.run")


def keep_back(collection: Any, rows: Sequence[Any]) -> None:
    """Insert rows into a driver's collection when the open transaction is about to commit."""
    require_transaction()
    found = _open.get()
    if found is not None and rows:
        found.kept_back.setdefault(collection.full_name, (collection, []))[1].extend(rows)


async def awaited(value: Any) -> Any:
    """Return the value, awaited where this driver makes it awaitable."""
    return await value if inspect.isawaitable(value) else value


async def repeated(session: Any, begin: Callable[[], Any], work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` and commit, until a try is not cut short by what passes.

    The drivers' own `with_transaction` is not used: after a commit that found a conflict, motor's (3.7.1) commits
    once more where it catches nothing, instead of trying again.
    """
    deadline, wait_s = time.monotonic() + TRANSACTION_S, FIRST_WAIT_S
    while True:
        await awaited(begin())
        try:
            done = await _within(_Open(session), work)
            await _commit(session, deadline)
        except BaseException as error:
            await _abort(session)
            if not _has_label(error, "TransientTransactionError") or time.monotonic() > deadline:
                raise
        else:
            return done
        await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


async def _within(opened: _Open, work: Callable[[], Awaitable[T]]) -> T:
    token = _open.set(opened)
    try:
        done = await work()
    finally:
        _open.reset(token)
    for collection, rows in opened.kept_back.values():
        await collection.insert_many(rows, session=opened.session)
    return done


async def _commit(session: Any, deadline: float) -> None:
    """Commit; ask again where the answer was lost, which does not commit twice."""
    while True:
        try:
            await session.commit_transaction()
        except Exception as error:
            if not _has_label(error, "UnknownTransactionCommitResult") or time.monotonic() > deadline:
                raise
        else:
            return


async def _abort(session: Any) -> None:
    """Abort what is open; the server by itself aborts what it does not hear of again."""
    if session.in_transaction:
        try:
            await session.abort_transaction()
        except Exception as error:
            if not hasattr(error, "has_error_label"):
                raise


def _has_label(error: BaseException, label: str) -> bool:
    """Tell whether a driver's error carries one of MongoDB's labels."""
    return hasattr(error, "has_error_label") and bool(error.has_error_label(label))
