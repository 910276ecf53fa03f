"""What every service imports anyway, imported once in the parent that they are forked from.

Forked services share these pages and start without paying for the imports (0.9 s and 84 MiB a service
otherwise: measured, see the guide's performance notes). Importing this module is meant to have the effects
below; nothing but the parent of the services imports it.

Effects: this process ends with the launcher, ignores the terminal, and freezes what it has imported.
"""

import importlib
import os
from contextlib import suppress

from deploy.local.lifeline import die_with_parent
from libs.common.assembling import put_together

SHARED = (
    "asyncio.base_events",
    "uvloop",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.auto",
    "aiokafka",
    "authlib",
    "fastapi",
    "faststream.kafka",
    "httpx",
    "joserfc.jwt",
    "minio",
    "motor.motor_asyncio",
    "opentelemetry.sdk.trace",
    "opentelemetry.trace.propagation.tracecontext",
    "orjson",
    "prometheus_client",
    "pydantic_settings",
    "pymongo",
    "structlog",
    "uuid_utils",
    "libs.common.app",
    "libs.common.bus",
    "libs.common.events",
    "libs.common.mongo",
    "libs.common.privacy",
    "libs.common.storage",
)


def warm() -> None:
    """Import what is shared; a module that fails is left to the service that needs it to report."""
    with put_together():
        for name in SHARED:
            with suppress(Exception):
                importlib.import_module(name)


os.setsid()
die_with_parent(os.getppid())
warm()
