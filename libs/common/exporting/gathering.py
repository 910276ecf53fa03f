"""The holder's side of an export: writes what its holdings declare into a sealed part, again after a crash."""

import asyncio
import mimetypes
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import SecretStr

from libs.common.bus.lease import Lease
from libs.common.clock import new_id
from libs.common.errors import SubjectErased
from libs.common.events.privacy import ExportCompletedV1
from libs.common.events.privacy import Holder as HolderName
from libs.common.exporting import records, segments
from libs.common.exporting.json_schema import categories_of, schema_of
from libs.common.exporting.metrics import PART_SECONDS
from libs.common.exporting.parts import ExportPart, PartRows
from libs.common.exporting.records import FileHead, HoldingHead, Kind
from libs.common.logging import logger
from libs.common.privacy.handlers import holder_name
from libs.common.privacy.holder import ExportedObject, ExportedRow, Holder
from libs.common.privacy.holdings import CollectionHolding, ObjectsHolding, locator
from libs.common.privacy.writes import Writes
from libs.common.sealing import Sealing
from libs.common.storage import ObjectMissing, Storage
from libs.common.stream_cipher import StreamCipher, new_key
from libs.common.work import UnitOfWork

LEASE, LEASE_S = "export-parts", 8.0
LOOK_EVERY_S = 1.0
CAPTIONED_AT_ONCE = 100

log = logger("exporting")


