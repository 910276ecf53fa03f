"""What the sandbox does when its merchant has somebody erased; on purpose not always at the first request."""

from uuid import UUID

from libs.common.clock import new_id
from libs.common.errors import Unavailable
from libs.common.mongo import Mongo
from services.billing.providers.sandbox.models import ErasureRow
from services.billing.providers.sandbox.plan import Faults
from services.billing.providers.sandbox.repository import (
    CheckoutRepository,
    DeliveryRepository,
    ErasureRepository,
)

REFERENCE = "er_"


class NotNow(Unavailable):
    """The sandbox pretends to be out of order."""

    code, title = "not-now", "Try again later"


class Erasures:
    """Erasures that the merchant asked for."""

    def __init__(self, mongo: Mongo, faults: Faults) -> None:
        self._mongo, self._faults = mongo, faults
        self._checkouts, self._deliveries = CheckoutRepository(mongo), DeliveryRepository(mongo)
        self._erasures = ErasureRepository(mongo)

    async def erase(self, payment_ids: list[UUID]) -> ErasureRow:
        """Erase what leads to these payments, and return the proof; asked again, there is nothing left to do.

        What was paid stays in the sandbox's own books, under a random id in place of the merchant's.

        Raises:   NotNow (503): nothing was done, or it was done and the answer is lost.
        """
        number = await self._checkouts.next_number("erasures")
        if self._faults.refuses(number):
            raise NotNow
        erasure = await self._mongo.transaction(lambda: self._erase(payment_ids))
        if self._faults.loses(number):
            raise NotNow
        return erasure

    async def _erase(self, payment_ids: list[UUID]) -> ErasureRow:
        count = await self._checkouts.erase(payment_ids)
        await self._deliveries.erase(payment_ids)
        erasure = ErasureRow(id=f"{REFERENCE}{new_id().hex}", count=count)
        await self._erasures.add(erasure)
        return erasure
