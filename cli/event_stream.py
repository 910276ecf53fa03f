"""A stream of the event log on this side: followed with a bar, written whole or not at all, never half believed."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from rich.progress import Progress

from cli.output import fail, progress
from cli.saving import saved

Line = dict[str, Any]

RECORDS = frozenset({"event", "malformed"})


@contextmanager
def followed(lines: Iterator[Line]) -> Iterator[Iterator[Line]]:
    """Give a stream's records, with a bar on stderr of how much of the log was read.

    A stream that did not say that it ended is not taken for whole: the command fails.
    """
    with progress() as bar:
        yield _records(lines, bar)


def write_lines(lines: Iterator[Line]) -> None:
    """Print records as lines of JSON."""
    for line in lines:
        sys.stdout.write(_text(line))
    sys.stdout.flush()


def write_file(path: Path, lines: Iterator[Line]) -> Line:
    """Write records and a manifest into a new file; it appears with its last byte, or not at all.

    Returns:  the manifest, which is the file's last line.
    """
    with saved(path) as file:
        return _write(file, lines)


def _write(file: BinaryIO, lines: Iterator[Line]) -> Line:
    digest, kinds, types = hashlib.sha256(), Counter[str](), Counter[str]()
    for line in lines:
        text = _text(line).encode()
        file.write(text)
        digest.update(text)
        kinds[line["kind"]] += 1
        types[str(line.get("type") or line["code"])] += 1
    manifest = {
        "kind": "manifest",
        "events": kinds["event"],
        "malformed": kinds["malformed"],
        "by_type": dict(sorted(types.items())),
        "sha256": digest.hexdigest(),
    }
    file.write(_text(manifest).encode())
    return manifest


def _records(lines: Iterator[Line], bar: Progress) -> Iterator[Line]:
    task = bar.add_task("reading", total=None)
    last: Line = {}
    for last in lines:
        if last["kind"] in RECORDS:
            yield last
        else:
            found = f"{last['events']} events, {last['malformed']} malformed"
            bar.update(task, completed=last["read"], total=last["of"], description=found)
    if last.get("kind") != "end":
        fail(f"The stream ended early ({last.get('code', 'cut')}): what came of it is not everything.")


def _text(line: Line) -> str:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
