"""What backups leave out: read from the generated data map, as the scan's places are."""

import hashlib
import json
from pathlib import Path

from libs.common.backup.maker import Contents
from services.privacy.errors import DataMapMissing

FORM_LENGTH = 16


def contents(path: Path) -> Contents:
    """Return what the data map says about backups. Raises DataMapMissing (503)."""
    try:
        text = path.read_bytes()
        services: dict[str, list[str]] = json.loads(text).get("in_no_backup", {})
    except (OSError, ValueError) as error:
        raise DataMapMissing(f"{path.name} cannot be read: run `make contracts`") from error
    left_out = frozenset((service, name) for service, names in services.items() for name in names)
    return Contents(left_out, hashlib.sha256(text).hexdigest()[:FORM_LENGTH])
