"""The second door to MongoDB's driver: its client-side encryption, which blocks and is called in threads (ADR 0026).

The asynchronous clients would do the arithmetic on the event loop, or take a thread hop for each field; here a
page of fields is one hop, over a synchronous client of its own, whichever driver the settings name.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from bson import Binary, UuidRepresentation, decode, encode
from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.encryption import ClientEncryption
from pymongo.errors import DuplicateKeyError, EncryptionError
from pymongocrypt.errors import MongoCryptError
from pymongocrypt.synchronous.state_machine import run_state_machine

from libs.common.errors import Conflict, PixeraError, SubjectErased
from libs.common.mongo import PASSING_ERRORS
from libs.common.settings import CommonSettings
from libs.common.vault.keys import DataKey, vault_database
from libs.common.vault.kms import Door, KeyServiceUnavailable, Kms, Trial
from libs.common.vault.masters import Masters

RANDOMISED = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
VALUES: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, uuid_representation=UuidRepresentation.STANDARD
)
CIPHERTEXT = 6
KEY_ID = slice(1, 17)
"""Where a sealed value says which key it is sealed with. Source: client-side encryption, BSON binary subtype 6."""

TIMEOUT_MS = 5_000
MOST_KNOWN = 20_000


class SealBroken(PixeraError):
    """A value cannot be opened although its key is there: it was changed, or its master is not known here."""

    code, title = "seal-broken", "What was sealed cannot be opened"


class MasterUnknown(Conflict):
    """Keys are wrapped by a master that this process was not told, so nobody can wrap them anew."""

    code, title = "master-unknown", "Keys are wrapped by a master key that is not among the settings"


class Cipher:
    """Seals and opens with the keys of people, by their names. Thread-safe, and blocking.

    A key is known for `vault_key_cache_s` at most from the moment it was looked up: that bounds how long a key
    that was destroyed can still be used in this process.
    """

    def __init__(self, settings: CommonSettings, masters: Masters) -> None:
        self._masters, self._known_s = masters, settings.vault_key_cache_s
        self._kms = Kms(settings.kms_timeout_s)
        self._client: MongoClient[dict[str, Any]] = MongoClient(
            settings.mongo_uri.get_secret_value(),
            connect=False,
            uuidRepresentation="standard",
            tz_aware=True,
            serverSelectionTimeoutMS=TIMEOUT_MS,
            connectTimeoutMS=TIMEOUT_MS,
            socketTimeoutMS=TIMEOUT_MS,
            waitQueueTimeoutMS=TIMEOUT_MS,
            maxPoolSize=settings.vault_threads,
            appname="pixera-vault",
        )
        self._namespace = f"{vault_database(settings)}.{DataKey.collection}"
        self._rows = self._client[vault_database(settings)][DataKey.collection]
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[UUID, float]] = OrderedDict()
        self._encryption: ClientEncryption[dict[str, Any]] | None = None

    def seal(self, values: Sequence[tuple[str, Any]]) -> list[bytes]:
        """Seal values, each with the key of the person whose name is beside it, made now where there is none.

        Raises:   SubjectErased: one of the keys was destroyed.
        """
        try:
            return self._sealed(values)
        except SealBroken:
            self._forget(values)  # destroyed since it was looked up: then another look tells
            return self._sealed(values)

    def open(self, sealed: Sequence[tuple[str, bytes]]) -> list[Any]:
        """Open what was sealed with the keys of people; None for each that its person has no key for (any more).

        Raises:   SealBroken: the key is there, and does not open it.
        """
        try:
            return self._opened(sealed)
        except SealBroken:
            self._forget(sealed)
            return self._opened(sealed)

    def rewrap(self, key_ids: Sequence[UUID]) -> int:
        """Wrap keys by the current master instead of another; what they have sealed stays as it is.

        A key that is destroyed meanwhile stays so: its row has gone, and none is made here.
        """
        chosen = {"_id": {"$in": [Binary.from_uuid(key_id) for key_id in key_ids]}}
        with _driver_errors():
            done = self._crypt().rewrap_many_data_key(
                chosen, self._masters.current, self._masters.current_in_kms
            )
        result = done.bulk_write_result
        return 0 if result is None else result.modified_count

    def try_masters(self) -> None:
        """Wrap and unwrap a key that nobody has, by every master that a KMS keeps.

        Raises:   KeyServiceUnavailable, KeyServiceRefused.
        """
        for provider, master_key in self._masters.in_kms.items():
            crypt = self._new_crypt(Trial)
            with _driver_errors():
                crypt.encrypt("", RANDOMISED, key_id=crypt.create_data_key(provider, master_key))

    def require_masters(self) -> None:
        """Raise KeyServiceUnavailable where a KMS that did not do its work the last time still does not."""
        if not self._kms.well:
            self.try_masters()

    def forget(self, name: str) -> None:
        """Drop a person's key from memory, and with it all others: the library lets none go by itself."""
        with self._lock:
            self._known.pop(name, None)
            self._encryption = None  # whoever is using it has it to the end of that call

    def close(self) -> None:
        """Close the connections and drop every key."""
        with self._lock:
            self._known.clear()
            self._encryption = None
        self._client.close()

    def _forget(self, values: Sequence[tuple[str, Any]]) -> None:
        for name, _ in values:
            self.forget(name)

    def _sealed(self, values: Sequence[tuple[str, Any]]) -> list[bytes]:
        known = self._keys_of({name for name, _ in values})
        keys = {name: key_id or self._make(name) for name, key_id in known.items()}
        with _driver_errors():
            crypt = self._crypt()
            return [bytes(crypt.encrypt(value, RANDOMISED, key_id=keys[name])) for name, value in values]

    def _opened(self, sealed: Sequence[tuple[str, bytes]]) -> list[Any]:
        keys = self._keys_of({name for name, _ in sealed})
        known = [each for name, each in sealed if _is_sealed_with(keys[name], each)]
        with _driver_errors():
            values = iter(_page_opened(self._crypt(), known))
        return [next(values) if _is_sealed_with(keys[name], each) else None for name, each in sealed]

    def _crypt(self) -> ClientEncryption[dict[str, Any]]:
        with self._lock:
            if self._encryption is None:
                self._encryption = self._new_crypt(Door)
            return self._encryption

    def _new_crypt(self, door: type[Door]) -> ClientEncryption[dict[str, Any]]:
        crypt: ClientEncryption[dict[str, Any]] = ClientEncryption(
            self._masters.providers,
            self._namespace,
            self._client,
            VALUES,
            kms_tls_options=self._masters.tls,
            key_expiration_ms=int(self._known_s * 1000),
        )
        if self._masters.in_kms:
            inner: Any = crypt._encryption  # noqa: SLF001 - the driver lets nobody time or count its requests
            inner.callback = door(inner.callback, self._kms, self._masters.in_kms)
        return crypt

    def _keys_of(self, names: set[str]) -> dict[str, UUID | None]:
        """Return the ids of people's keys, None where there is none; looked up anew after a few seconds, at once."""
        now = time.monotonic()
        with self._lock:
            known = {name: self._known.get(name, (None, 0.0)) for name in names}
        found: dict[str, UUID | None] = {
            name: key_id for name, (key_id, until) in known.items() if until > now
        }
        if missing := names - found.keys():
            found |= dict.fromkeys(missing) | self._look_up(missing, now + self._known_s)
        return found

    def _look_up(self, names: set[str], until: float) -> dict[str, UUID]:
        query = {"keyAltNames": {"$in": list(names)}, "destroyed_at": None}
        found = {row["keyAltNames"][0]: row["_id"] for row in self._rows.find(query, {"keyAltNames": 1})}
        with self._lock:
            for name in names:
                self._known.pop(name, None)
            self._known |= {name: (key_id, until) for name, key_id in found.items()}
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        return found

    def _make(self, name: str) -> UUID:
        """Make a person's key. The unique name sees to it that there is one, and none after a destruction.

        Raises:   SubjectErased.
        """
        try:
            with _driver_errors():
                self._crypt().create_data_key(
                    self._masters.current, self._masters.current_in_kms, key_alt_names=[name]
                )
        except DuplicateKeyError:
            pass  # another process was faster, or the name is marked: a look tells
        key_id = self._keys_of({name})[name]
        if key_id is None:
            raise SubjectErased
        return key_id


