"""What privacy does when something happened. Each runs inside its batch's transaction, once per event."""

from libs.common.bus.consumes import Once, consumes
from libs.common.events.auth import UserDeletedV1
from libs.common.events.privacy import (
    ActionRecordedV1,
    ErasureCompletedV1,
    ExportCompletedV1,
    HoldAnsweredV1,
    InventoryCompletedV1,
    RequestAcceptedV1,
    RequestFulfilledV1,
    RequestUpdatedV1,
)
from libs.common.mailing.request_news import News
from services.privacy.service import PrivacyService


@consumes(UserDeletedV1, group="privacy.open-case")
async def open_case(event: UserDeletedV1, service: PrivacyService) -> None:
    """Open the erasure case of a person who deleted their account.

    Raises:   CaseChanged: retried.
    Effects:  a case; publishes inventory.requested.
    """
    await service.open(event)


@consumes(InventoryCompletedV1, ErasureCompletedV1, group="privacy.collect")
async def collect(event: InventoryCompletedV1 | ErasureCompletedV1, service: PrivacyService) -> None:
    """Take in a holder's answer, and go on with the case in the same transaction if it was the last one.

    Raises:   CaseChanged: retried.
    Effects:  the case; publishes erasure.requested after the last inventory; frees the scan after the last erasure.
    """
    if isinstance(event, InventoryCompletedV1):
        await service.note_inventory(event)
    else:
        await service.note_erasure(event)


@consumes(HoldAnsweredV1, group="privacy.note-holds")
async def note_holds(event: HoldAnsweredV1, service: PrivacyService) -> None:
    """Take in what became of a hold on an item, from the service that was to keep it.

    Effects:  the hold; publishes action.recorded.
    """
    await service.holds.effects.note_answer(event)


@consumes(RequestUpdatedV1, group="privacy.mail-writers", concurrency=4)
async def mail_writers(event: RequestUpdatedV1, service: PrivacyService, once: Once) -> None:
    """Mail news about a request to the address that was typed in it.

    Raises:   Unavailable: the mail server does not answer, retried.  MailRefused: dead letter.
    Effects:  a link; one mail, a second one where the process died between mail and commit.
    """
    await service.requests.telling.send(event.request_id, News(event.news), once)


@consumes(RequestFulfilledV1, group="privacy.close-requests")
async def close_requests(event: RequestFulfilledV1, service: PrivacyService) -> None:
    """End the request that a service has carried out.

    Effects:  the request is closed with what came of it; a mail.
    """
    await service.requests.desk.note_fulfilled(event)


@consumes(ActionRecordedV1, group="privacy.record-audit", batch=1_000)
async def record_audit(events: list[ActionRecordedV1], service: PrivacyService) -> None:
    """Write what was done into the audit ledger, in the order in which each service did it.

    Effects:  an entry for each event; the stream's head is held until the commit.
    """
    await service.ledger.append(events)


@consumes(RequestAcceptedV1, group="privacy.begin-exports")
async def begin_exports(event: RequestAcceptedV1, service: PrivacyService) -> None:
    """Begin the export that a request for access or portability asks for; other requests are for others.

    Effects:  an export, or the request joins the one that is being made; publishes export.requested.
    """
    await service.exports.answer(event)


@consumes(ExportCompletedV1, group="privacy.collect-exports")
async def collect_exports(event: ExportCompletedV1, service: PrivacyService) -> None:
    """Take in that a holder's part of an export is there; with the last one it is due to be packed.

    Effects:  the export.
    """
    await service.exports.note(event)
