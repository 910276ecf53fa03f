"""`make lock`: write `requirements/` anew from pyproject.toml, every file with hashes and no download address.

Versions already locked stay; `--upgrade` takes the newest. `--check` writes nothing and fails when a lock is stale.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.local.components import kafka_dist
from deploy.local.home import ROOT

UV = ROOT / ".tools" / "uv" / "bin" / "uv"
REQUIREMENTS = ROOT / "requirements"
GROUPS = ("auth", "gallery", "generation", "billing", "privacy", "cli", "stack", "image")
COMMON_OPTIONS = (
    *("--quiet", "--universal", "--generate-hashes", "--python-version", "3.11"),
    *("--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command", "make lock"),
)


def main() -> int:
    """Lock or check; 1 when a lock is stale or cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.lock", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the locks are current")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    arguments = parser.parse_args()
    if arguments.check:
        return check()
    lock_into(REQUIREMENTS, upgrade=arguments.upgrade)
    kafka_dist.write_lock()
    return 0


def lock_into(folder: Path, *, upgrade: bool = False) -> None:
    """Effects: the lock files in `folder`; a service's versions are those of `dev.txt`."""
    more = ["--upgrade"] if upgrade else []
    for name in ("tools", "mongod", "libcurl", "go"):
        compile_into(folder / f"{name}.txt", str(REQUIREMENTS / f"{name}.in"), "--no-deps", *more)
    compile_into(folder / "dev.txt", "--group", "dev", *more)
    for group in GROUPS:
        compile_into(folder / f"{group}.txt", "--group", group, "--constraints", "requirements/dev.txt")


def compile_into(output: Path, *source: str) -> None:
    """Write one lock file."""
    subprocess.run([UV, "pip", "compile", *COMMON_OPTIONS, *source, "-o", output], cwd=ROOT, check=True)


def check() -> int:
    """Say which locks differ from what pyproject.toml asks for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for lock in REQUIREMENTS.glob("*.txt"):
            (folder / lock.name).write_bytes(lock.read_bytes())
        lock_into(folder)
        stale = [lock.name for lock in REQUIREMENTS.glob("*.txt") if differs(lock, folder / lock.name)]
    for name in stale:
        print(f"requirements/{name} is stale: run `make lock`", file=sys.stderr)
    return 1 if stale else 0


def differs(lock: Path, fresh: Path) -> bool:
    """Whether two locks hold different packages; comments do not count."""
    return _pins(lock) != _pins(fresh)


def _pins(lock: Path) -> list[str]:
    return [line.strip() for line in lock.read_text().splitlines() if not line.lstrip().startswith("#")]


if __name__ == "__main__":
    sys.exit(main())
