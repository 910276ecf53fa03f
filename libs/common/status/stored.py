"""What a service's database tells of how it stands: the outbox, and who relays it."""

from dataclasses import dataclass

from libs.common.bus.lease import LeaseRow
from libs.common.bus.outbox import OutboxRow
from libs.common.bus.relay import COUNTED_AT_MOST, OLDEST_FIRST, RELAY_LEASE
from libs.common.clock import now
from libs.common.mongo import Mongo


@dataclass(frozen=True, slots=True)
class OutboxDepth:
    """What waits to be published. Args: pending: counted up to a limit."""

    pending: int
    oldest_age_s: float


async def measure_outbox(mongo: Mongo) -> OutboxDepth:
    """Return what waits to be published, and how long the first of it has."""
    rows = mongo.collection(OutboxRow)
    oldest = await rows.find_one({}, sort=OLDEST_FIRST, projection={"time": 1})
    age_s = (now() - oldest["time"]).total_seconds() if oldest else 0.0
    return OutboxDepth(await rows.count({}, limit=COUNTED_AT_MOST), max(0.0, age_s))


async def has_relay(mongo: Mongo) -> bool:
    """Tell whether some worker holds the relay's lease, by the database's clock."""
    held = {"_id": RELAY_LEASE, "$expr": {"$gt": ["$until", "$$NOW"]}}
    return await mongo.collection(LeaseRow).find_one(held) is not None
