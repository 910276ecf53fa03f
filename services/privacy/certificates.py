"""Issues certificates as one chain: no gap, no fork, whatever happens at the same time."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from libs.common.certificate import AMENDMENT, VERSION, Signer
from libs.common.clock import new_id
from services.privacy.errors import CertificateNotFound
from services.privacy.models import Certificate, ChainHead
from services.privacy.repository import CertificateRepository


class Certificates:
    """The chain. Args: previous: public keys of before, still good for what they signed."""

    def __init__(
        self, rows: CertificateRepository, signer: Signer, previous: tuple[Ed25519PublicKey, ...]
    ) -> None:
        self._rows, self._signer = rows, signer
        self.keys = (signer.public_key, *previous)

    async def issue(self, case_id: UUID, facts: dict[str, Any], at: datetime) -> int:
        """Sign and store the certificate of a case; return its number. Only inside a transaction.

        Effects:  locks the head of the chain until the transaction ends; an aborted one leaves no gap.
        """
        return await self._append(case_id, None, facts, at, VERSION)

    async def amend(self, case_id: UUID, facts: dict[str, Any], at: datetime) -> int:
        """Sign and store what amends a case's certificate, as the chain's next; as above.

        Raises:   CertificateNotFound: there is nothing to amend.
        """
        first = await self._rows.of_case(case_id)
        if first is None:
            raise CertificateNotFound
        named = {"amends": {"sequence": first.sequence, "hash": first.hash}}
        return await self._append(new_id(), case_id, facts | named, at, AMENDMENT)

    async def _append(
        self, key: UUID, case_id: UUID | None, facts: dict[str, Any], at: datetime, version: int
    ) -> int:
        head = await self._rows.lock_head()
        sequence = head.sequence + 1
        signed = self._signer.issue(facts, sequence, head.hash, version)
        certificate = Certificate(
            id=key,
            case_id=case_id,
            sequence=sequence,
            hash=json.loads(signed)["hash"],
            signed=signed,
            issued_at=at,
        )
        await self._rows.append(certificate)
        return sequence

    async def of_case(self, case_id: UUID) -> bytes:
        """Return a case's certificate, byte for byte. Raises CertificateNotFound (404)."""
        certificate = await self._rows.of_case(case_id)
        if certificate is None:
            raise CertificateNotFound
        return certificate.signed

    async def all_of_case(self, case_id: UUID) -> list[Certificate]:
        """Return a case's certificate and what amends it, in the order of the chain."""
        return await self._rows.all_of_case(case_id)

    async def head(self) -> ChainHead:
        """Return the chain's head."""
        return await self._rows.head()

    async def page(self, after: int, limit: int) -> list[Certificate]:
        """Return certificates in order, behind a number."""
        return await self._rows.page(after, limit)
