"""The payment provider's own doings, beyond what the sandbox does by itself: telling again, and refunds."""

import asyncio
import json
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx
from standardwebhooks import Webhook

from deploy.local.ports import HOST
from services.billing.packages import PACKAGES
from tests.chaos.client import TIMEOUT_S
from tests.chaos.model import Rig
from tests.chaos.people import Person

NOTICES = "/api/billing/v1/webhooks/sandbox"


class Provider:
    """Tells the merchant by signed notices, through the gateway; refunds over the provider's merchant API."""

    def __init__(self, rig: Rig) -> None:
        self._webhook = Webhook(rig.env["PIXERA_WEBHOOK_SECRET"])
        self._api = httpx.AsyncClient(
            base_url=f"http://{HOST}:{rig.ports['pay']}",
            headers={"Authorization": f"Bearer {rig.env['PIXERA_PAY_API_KEY']}"},
            timeout=TIMEOUT_S,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.aclose()

    async def tell_again(self, person: Person, payment_id: str, notice_id: str) -> None:
        """Tell that a payment which was made is completed, twice at once; and then, late, that it is pending."""
        package = PACKAGES[person.purchases[payment_id].package]
        told = {
            "payment_id": payment_id,
            "amount_minor": package.price.minor,
            "currency": package.price.currency,
        }
        completed, pending = (_body(f"payment.{state}", told) for state in ("completed", "pending"))
        await asyncio.gather(*(self._tell(person, payment_id, notice_id, completed) for _ in range(2)))
        await self._tell(person, payment_id, f"{notice_id}_late", pending)

    async def refund(self, person: Person, payment_id: str) -> None:
        """Give a paid amount back."""
        purchase = person.purchases[payment_id]
        purchase.refunded = True
        path, given = f"/pay/api/checkouts/{purchase.checkout_id}/refund", {"payment_id": payment_id}
        await person.call("refund", "POST", path, given=given, http=self._api)

    async def _tell(self, person: Person, payment_id: str, notice_id: str, body: str) -> None:
        moment = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": notice_id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": self._webhook.sign(notice_id, moment, body),
        }
        given = {"payment_id": payment_id, "notice": notice_id}
        await person.call("notice", "POST", NOTICES, given=given, content=body, headers=headers)


def _body(kind: str, told: dict[str, Any]) -> str:
    return json.dumps({"type": kind, "timestamp": datetime.now(UTC).isoformat(), "data": told})
