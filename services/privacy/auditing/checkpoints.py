"""Checkpoints: signed statements of how far the ledger had come, to be kept where nobody here can reach them."""

import asyncio
from datetime import timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from libs.common.audit import SYSTEM, Audit
from libs.common.audit_ledger import Checkpoint, CheckpointInvalid, read_checkpoint, sign_checkpoint
from libs.common.clock import new_id, now
from libs.common.signing import SigningKey
from libs.common.work import UnitOfWork
from services.privacy.auditing.ledger import iso
from services.privacy.auditing.models import AuditCheckpoint
from services.privacy.auditing.rows import AuditRows, chain_of
from services.privacy.metrics import AUDIT_CHECKPOINT

READ_AT_ONCE = 1_000


class Checkpoints:
    """Makes and keeps checkpoints. Args: previous: public keys of before, still good for what they signed."""

    def __init__(
        self,
        rows: AuditRows,
        work: UnitOfWork,
        audit: Audit,
        key: SigningKey,
        previous: tuple[Ed25519PublicKey, ...],
    ) -> None:
        self._rows, self._work, self._audit, self._key = rows, work, audit, key
        self._keys = (key.public_key, *previous)

    async def run(self, every_s: float) -> None:
        """Make one now and then, for as long as the process lives. Every worker may: one more harms nothing."""
        while True:
            await self.make_if_due(timedelta(seconds=every_s))
            await asyncio.sleep(every_s / 4)

    async def make_if_due(self, every: timedelta) -> None:
        """Make one where anything came since the last, and that is long enough ago."""
        last = await self._rows.last_checkpoint()
        if last is not None:
            AUDIT_CHECKPOINT.set(last.at.timestamp())
        size = sum(head.sequence for head in await self._rows.heads())
        if size > (last.size if last else 0) and (last is None or now() - last.at >= every):
            await self.make()

    async def make(self, actor: str = SYSTEM) -> AuditCheckpoint:
        """Sign where the ledger stands.

        Args:     actor: who asked for it, `staff_actor(...)` or the platform itself.
        Effects:  a checkpoint; audit: audit.checkpointed, where an operator asked.
        """

        async def write() -> AuditCheckpoint:
            at = now()
            heads = [chain_of(head).head(head.id) for head in await self._rows.heads()]
            signed = sign_checkpoint(self._key, heads, iso(at))
            size = sum(head.sequence for head in heads)
            checkpoint = AuditCheckpoint(id=new_id(), at=at, size=size, signed=signed)
            await self._rows.add_checkpoint(checkpoint)
            if actor != SYSTEM:
                await self._audit.record(
                    "audit.checkpointed", ground="by-staff", actor=actor, target=str(checkpoint.id)
                )
            return checkpoint

        checkpoint = await self._work.run(write)
        AUDIT_CHECKPOINT.set(checkpoint.at.timestamp())
        return checkpoint

    async def page(self, after: UUID | None, limit: int) -> list[AuditCheckpoint]:
        """Return checkpoints, the oldest first."""
        return await self._rows.checkpoints(after, limit)

    async def read_all(self) -> tuple[list[Checkpoint], list[str]]:
        """Return all that are genuine, and what is wrong with each of the others."""
        genuine, forged, after = list[Checkpoint](), list[str](), None
        while rows := await self._rows.checkpoints(after, READ_AT_ONCE):
            await asyncio.to_thread(self._read, rows, genuine, forged)
            after = rows[-1].id
        return genuine, forged

    def _read(self, rows: list[AuditCheckpoint], genuine: list[Checkpoint], forged: list[str]) -> None:
        for row in rows:
            try:
                genuine.append(read_checkpoint(row.signed, self._keys))
            except CheckpointInvalid as error:
                forged.append(f"{row.id}: {error}")
