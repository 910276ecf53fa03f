"""Proof of work: what a form costs who sends it, by ALTCHA, so that nobody is tracked to keep spam out (ADR 0030)."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import altcha

from libs.common.clock import now
from services.privacy.errors import ChallengeFailed
from services.privacy.requests.models import SpentChallenge
from services.privacy.settings import PrivacySettings

ALGORITHM = "PBKDF2/SHA-256"
"""What browsers compute by themselves (Web Crypto); ours cost a millisecond to make, and less to check."""
LIFETIME = timedelta(minutes=20)


@dataclass(frozen=True, slots=True)
class _Secrets:
    signing: str
    solutions: str


class Challenges:
    """Makes challenges and checks their solutions. Nothing is stored of one before it is used.

    Args:     settings: `challenge_cost` iterations for each of `challenge_rounds` to twice as many tries.
    """

    def __init__(self, settings: PrivacySettings) -> None:
        self._cost, self._rounds = settings.challenge_cost, settings.challenge_rounds
        key = settings.pseudonym_key.get_secret_value().encode()
        self._secrets = _Secrets(_derived(key, b"signing"), _derived(key, b"solutions"))

    def new(self) -> dict[str, Any]:
        """Return a challenge, as ALTCHA's widget takes it."""
        challenge = altcha.create_challenge(
            ALGORITHM,
            self._cost,
            counter=self._rounds + secrets.randbelow(self._rounds),
            expires_at=now() + LIFETIME,
            hmac_secret=self._secrets.signing,
            hmac_key_secret=self._secrets.solutions,
        )
        return challenge.to_dict()

    def solved(self, payload: str) -> SpentChallenge:
        """Return the challenge that was solved, to be noted as used.

        Raises:   ChallengeFailed (422): it is no solution of a challenge of ours, or came too late.
        """
        result = altcha.verify_solution(
            payload, self._secrets.signing, hmac_key_secret=self._secrets.solutions
        )
        if result.expired:
            raise ChallengeFailed("this challenge has expired")
        if not result.verified:
            raise ChallengeFailed
        return SpentChallenge(id=_name_of(payload), expires_at=now() + LIFETIME)


def _derived(key: bytes, what: bytes) -> str:
    return hmac.new(key, b"pixera.contact-challenge.v1:" + what, hashlib.sha256).hexdigest()


def _name_of(payload: str) -> str:
    """Return what a verified challenge is known by: its signature, however the payload around it was written."""
    read: Mapping[str, Any] = json.loads(base64.b64decode(payload))
    return str(read["challenge"]["signature"])