@dataclass(frozen=True)
class Gathering:
    """Writes a service's parts of exports, one after the other; of its workers, one does."""

    holder: Holder
    storage: Storage
    writes: Writes
    work: UnitOfWork
    sealing: Sealing
    key: SecretStr

    async def ask(self, export_id: UUID, user_id: UUID, *, anew: bool) -> None:
        """Note that a part is asked for, inside the open transaction; a part that is whole is told of again.

        Args:     anew: it is whole no more, and is written once more.
        Effects:  the part's row; publishes export.completed where it is done.
        """
        part = await self._rows.ask(export_id, user_id, anew=anew)
        if part.sealed_key is not None:
            await self.work.outbox.add(self._completed(part))

    async def work_for_ever(self) -> None:
        """Write what is asked for, for as long as the process lives."""
        lease = Lease(self.holder.mongo, LEASE, LEASE_S)
        while True:
            if await self._rows.due():
                async with lease.held():
                    while part := await self._rows.due():
                        await self._try(part, lease)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _try(self, part: ExportPart, lease: Lease) -> None:
        """Write one part. What fails is tried again later, from the beginning and under another key."""
        started, outcome = time.monotonic(), "failed"
        try:
            await self.write(part, lease)
            outcome = "done"
        except SubjectErased:
            outcome = "erased"
        except Exception as error:
            log.warning("export.part_failed", export=str(part.id), tries=part.tries, exc_info=error)
        finally:
            PART_SECONDS.labels(outcome).observe(time.monotonic() - started)
        lease.require()

    async def write(self, part: ExportPart, lease: Lease) -> None:
        """Write a part, unless another worker did since it was read.

        What an attempt before this one has left stays: privacy removes it (ADR 0034).

        Raises:   SubjectErased: nothing more is written; LeaseLost: another worker may be at it.
        Effects:  segments in the object store; the part's row; publishes export.completed.
        """
        attempt, key = new_id(), new_key()
        if not await self._rows.begin(part, attempt):  # before all that may fail: what does is put off
            return
        (sealed_key,) = await self.sealing.seal(part.user_id, [key])
        writer = segments.SegmentWriter(
            self.storage,
            self.writes,
            part.user_id,
            self.prefix(part.user_id, part.id, attempt),
            StreamCipher(key),
        )
        done = part.model_copy(update={"attempt": attempt, "sealed_key": sealed_key, "rows": 0, "files": 0})
        async for kind, payload in self._records(part.user_id):
            lease.require()
            await writer.write(records.encoded(kind, payload))
            done.rows += kind is Kind.ROW
            done.files += kind is Kind.FILE
        done.segments = (await writer.end()).segments
        await self.work.run(lambda: self._conclude(done), subject=part.user_id)

    def prefix(self, user_id: UUID, export_id: UUID, attempt: UUID) -> str:
        """Return where an attempt's segments lie."""
        return f"{locator(self.key, user_id)}/{export_id}/{attempt}"

    async def _conclude(self, done: ExportPart) -> None:
        if await self._rows.finish(done):
            await self.work.outbox.add(self._completed(done))

    async def _records(self, user_id: UUID) -> AsyncIterator[tuple[Kind, bytes]]:
        """Yield everything that is held of a person: each holding that has rows, its rows, then the files."""
        current, objects = "", list[ExportedObject]()
        async for item in self.holder.export(user_id):
            if isinstance(item, ExportedRow):
                if item.holding != current:
                    current = item.holding
                    yield Kind.HOLDING, self._head(self._collections[current])
                yield Kind.ROW, records.row(item.row)
                continue
            objects.append(item)
            if len(objects) == CAPTIONED_AT_ONCE:
                async for record in self._files(user_id, objects):
                    yield record
                objects = []
        async for record in self._files(user_id, objects):
            yield record

    async def _files(
        self, user_id: UUID, objects: Sequence[ExportedObject]
    ) -> AsyncIterator[tuple[Kind, bytes]]:
        """Yield objects with their captions, one in memory at a time; one that went meanwhile is left out."""
        captions = await self._captions(user_id, objects)
        for each in objects:
            try:
                data, media_type = await self.storage.fetch(each.bucket, each.name)
            except ObjectMissing:
                continue
            path = each.name.partition("/")[2]
            head = FileHead(
                holding=each.holding,
                path=path + (mimetypes.guess_extension(media_type) or ""),
                media_type=media_type,
                caption=captions.get(path.partition("/")[0]),
            )
            yield Kind.FILE, head.model_dump_json().encode()
            yield Kind.DATA, data

    async def _captions(self, user_id: UUID, objects: Sequence[ExportedObject]) -> dict[str, str]:
        """Return what the rows that objects are of say of them, by the rows' keys."""
        found: dict[str, str] = {}
        for holding in {each.holding for each in objects}:
            held = self._objects[holding]
            if held.described_by is None:
                continue
            names = {each.name.split("/")[1] for each in objects if each.holding == holding}
            query = {
                **held.described_by.of(user_id),
                "_id": {"$in": [UUID(name) for name in names if _is_id(name)]},
            }
            rows = self.holder.mongo.collection(held.described_by.document)
            async for row in rows.stream(query, projection={held.caption: 1}):
                if row.get(held.caption):
                    found[str(row["_id"])] = row[held.caption]
        return found

    def _head(self, holding: CollectionHolding) -> bytes:
        name = self.holder.holdings.name_of(holding)
        head = HoldingHead(
            holding=name, json_schema=schema_of(holding, name), categories=categories_of(holding)
        )
        return head.model_dump_json().encode()

    @property
    def _collections(self) -> dict[str, CollectionHolding]:
        holdings = self.holder.holdings
        return {holdings.name_of(each): each for each in holdings.collections}

    @property
    def _objects(self) -> dict[str, ObjectsHolding]:
        holdings = self.holder.holdings
        return {holdings.name_of(each): each for each in holdings.objects}

    @property
    def _rows(self) -> PartRows:
        return PartRows(self.holder.mongo)

    @property
    def name(self) -> HolderName:
        """Return who writes."""
        return holder_name(self.holder.holdings.service)

    def _completed(self, part: ExportPart) -> ExportCompletedV1:
        return ExportCompletedV1.model_validate(
            part.model_dump(include={"user_id", "attempt", "segments", "rows", "files", "sealed_key"})
            | {"export_id": part.id, "holder": self.name}
        )


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
