"""The web server of one process, which ends in time even where nothing else in its process would."""

import os
import threading
from types import FrameType

import uvicorn

ENDS_WITHIN = 9.0  # seconds from SIGTERM; the supervisor kills after 10
HANGING = 1


class Server(uvicorn.Server):
    """Ends on SIGTERM: by itself, or at the latest after `ENDS_WITHIN`.

    The latter is for what no bound inside of the event loop reaches: a start that waits for a dead database, or
    a blocking call. It loses as little as a crash does.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        last = threading.Timer(ENDS_WITHIN, os._exit, (HANGING,))
        last.daemon = True
        last.start()
        super().handle_exit(sig, frame)
