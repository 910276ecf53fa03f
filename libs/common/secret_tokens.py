"""Opaque secrets that are given out once, and of which only a hash is kept."""

import hashlib
import secrets

SECRET_BYTES = 32


def new_secret() -> tuple[str, str]:
    """Return a fresh secret of 256 bits, and the hash of it that is stored."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    return secret, hash_of(secret)


def hash_of(secret: str) -> str:
    """Return what is stored of a secret. No salt: 256 random bits cannot be looked up in a table."""
    return hashlib.sha256(secret.encode()).hexdigest()
