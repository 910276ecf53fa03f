"""Receives e-mail and sends none: every message becomes a file."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.local.ports import HOST

SIZE_LIMIT = 10_485_760  # bytes


class FileHandler:
    """Writes each message to `<folder>/<nanoseconds>.eml`, whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802  aiosmtpd's name
        recipients = ", ".join(envelope.rcpt_tos)
        content = envelope.original_content or b""
        await asyncio.to_thread(self._write, f"X-Envelope-To: {recipients}\r\n".encode() + content)
        return "250 kept"

    def _write(self, message: bytes) -> None:
        name = f"{time.time_ns()}.eml"
        partial = self._folder / f"{name}.part"  # no reader looks for this ending
        partial.write_bytes(message)
        partial.rename(self._folder / name)


@asynccontextmanager
async def receive_into(folder: Path, port: int, host: str = HOST) -> AsyncIterator[None]:
    """Listen on `port` while the context is open."""
    handler = FileHandler(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, data_size_limit=SIZE_LIMIT, enable_SMTPUTF8=True, ident="pixera", loop=loop),
        host,
        port,
    )
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()
