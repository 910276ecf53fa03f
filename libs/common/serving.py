"""How a process is served over HTTP, and how it ends: the same in a container and on the local stack."""

import os
import threading
from types import FrameType

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

KEEP_ALIVE_S = 75
"""Longer than the gateway keeps an idle connection: it must never send into one that was just closed."""
DRAIN_S = 3
"""How long an open request has to finish after SIGTERM; then the parts close."""
ENDS_WITHIN_S = 9.0
"""From SIGTERM to the process's end, whatever hangs. Who starts a process kills it later than this."""
HANGING = 1
STARTUP_FAILURE = 3


class Server(uvicorn.Server):
    """Ends on SIGTERM: by itself, or at the latest after `ENDS_WITHIN_S`.

    The latter is for what no bound inside of the event loop reaches: a start that waits for a dead database, or
    a blocking call. It loses as little as a crash does.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        last = threading.Timer(ENDS_WITHIN_S, os._exit, (HANGING,))
        last.daemon = True
        last.start()
        super().handle_exit(sig, frame)


def serve(app: ASGIApp, host: str, port: int) -> int:
    """Serve until SIGTERM; return the exit code: 3 where the application could not start."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_config=None,  # its own handler would print what our formatter leaves out
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )
    server = Server(config)
    server.run()
    return 0 if server.started else STARTUP_FAILURE


async def prepare(app: FastAPI) -> None:
    """Make what a service's processes need, and end. Args: app: a process of the role `prepare`."""
    async with app.router.lifespan_context(app):
        pass
