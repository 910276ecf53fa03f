"""The public keys that certificates and checkpoints are checked with: from a file, or from the platform."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cli.output import fail
from cli.platform import Platform
from libs.common.signing import KeyUnusable, load_public_key

PEM_END = "-----END PUBLIC KEY-----"


def keys_of(file: Path | None, address: str | None = None) -> list[Ed25519PublicKey]:
    """Return the keys of a file where one is given, else those that a platform's gateway publishes."""
    if file is not None:
        return _keys_of_file(file)
    url = (address or Platform().gateway).rstrip("/")
    return _keys(Platform().get(f"{url}/api/privacy/v1/keys"))


def _keys_of_file(file: Path) -> list[Ed25519PublicKey]:
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError):
        fail(f"{file} cannot be read.")
    try:
        return _keys(json.loads(text))
    except ValueError:
        return _loaded(f"{part}{PEM_END}\n" for part in text.split(PEM_END)[:-1])


def _keys(published: Any) -> list[Ed25519PublicKey]:
    try:
        pems = [key["pem"] for key in published["keys"]]
    except (KeyError, TypeError):
        fail("These are not the public keys of /api/privacy/v1/keys.")
    return _loaded(pems)


def _loaded(pems: Iterable[str]) -> list[Ed25519PublicKey]:
    try:
        keys = [load_public_key(pem.lstrip()) for pem in pems]
    except KeyUnusable as error:
        fail(f"The key cannot be used: {error}.")
    if not keys:
        fail("There is no public key in it.")
    return keys
