"""Restoring, from this machine: the one command that reaches into databases, since no service may run meanwhile."""

import asyncio
import os
from importlib import import_module
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from rich.progress import Progress

from cli.output import NO, fail
from cli.platform import Platform
from libs.common.backup.maker import SERVICES
from libs.common.backup.report import RestoreReport
from libs.common.backup.restore import APPNAME_OF_RESTORES, Restore, Stored
from libs.common.backup.settings import BackupSettings
from libs.common.bus.consumes import subscriptions
from libs.common.bus.group import Group, groups_of
from libs.common.errors import Conflict, NotFound, PixeraError
from libs.common.exporting.handlers import export_subscription
from libs.common.exporting.parts import takes_part
from libs.common.mongo import Mongo, PyMongoError
from libs.common.privacy.handlers import privacy_subscription
from libs.common.privacy.hold_handlers import hold_subscription
from libs.common.settings import CommonSettings
from libs.common.storage import Storage


def run(backup: str, platform: Platform, bar: Progress) -> dict[str, Any]:
    """Restore a backup into the servers that the environment, or the stack on this machine, names."""
    for name, value in platform.stack.get("env", {}).items():
        os.environ.setdefault(name, value)
    try:
        report = asyncio.run(_restored(backup, bar))
    except ValidationError as error:
        missing = ", ".join(f"PIXERA_{each['loc'][0]}".upper() for each in error.errors() if each["loc"])
        fail(f"Settings are missing or wrong: {missing or error.errors()[0]['msg']}. Do the servers run?")
    except (Conflict, NotFound) as error:
        _refuse(error)
    except (PixeraError, PyMongoError, OSError) as error:
        said = error.detail if isinstance(error, PixeraError) else type(error).__name__
        fail(
            f"The restore broke off ({said}). No service starts before it is done again: mend that, and repeat it."
        )
    return report.model_dump(mode="json", by_alias=True)


async def _restored(backup: str, bar: Progress) -> RestoreReport:
    settings, backups = CommonSettings(), BackupSettings()
    mongo = Mongo.connect(settings, "privacy", appname=APPNAME_OF_RESTORES)
    storage, task = Storage(settings), bar.add_task("reading", total=None)

    async def tell(step: str, done: int, of: int) -> None:
        bar.update(task, description=step, completed=done, total=of or None)

    try:
        return await Restore(stored(), mongo, storage, settings, backups).run(backup, tell)
    finally:
        await storage.close()
        await mongo.close()


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


def _refuse(error: PixeraError) -> NoReturn:
    typer.echo(f"Refused: {error.detail}. Nothing was changed.", err=True)
    raise typer.Exit(NO)
