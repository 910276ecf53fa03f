"""Run one FastAPI process of the stack: what a forked child executes."""

import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.children import enter
from deploy.local.keys import SECRETS
from deploy.local.ports import HOST

# Longer than the gateway keeps an idle connection: it must never send into one that was just closed.
KEEP_ALIVE = 75
DRAIN = 3  # seconds an open request has to finish after SIGTERM; then the parts close, and all within 9 s
STARTUP_FAILURE = 3


@dataclass(frozen=True)
class WebProcess:
    """One process that answers HTTP.

    Args: factory: `module:function`, called with `arguments` in the child. port: on 127.0.0.1.
    """

    name: str
    factory: str
    port: int
    arguments: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return self.factory.partition(":")[0]


def serve(process: WebProcess, log: Path, env: Mapping[str, str]) -> None:
    """Serve until SIGTERM. Exit code 3 when the application could not start."""
    enter(process.name, log, env)
    for secret in SECRETS.keys() - env.keys():  # the launcher may have been given it
        os.environ.pop(secret, None)
    import uvicorn  # noqa: PLC0415  in the forked process only

    from deploy.local.web import Server  # noqa: PLC0415  as well

    module, _, function = process.factory.partition(":")
    app = getattr(importlib.import_module(module), function)(*process.arguments)
    config = uvicorn.Config(
        app,
        host=HOST,
        port=process.port,
        access_log=False,
        log_config=None,  # its own handler would print what our formatter leaves out
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=DRAIN,
    )
    server = Server(config)
    server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)
