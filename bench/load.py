"""A load of plain HTTP/1.1 requests over kept connections: cheap enough that the servers are what is measured."""

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Load:
    """What a load came to."""

    requests: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Return requests answered a second."""
        return self.requests / self.seconds


class RefusedError(AssertionError):
    """A request of the load was not answered with 200: the figure would mean nothing."""


async def run(url: str, headers: dict[str, str], *, connections: int, seconds: float) -> Load:
    """Ask for one URL again and again over some connections.

    Raises:   RefusedError: an answer was not 200.
    """
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", *(f"{k}: {v}" for k, v in headers.items())]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    until = time.perf_counter() + seconds
    began = time.perf_counter()
    counts = await asyncio.gather(
        *(_ask(parts.hostname or "", parts.port or 80, request, until) for _ in range(connections))
    )
    return Load(sum(counts), time.perf_counter() - began)


async def _ask(host: str, port: int, request: bytes, until: float) -> int:
    reader, writer = await asyncio.open_connection(host, port)
    count = 0
    try:
        while time.perf_counter() < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RefusedError(head.split(b"\r\n")[0].decode())
            await reader.readexactly(_length(head))
            count += 1
    finally:
        writer.close()
    return count


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise RefusedError("an answer without a length")
