"""A service's process as `make chaos` runs it: the very same, with a clock that can jump, and at most one defect."""

import os
from importlib import import_module
from pathlib import Path

from fastapi import FastAPI

from tests.chaos.clock import JumpingClock

DEFECT = "PIXERA_CHAOS_DEFECT"


def create_app(clock: str, factory: str, *arguments: str) -> FastAPI:
    """Build the process. Args: clock: the file that says how far its clock is off. factory: `module:function`."""
    JumpingClock(Path(clock)).follow()
    if defect := os.environ.get(DEFECT):
        # Before the service is imported: what it takes from the library by name is then the broken one.
        import_module("tests.chaos.defects").plant(defect)
    module, _, function = factory.partition(":")
    app: FastAPI = getattr(import_module(module), function)(*arguments)
    return app
