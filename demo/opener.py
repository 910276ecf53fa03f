"""Opens what is sealed, with every key that exists and none of the services' code: MongoDB's own library does it.

Whatever opens is read like the rest. Once a key is destroyed, what was sealed with it is noise to anybody.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from bson import Binary, encode
from bson.codec_options import CodecOptions
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.encryption import ClientEncryption
from pymongo.errors import EncryptionError

from libs.common.vault.masters import masters

CIPHERTEXT, RANDOMISED = 6, 2
BEGINNING = bytes((CIPHERTEXT, RANDOMISED))
"""The subtype of a sealed BSON binary, and the first byte inside it; the key's id follows."""
LENGTH, KEY_ID = 4, 16
IN_TEXT = re.compile(rb"A[A-Za-z0-9+/]{70,}={0,2}")
"""A sealed value in an event: base64 that begins with the same byte."""
VALUES: CodecOptions[dict[str, Any]] = CodecOptions()


class Opener:
    """Knows every key that is in the vault now. Args: env: as the scanner's."""

    def __init__(self, env: Mapping[str, str]) -> None:
        name = vault_database(env)
        self._client: MongoClient[dict[str, Any]] = MongoClient(
            env["PIXERA_MONGO_URI"], uuidRepresentation="standard"
        )
        keys = self._client[name]["keys"].find({"keyMaterial": {"$exists": True}}, {"_id": 1})
        self._keys = {key["_id"].bytes for key in keys if isinstance(key["_id"], UUID)}
        providers = masters(SecretStr(env["PIXERA_VAULT_MASTER_KEY"])).providers
        self._encryption: ClientEncryption[dict[str, Any]] = ClientEncryption(
            providers, f"{name}.keys", self._client, VALUES
        )
        self.opened = 0

    def inside(self, data: bytes) -> Iterator[bytes]:
        """Yield what was sealed anywhere in the data, as it was before."""
        for sealed in (*_in_bson(data), *_in_text(data)):
            if sealed[1 : 1 + KEY_ID] in self._keys:
                yield from self._open(sealed)

    def close(self) -> None:
        """Forget the keys."""
        self._encryption.close()
        self._client.close()

    def _open(self, sealed: bytes) -> Iterator[bytes]:
        try:
            value = self._encryption.decrypt(Binary(sealed, CIPHERTEXT))
        except EncryptionError:
            return  # its key was destroyed a moment ago, or it is no whole value
        self.opened += 1
        yield encode({"opened": value}, codec_options=VALUES)


def vault_database(env: Mapping[str, str]) -> str:
    """Return where the keys are."""
    return env.get("PIXERA_MONGO_DATABASE_PREFIX", "pixera_") + "vault"


def _in_bson(data: bytes) -> Iterator[bytes]:
    place = data.find(BEGINNING)
    while place >= 0:
        length = int.from_bytes(data[max(0, place - LENGTH) : place], "little")
        if place + length < len(data):  # a value that is whole: in what is no BSON, most of these are not
            yield data[place + 1 : place + 1 + length]
        place = data.find(BEGINNING, place + 1)


def _in_text(data: bytes) -> Iterator[bytes]:
    for found in IN_TEXT.findall(data):
        try:
            yield base64.b64decode(found, validate=True)
        except binascii.Error:
            continue
