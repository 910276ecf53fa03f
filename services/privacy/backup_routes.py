"""Backups over HTTP, for operators."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from libs.common.app import provided
from libs.common.audit import staff_actor
from libs.common.backup.errors import BackupDamaged, BackupKeyWrong, BackupNotFound, BackupsOff
from libs.common.backup.folder import Opened
from libs.common.backup.manifest import Manifest
from libs.common.errors import Forbidden, problems
from libs.common.identity import Staff
from services.privacy.backups import Backups
from services.privacy.errors import BackupUnderWay
from services.privacy.models import Backup
from services.privacy.service import PrivacyService

NDJSON = "application/x-ndjson"


async def backups_of(service: Annotated[PrivacyService, Depends(provided(PrivacyService))]) -> Backups:
    """Return the backups of this service."""
    return service.backups


Service = Annotated[Backups, Depends(backups_of)]


class BackupOut(BaseModel):
    """A backup: how far it is, and once it is whole, what is in it and when it goes."""

    id: str
    state: str
    step: str
    rows: int
    rows_of: int
    objects: int
    reason: str | None = None
    size_bytes: int | None = None
    made_at: datetime | None = None
    expires_at: datetime | None = None
    key_id: str | None = None

    @classmethod
    def of(cls, row: Backup | None, manifest: Manifest | None) -> "BackupOut":
        """Return what is known: the manifest's word counts before the row's."""
        if manifest is None:
            return cls.model_validate(row.model_dump() if row else {})
        rows = manifest.rows()
        return cls(
            id=manifest.id,
            state="done",
            step="done",
            rows=rows,
            rows_of=rows,
            objects=manifest.objects(),
            size_bytes=manifest.size,
            made_at=manifest.made_at,
            expires_at=manifest.expires_at,
            key_id=manifest.key_id,
        )


class BackupsOut(BaseModel):
    """The backups there are, oldest first."""

    items: list[BackupOut]


T = TypeVar("T")
TICK_S = 5.0
"""A file may take minutes to read, and who hears nothing for so long gives up."""

router = APIRouter(prefix="/api/privacy/v1/staff/backups", tags=["privacy"])


@router.post("", status_code=202, responses=problems(Forbidden, BackupsOff, BackupUnderWay))
async def make_backup(staff: Staff, service: Service) -> BackupOut:
    """Have a backup made of everything, as it is at one moment.

    Effects:  publishes action.recorded; files, once a worker has made it.
    """
    return BackupOut.of(await service.request(staff_actor(staff.id)), None)


@router.get("", responses=problems(Forbidden, BackupsOff))
async def list_backups(_: Staff, service: Service) -> BackupsOut:
    """Return all whole backups."""
    return BackupsOut(items=[BackupOut.of(None, manifest) for manifest in await service.whole()])


@router.get("/{backup_id}", responses=problems(Forbidden, BackupsOff, BackupNotFound))
async def show_backup(backup_id: str, _: Staff, service: Service) -> BackupOut:
    """Return how far a backup is, or what is in it."""
    return BackupOut.of(*await service.get(backup_id))


@router.get(
    "/{backup_id}/verification",
    responses=problems(Forbidden, BackupNotFound, BackupKeyWrong, BackupDamaged),
    response_class=StreamingResponse,
)
async def verify_backup(backup_id: str, _: Staff, service: Service) -> StreamingResponse:
    """Read a whole backup, and tell of each file whether it is as it was written; the last line says of all."""
    return StreamingResponse(_lines(service, await service.open(backup_id)), media_type=NDJSON)


async def _lines(service: Backups, opened: Opened) -> AsyncIterator[bytes]:
    damaged = []
    async for checked in _ticking(service.verified(opened)):
        if checked is None:
            yield _line(kind="working")
            continue
        name, error = checked
        if error:
            damaged.append(name)
        yield _line(kind="file", file=name, whole=error is None, of=len(opened.manifest.files))
    yield _line(kind="end", whole=not damaged, damaged=damaged)


async def _ticking(items: AsyncIterator[T]) -> AsyncIterator[T | None]:
    """Yield what comes, and None whenever nothing came for a while: who listens knows that there is somebody."""
    while True:
        step = asyncio.ensure_future(anext(items))
        try:
            while not (await asyncio.wait({step}, timeout=TICK_S))[0]:
                yield None
            yield step.result()
        except StopAsyncIteration:
            return
        finally:
            step.cancel()


def _line(**said: object) -> bytes:
    return json.dumps(said).encode() + b"\n"
