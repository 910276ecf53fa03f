"""Restoring, from this machine: the one command that reaches into databases, since no service may run meanwhile."""

import asyncio
import os
from contextlib import AsyncExitStack
from importlib import import_module
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from rich.progress import Progress

from cli.output import NO, complain, fail
from cli.platform import Platform
from libs.common.backup.maker import SERVICES
from libs.common.backup.report import RestoreReport
from libs.common.backup.restore import Restore, Stored, new_appname
from libs.common.backup.settings import BackupSettings
from libs.common.bus.consumes import subscriptions
from libs.common.bus.group import Group, groups_of
from libs.common.errors import Conflict, NotFound, PixeraError
from libs.common.exporting.handlers import export_subscription
from libs.common.exporting.parts import takes_part
from libs.common.mongo import Mongo
from libs.common.privacy.handlers import privacy_subscription
from libs.common.privacy.hold_handlers import hold_subscription
from libs.common.settings import CommonSettings
from libs.common.storage import Storage

RUNBOOK = "docs/runbooks/restore.md"


def run(backup: str, platform: Platform, bar: Progress) -> dict[str, Any]:
    """Restore a backup into the servers that the environment, or the stack on this machine, names."""
    for name, value in platform.stack.get("env", {}).items():
        os.environ.setdefault(name, value)
    report = asyncio.run(_restored(backup, *_settings(), bar))
    return report.model_dump(mode="json", by_alias=True)


def _settings() -> tuple[CommonSettings, BackupSettings]:
    try:
        return CommonSettings(), BackupSettings()
    except ValidationError as error:
        missing = ", ".join(f"PIXERA_{each['loc'][0]}".upper() for each in error.errors() if each["loc"])
        fail(f"Settings are missing or wrong: {missing or error.errors()[0]['msg']}. Do the servers run?")


async def _restored(
    backup: str, settings: CommonSettings, backups: BackupSettings, bar: Progress
) -> RestoreReport:
    task, appname = bar.add_task("reading", total=None), new_appname()
    restore: Restore | None = None

    async def tell(step: str, done: int, of: int) -> None:
        bar.update(task, description=step, completed=done, total=of or None)

    async with AsyncExitStack() as opened:
        try:
            mongo, storage = Mongo.connect(settings, "privacy", appname=appname), Storage(settings)
            opened.push_async_callback(mongo.close)
            opened.push_async_callback(storage.close)
            restore = Restore(stored(), mongo, appname, storage, settings, backups)
            report = await restore.run(backup, tell)
        except Exception as error:  # noqa: BLE001 - whatever it was, they have to hear whether services may start
            give_up(error, locked=restore is not None and restore.locked)
    return report


def give_up(error: Exception, *, locked: bool) -> NoReturn:
    """Say why a backup is not restored, and what to do now. Args: locked: services are locked out until it is."""
    if os.environ.get("PIXERA_DEBUG"):
        raise error
    said = error.detail if isinstance(error, PixeraError) else type(error).__name__
    if locked:
        fail(
            f"It is not restored: {said}. No service starts before it is: mend that, and repeat it ({RUNBOOK})."
        )
    if not isinstance(error, Conflict | NotFound):
        fail(f"The restore could not begin: {said}. Nothing was changed: mend that, and repeat it.")
    complain(f"Refused: {error.detail}. Nothing was changed ({RUNBOOK}).")
    raise typer.Exit(NO)


def stored() -> Stored:
    """Return what every service stores and consumes, from its own declarations."""
    holdings = [import_module(f"services.{service}.privacy").HOLDINGS for service in SERVICES]
    groups: list[Group] = []
    for service, held in zip(SERVICES, holdings, strict=True):
        handlers = import_module(f"services.{service}.handlers")
        groups += groups_of([*subscriptions(handlers, None), privacy_subscription(service, _nothing)])
        groups += groups_of([hold_subscription(service, _nothing)] if held.items else [])
        groups += groups_of([export_subscription(service, _nothing)] if takes_part(held) else [])
    return Stored(holdings, groups)


async def _nothing() -> None:
    """Stand where a handler does: nothing is handled here."""
