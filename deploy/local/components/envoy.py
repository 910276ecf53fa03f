"""Envoy, the gateway, with the configuration that `deploy.local.gateway` makes."""

import json
from functools import partial
from pathlib import Path

from deploy.local import gateway
from deploy.local.children import execute
from deploy.local.home import ROOT, Home
from deploy.local.probe import answers
from deploy.local.supervisor import Program

TUNING = (
    *("--disable-hot-restart", "--concurrency", "2"),
    # Keys are asked for from the first moment on, when auth cannot answer yet.
    *("--log-level", "warning", "--component-log-level", "jwt:error,filter:error"),
)


def program(home: Home, settings: gateway.GatewaySettings) -> Program:
    """The server; its configuration is written to `<home>/run/envoy.json` for reading."""
    config = home.run / "envoy.json"
    config.write_text(json.dumps(gateway.configuration(settings), indent=1))
    command: list[str | Path] = [
        *(binary(), "--config-path", config, *TUNING),
        *("--drain-time-s", "1", "--drain-strategy", "immediate"),
    ]
    log = home.log("envoy")
    start = partial(execute, command, log=log, cwd=home.run)
    return Program("envoy", start, partial(answers, settings.ports["gateway"], "/healthz"), log)


def binary() -> str:
    packages = ROOT / ".venv" / "lib"
    return str(next(packages.glob("python3*/site-packages/envoy/_bin/envoy")))
