"""A mend of aiokafka's: an answer that tells an error is not taken for one that tells of no positions.

Since version 2 of OffsetFetch a coordinator that is loading, or is one no longer, says so once for the whole answer
and names no partition. aiokafka 0.14 looks at partitions alone, so a broker that failed at that moment had a group
begin at the oldest record there is. Its own loop looks for the coordinator again where it is told.

Source:   KIP-88; the same in Parsely/pykafka#958, IBM/sarama#3574.
"""

from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import NotCoordinatorForGroupError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest

_send = GroupCoordinator._send_req  # noqa: SLF001 - nothing public lies between the client and its coordinator


async def _send_and_heed(coordinator: GroupCoordinator, request: Any) -> Any:
    """Send a coordinator a request. Raises: KafkaError: also what an OffsetFetch is answered as a whole."""
    answer = await _send(coordinator, request)
    if isinstance(request, OffsetFetchRequest) and answer.error_code:
        error = for_code(answer.error_code)
        if error is NotCoordinatorForGroupError:
            coordinator.coordinator_dead()
        raise error(coordinator.group_id)
    return answer


def heed_errors() -> None:
    """Have every consumer of this process heed such answers."""
    GroupCoordinator._send_req = _send_and_heed  # noqa: SLF001
