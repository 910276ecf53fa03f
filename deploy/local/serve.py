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
from libs.common.assembling import put_together


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
    from libs.common.serving import serve as serve_app  # noqa: PLC0415  in the forked process only

    module, _, function = process.factory.partition(":")
    with put_together():
        app = getattr(importlib.import_module(module), function)(*process.arguments)
    sys.exit(serve_app(app, HOST, process.port))
