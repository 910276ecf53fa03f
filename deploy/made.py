"""Files that are made from the code and committed: written anew, or held against what is there."""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path


def keep(order: str, files: Mapping[Path, str], there: Iterable[Path], description: str | None) -> int:
    """Write files, or with `--check` say which differ; return the exit code.

    Args:     order: what of `make` writes them; there: what lies where they do, and is to be nothing else.
    """
    parser = argparse.ArgumentParser(prog=f"make {order}", description=description)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where something differs")
    if not parser.parse_args().check:
        _write(files)
        return 0
    if differing := _differing(files, there):
        print(f"check: run `make {order}` and read the diff:", *differing, sep="\n  ")
    return bool(differing)


def _write(files: Mapping[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _differing(files: Mapping[Path, str], there: Iterable[Path]) -> list[Path]:
    stale = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    return stale + [path for path in there if path not in files]
