"""The copy of everything that a person takes along: opened, and held to its own manifest."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from typing import Any

from demo.needles import Needle

MANIFEST = "manifest.json"
WRITTEN = {"utf-8", "json", "html", "binary"}


def opened(archive: bytes) -> dict[str, bytes]:
    """Return the files of an archive by their paths. Raises AssertionError: it is not what its manifest says."""
    with zipfile.ZipFile(io.BytesIO(archive)) as read:
        files = {name: read.read(name) for name in read.namelist()}
    said = {each["path"]: each["sha256"] for each in json.loads(files[MANIFEST])["files"]}
    found = {name: digest(data) for name, data in files.items() if name != MANIFEST}
    if said != found:
        raise AssertionError(f"not as the manifest says: {sorted(said.items() ^ found.items())[:5]}")
    return files


def digest(data: bytes) -> str:
    """Return the hash that a manifest has of these bytes."""
    return hashlib.sha256(data).hexdigest()


def rows_of(files: dict[str, bytes], holding: str) -> list[dict[str, Any]]:
    """Return the rows of a holding, from all the files that they are in."""
    ours = (name for name in files if name.startswith(f"data/{holding}") and ".schema." not in name)
    return [row for name in ours for row in json.loads(files[name])]


def has(files: dict[str, bytes], needles: Iterable[Needle]) -> set[str]:
    """Return the kinds of what is found in an archive, as its files would write it."""
    whole = b"".join(files.values())
    return {each.kind for each in needles if each.encoding in WRITTEN and each.data in whole}
