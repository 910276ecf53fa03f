"""Is it up? Questions the launcher asks, with nothing heavier than the standard library."""

import asyncio
from contextlib import suppress

from deploy.local.ports import HOST

PATIENCE = 2  # seconds for one answer


async def listens(port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(HOST, port), PATIENCE)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def answers(port: int, path: str) -> bool:
    """Whether `GET path` is answered with 200."""
    return await status(port, path) == 200  # noqa: PLR2004


async def status(port: int, path: str) -> int | None:
    """The status that `GET path` is answered with, if it is."""
    try:
        return await asyncio.wait_for(_status(port, path), PATIENCE)
    except (OSError, TimeoutError, ValueError, IndexError):
        return None


async def _status(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()
