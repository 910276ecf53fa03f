"""What is kept on people's devices: clients take the names from here, and the policy says the same."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from libs.common.device_storage import ON_THE_DEVICE


def files() -> Iterator[tuple[Path, Any]]:
    """Yield the list with the path it belongs at."""
    yield Path("device-storage.json"), {"kept": [asdict(each) for each in ON_THE_DEVICE]}
