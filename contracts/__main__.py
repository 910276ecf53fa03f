"""`make contracts` writes the contracts; `--check` fails where the files and the code differ."""

import argparse
import gc
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOME = Path(__file__).parent
DATA_MAP = "data-map."

# What a service needs to be built, not to be run: nothing here is connected to.
UNCONNECTED = {
    "PIXERA_KAFKA_BOOTSTRAP": "kafka:9092",
    "PIXERA_MONGO_URI": "mongodb://mongo:27017/?replicaSet=rs0",
    "PIXERA_S3_ENDPOINT": "http://s3:8333",
    "PIXERA_S3_PUBLIC_ENDPOINT": "http://s3:8333",
    "PIXERA_PAY_URL": "http://pay:8000",
    "PIXERA_BILLING_URL": "http://billing:8000",
}
SECRETS = (
    "S3_ACCESS_KEY",
    "S3_SECRET_KEY",
    "PSEUDONYM_KEY",
    "CASE_TOKEN_KEY",
    "WEBHOOK_SECRET",
    "TOKEN_SIGNING_KEY",
    "CERTIFICATE_SIGNING_KEY",
    "PAY_API_KEY",
    "VAULT_MASTER_KEY",
    "BLIND_INDEX_KEY",
)


def made() -> Iterator[tuple[Path, str]]:
    """Yield every contract as text with its path."""
    from contracts import (  # noqa: PLC0415 - settings first
        asyncapi,
        data_map,
        device_storage,
        events,
        openapi,
        policy_coverage,
    )

    for module in (events, asyncapi, openapi, data_map, device_storage, policy_coverage):
        for path, content in module.files():
            yield HOME / path, content if isinstance(content, str) else _text(content)


def _text(content: Any) -> str:
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def broken() -> list[str]:
    """Return what would break consumers of a version that is already frozen."""
    from contracts import events  # noqa: PLC0415 - settings first

    found = []
    for path, schema in events.files():
        frozen = HOME / path
        if frozen.parent.name == "events" and frozen.exists():
            breaks = events.incompatible(json.loads(frozen.read_text()), schema)
            found += [f"{frozen.stem}: {what}" for what in breaks]
    return found


def stale() -> list[str]:
    """Return the contracts that are not what the code says."""
    current = dict(made())
    changed = [path for path, text in current.items() if not path.exists() or path.read_text() != text]
    orphans = [path for path in (HOME / "events").rglob("*.json") if path not in current]
    return [str(path.relative_to(HOME.parent)) for path in [*changed, *orphans]]


def untrue() -> list[str]:
    """Return what is stored and undeclared, and what the policy's coverage says and is not so."""
    from contracts import data_map, policy_coverage  # noqa: PLC0415 - settings first
    from services.privacy.policies.texts import current_text  # noqa: PLC0415 - as above

    text = current_text()
    return [*data_map.undeclared(), *policy_coverage.faults(text, policy_coverage.rows(text))]


def write(only: str) -> None:
    """Write the contracts. Args: only: those whose names begin so."""
    for path, text in made():
        if path.name.startswith(only):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def main() -> int:
    """Write or check the contracts; return the exit code."""
    parser = argparse.ArgumentParser(prog="contracts", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where something differs")
    parser.add_argument("--data-map", action="store_true", help="write the data map alone")
    arguments = parser.parse_args()
    gc.disable()  # it imports and makes everything once, and ends: looking for garbage would be a quarter of it
    for name, value in UNCONNECTED.items():
        os.environ.setdefault(name, value)
    for name in SECRETS:
        os.environ.setdefault(f"PIXERA_{name}", "unused")
    if breaks := broken():
        print(
            "contracts: this breaks readers of a frozen version, make a new one (v2) beside it:",
            *breaks,
            sep="\n  ",
        )
        return 1
    differing = stale() if arguments.check else []
    if differing:
        print("contracts: run `make contracts` and read the diff:", *differing, sep="\n  ")
    if not arguments.check:
        write(only=DATA_MAP if arguments.data_map else "")
    if faults := untrue():
        print("contracts: this is not so:", *faults, sep="\n  ")
    return bool(differing or faults)


if __name__ == "__main__":
    sys.exit(main())
