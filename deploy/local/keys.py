"""The stack's secrets: made once for a home, kept in files that only this user can read."""

import base64
import os
import secrets
from collections.abc import Callable

from deploy.local.home import Home

# PKCS #8 of an Ed25519 private key is this and the 32 random bytes. Source: RFC 8410, section 7.
ED25519_PREFIX = bytes.fromhex("302e020100300506032b657004220420")


def _random() -> str:
    return secrets.token_urlsafe(32)


def _webhook_secret() -> str:
    """Source: Standard Webhooks, symmetric secret."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _vault_master_key() -> str:
    """Source: MongoDB client-side encryption, `local` provider: 96 bytes."""
    return base64.b64encode(secrets.token_bytes(96)).decode()


def _backup_key() -> str:
    """Source: AES-256."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _ed25519_pem() -> str:
    body = base64.b64encode(ED25519_PREFIX + secrets.token_bytes(32)).decode()
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"


SECRETS: dict[str, Callable[[], str]] = {
    "PIXERA_S3_ACCESS_KEY": lambda: f"pixera-{secrets.token_hex(4)}",
    "PIXERA_S3_SECRET_KEY": _random,
    "PIXERA_PSEUDONYM_KEY": _random,
    "PIXERA_STAFF_PASSWORD": _random,
    "PIXERA_CASE_TOKEN_KEY": _random,
    "PIXERA_PAY_API_KEY": _random,
    "PIXERA_WEBHOOK_SECRET": _webhook_secret,
    "PIXERA_TOKEN_SIGNING_KEY": _ed25519_pem,
    "PIXERA_CERTIFICATE_SIGNING_KEY": _ed25519_pem,
    "PIXERA_VAULT_MASTER_KEY": _vault_master_key,
    "PIXERA_BLIND_INDEX_KEY": _random,
    "PIXERA_BACKUP_KEY": _backup_key,
    "PIXERA_BACKUP_VAULT_KEY": _backup_key,
}


def load(home: Home) -> dict[str, str]:
    """Every secret by its setting's name; a setting already in the environment is taken as it is.

    Effects: those that do not exist yet are written to `<home>/secrets`, mode 0600.
    """
    return {name: os.environ.get(name) or _kept(home, name, make) for name, make in SECRETS.items()}


def _kept(home: Home, name: str, make: Callable[[], str]) -> str:
    file = home.secrets / name
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as output:
            output.write(make())
    return file.read_text()