def _page_opened(crypt: ClientEncryption[dict[str, Any]], sealed: Sequence[bytes]) -> list[Any]:
    """Open values in one pass of the library, as the driver opens a server's answer.

    `ClientEncryption.decrypt` takes one value a pass, and two thirds more time for a page of them.
    """
    page = encode({"v": [Binary(each, CIPHERTEXT) for each in sealed]})
    inner: Any = crypt._encryption  # noqa: SLF001 - the driver has no public call for more than one value
    with inner.mongocrypt.decryption_context(page) as context:
        opened = run_state_machine(context, inner.callback)
    values: list[Any] = decode(opened, codec_options=VALUES)["v"]
    return values


def _is_sealed_with(key_id: UUID | None, sealed: bytes) -> bool:
    return key_id is not None and sealed[KEY_ID] == key_id.bytes


@contextmanager
def _driver_errors() -> Iterator[None]:
    """Raise what the driver wrapped into an EncryptionError: a database's or a KMS' failure, or SealBroken."""
    try:
        yield
    except MongoCryptError as error:
        raise SealBroken from error
    except EncryptionError as error:
        if isinstance(error.cause, (*PASSING_ERRORS, DuplicateKeyError, KeyServiceUnavailable)):
            raise error.cause from error
        raise SealBroken from error
