"""The command against a real privacy API; nothing of it is replaced."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.common.testing.serving import serving
from services.privacy.main import create_app
from tests.privacy.conftest import Privacy, privacy, privacy_settings

__all__ = ["privacy", "privacy_settings"]

ROOT = Path(__file__).parents[2]


@dataclass
class Ran:
    """What a run of the command came to."""

    code: int
    out: str
    err: str


async def pixera(*arguments: str, **env: str) -> Ran:
    """Run the command as a person does."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PIXERA_")}
    command = [sys.executable, "-m", "cli", *arguments]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=ROOT,
        env=clean | {"COLUMNS": "200", "NO_COLOR": "1"} | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
async def api(privacy: Privacy) -> AsyncIterator[dict[str, str]]:
    """Privacy's API; yields the environment that leads the command to it."""
    async with serving(create_app("api", privacy.settings)) as address:
        yield {
            "PIXERA_URL": address,
            "PIXERA_PRIVACY_URL": address,
            "PIXERA_STAFF_TOKEN": privacy.settings.staff_token.get_secret_value(),
        }
