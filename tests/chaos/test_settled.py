"""What counts as serving, besides being idle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deploy.local.ports import HOST
from libs.common.testing.processes import free_port
from tests.chaos.plan import SERVICE_PROCESSES
from tests.chaos.settled import OPEN, not_serving


@asynccontextmanager
async def answering(status: int) -> AsyncIterator[int]:
    """Answer every request with a status. Yields the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} -\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, HOST, 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_platform_serves_when_every_process_is_ready_and_the_gateway_leads_there() -> None:
    async with answering(200) as well, answering(503) as badly:
        ports, gateway = dict.fromkeys(SERVICE_PROCESSES, well), f"http://{HOST}:{well}"
        assert await not_serving(gateway, ports) == []
        unready = await not_serving(gateway, ports | {"auth-worker": badly, "privacy-api": free_port()})
        assert unready == ["auth-worker: 503", "privacy-api: ConnectError"]
        assert await not_serving(f"http://{HOST}:{badly}", ports) == [f"{path}: 503" for path in OPEN]
