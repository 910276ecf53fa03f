"""The raw baseline of the bus: the same steps with the plain drivers, and none of the care."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorClientSession

PARTITIONS = 6
KEYS = 200
MOST = 500


class BareBus:
    """Writer, relay and consumer by hand, in this process."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._bootstrap = env["PIXERA_KAFKA_BOOTSTRAP"]
        self._client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
            env["PIXERA_MONGO_URI"], uuidRepresentation="standard", w="majority"
        )
        self._name = f"bare_{uuid4().hex[:8]}"
        self._db = self._client[self._name]
        self._relaying = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["BareBus"]:
        """Start relay and consumer; yield once both are at work."""
        for name in ("business", "outbox", "inbox", "effects"):
            await self._db.create_collection(name)
        await self._db["inbox"].create_index([("consumer", 1), ("event_id", 1)], unique=True)
        await self._make_topic()
        tasks = [asyncio.create_task(self._relay()), asyncio.create_task(self._consume())]
        await self._relaying.wait()
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._client.drop_database(self._name)
            self._client.close()

    async def write(self, numbers: range) -> None:
        """Write business rows and their events, in one transaction."""
        business = [{"_id": uuid4(), "number": number} for number in numbers]
        outbox = [
            {
                "_id": str(uuid4()),
                "key": str(n % KEYS),
                "body": orjson.dumps({"number": n, "user_id": str(n % KEYS)}),
            }
            for n in numbers
        ]

        async def write(session: AsyncIOMotorClientSession) -> None:
            await self._db["business"].insert_many(business, session=session)
            await self._db["outbox"].insert_many(outbox, session=session)

        async with await self._client.start_session() as session:
            await session.with_transaction(write)

    async def count(self) -> int:
        """Return how many effects there are."""
        return await self._db["effects"].count_documents({})

    async def _make_topic(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(self._name, PARTITIONS, 1)])
        await admin.close()

    async def _relay(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True, max_batch_size=131_072
        )
        await producer.start()
        try:
            async with self._db["outbox"].watch(
                [{"$match": {"operationType": "insert"}}], batch_size=MOST
            ) as stream:
                self._relaying.set()
                while True:
                    rows = [(await stream.next())["fullDocument"]]
                    while len(rows) < MOST and (change := await stream.try_next()):
                        rows.append(change["fullDocument"])
                    await self._publish(producer, rows)
        finally:
            await producer.stop()

    async def _publish(self, producer: AIOKafkaProducer, rows: list[dict[str, Any]]) -> None:
        sent = [
            await producer.send(
                self._name, row["body"], row["key"].encode(), headers=[("ce_id", row["_id"].encode())]
            )
            for row in rows
        ]
        await asyncio.gather(*sent)
        await self._db["outbox"].delete_many({"_id": {"$in": [row["_id"] for row in rows]}})

    async def _consume(self) -> None:
        consumer = AIOKafkaConsumer(
            self._name,
            bootstrap_servers=self._bootstrap,
            group_id=self._name,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            while True:
                batch = await consumer.getmany(timeout_ms=1_000, max_records=MOST)
                records = [record for found in batch.values() for record in found]
                if records:
                    await self._effect(records)
                    await consumer.commit({tp: found[-1].offset + 1 for tp, found in batch.items()})
        finally:
            await consumer.stop()

    async def _effect(self, records: list[Any]) -> None:
        ids = [dict(record.headers)["ce_id"].decode() for record in records]
        inbox = [{"_id": uuid4(), "consumer": "bare", "event_id": event_id} for event_id in ids]
        effects = [{"_id": uuid4(), "number": orjson.loads(record.value)["number"]} for record in records]

        async def write(session: AsyncIOMotorClientSession) -> None:
            await self._db["inbox"].insert_many(inbox, session=session)
            await self._db["effects"].insert_many(effects, session=session)

        async with await self._client.start_session() as session:
            await session.with_transaction(write)
