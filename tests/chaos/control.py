"""How the rig tells its launcher what only the launcher can do: one JSON line asks, one answers."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from deploy.local.ports import HOST
from tests.chaos.model import FaultFailed

Do = Callable[..., Awaitable[None]]


class Control:
    """In the launcher: does what it is asked."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._known: dict[str, Do] = {}
        self._server: asyncio.Server | None = None

    def on(self, what: str, do: Do) -> None:
        """Ask `what` and this is done."""
        self._known[what] = do

    async def open(self) -> None:
        """Listen, on loopback only."""
        self._server = await asyncio.start_server(self._serve, HOST, self._port)

    async def close(self) -> None:
        """Listen no more."""
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        what, *arguments = json.loads(await reader.readline())
        trouble = ""
        try:
            await self._known[what](*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who asked is told
            trouble = repr(error)
        writer.write(json.dumps(trouble).encode() + b"\n")
        await writer.drain()
        writer.close()


async def ask(port: int, what: str, *arguments: str, within_s: float) -> None:
    """Have the launcher do something. Raises: FaultFailed: it could not, or not in time."""
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(json.dumps([what, *arguments]).encode() + b"\n")
            answer = await reader.readline()
            writer.close()
    except (OSError, TimeoutError) as error:
        raise FaultFailed(f"{what} {arguments}: {error!r}") from error
    if not answer or (trouble := json.loads(answer)):
        raise FaultFailed(f"{what} {arguments}: {trouble if answer else 'no answer'}")
