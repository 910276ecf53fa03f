"""The events that a case publishes."""

from typing import get_args
from uuid import UUID

from libs.common.events import Event
from libs.common.events.privacy import ErasureRequestedV1, ErasureVerifiedV1, Holder, InventoryRequestedV1
from services.privacy.models import Case
from services.privacy.protocol import (
    LAST,
    Command,
    PublishErasureRequested,
    PublishInventoryRequested,
    PublishVerified,
)


def event_of(command: Command, case: Case, user_id: UUID) -> Event | None:
    """Return what a command has published, None where it publishes nothing."""
    match command:
        case PublishInventoryRequested():
            return InventoryRequestedV1(user_id=user_id, case_id=case.id)
        case PublishErasureRequested(attempt, last):
            asked = [
                name for name in get_args(Holder) if name in case.saga.holders and (name in LAST) is last
            ]
            return ErasureRequestedV1(user_id=user_id, case_id=case.id, attempt=attempt, holders=asked)
        case PublishVerified():
            return _verified(case, user_id)
        case _:
            return None


def _verified(case: Case, user_id: UUID) -> ErasureVerifiedV1:
    if case.certificate is None:
        raise TypeError("VERIFIED is announced with its certificate")
    return ErasureVerifiedV1(user_id=user_id, case_id=case.id, certificate_sequence=case.certificate)
