"""Up to where a consumer group has committed, asked of its coordinator by somebody who is no member."""

import asyncio

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest

from libs.common.bus.connection import connection
from libs.common.bus.replay import REQUEST_TIMEOUT_MS, STALLED_S, LogUnavailable

LOOK_EVERY_S = 0.2

Offsets = dict[TopicPartition, int]


async def committed_by(bootstrap: str, group: str) -> Offsets:
    """Return where a group goes on, without the partitions in which it has committed nothing.

    Raises:   LogUnavailable (503).
    """
    admin = AIOKafkaAdminClient(**await connection(bootstrap), request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        async with asyncio.timeout(STALLED_S):
            await admin.start()
            return await _once_it_answers(admin, group)
    except (TimeoutError, OSError, KafkaError) as error:
        raise LogUnavailable from error
    finally:
        await admin.close()


async def committed(admin: AIOKafkaAdminClient, group: str) -> Offsets:
    """Return the same by an open client. Raises: KafkaError.

    The client's own call passes over the answer's error: a coordinator that is still loading the group, or is it no
    longer, is to it one of a group that has committed nothing (aiokafka 0.14, `list_consumer_group_offsets`).
    """
    coordinator = await admin.find_coordinator(group)
    request = OffsetFetchRequest(group, None)
    answer = await admin._send_request(request, coordinator)  # noqa: SLF001 - nothing public tells the error
    found = [
        (TopicPartition(topic, each[0]), each[1], each[3]) for topic, parts in answer.topics for each in parts
    ]
    for code in [answer.error_code, *(code for *_, code in found)]:
        if code:
            raise for_code(code)(group)
    return {part: offset for part, offset, _ in found if offset >= 0}


async def _once_it_answers(admin: AIOKafkaAdminClient, group: str) -> Offsets:
    while True:
        try:
            return await committed(admin, group)
        except KafkaError as error:
            # A coordinator that moves is found again, and one that loads has loaded soon.
            if not error.retriable:
                raise
        await asyncio.sleep(LOOK_EVERY_S)
