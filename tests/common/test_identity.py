"""How long an access token is believed."""

import json
import time
from uuid import uuid4

import pytest
from joserfc.jwk import OKPKey

from libs.common import identity
from libs.common.errors import Unauthenticated
from libs.common.identity import SKEW_S, TokenVerifier
from libs.common.keys import PublishedKeys
from libs.common.revocations import Revocations
from libs.common.settings import CommonSettings
from libs.common.testing.tokens import JWKS, mint

LIFETIME_S = 300
OTHER_KEYS = json.dumps({"keys": [OKPKey.generate_key("Ed25519", {"kid": "another"}).as_dict(private=False)]})


class Clock:
    """The time of day, as a test sets it."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def time(self) -> float:
        return time.time() + self.ahead_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What `identity` reads the time from."""
    clock = Clock()
    monkeypatch.setattr(identity, "time", clock)
    return clock


@pytest.fixture
def settings() -> CommonSettings:
    """Settings of a process that is given its keys and connects to nothing."""
    nowhere = {"kafka_bootstrap": "kafka:9092", "mongo_uri": "mongodb://mongo", "jwks": JWKS}
    secrets = dict.fromkeys(("s3_access_key", "s3_secret_key", "pseudonym_key"), "x" * 32)
    s3 = {"s3_endpoint": "http://s3", "s3_public_endpoint": "http://s3"}
    return CommonSettings.model_validate({**nowhere, **secrets, **s3, "access_token_ttl_s": LIFETIME_S})


def verifier(settings: CommonSettings) -> TokenVerifier:
    revocations = Revocations(settings)
    revocations._caught_up.set()
    return TokenVerifier(settings, PublishedKeys(settings), revocations)


async def test_a_token_that_lasts_longer_than_auth_makes_them_is_refused(settings: CommonSettings) -> None:
    user_id, checks = uuid4(), verifier(settings)
    assert (await checks.user(mint(user_id, lifetime_s=LIFETIME_S))).id == user_id
    assert (await checks.user(mint(user_id, lifetime_s=LIFETIME_S + int(SKEW_S) - 1))).id == user_id
    for lifetime_s in (LIFETIME_S + int(SKEW_S) + 2, 10**9):
        with pytest.raises(Unauthenticated):
            await checks.user(mint(user_id, lifetime_s=lifetime_s))


@pytest.mark.parametrize("never", [float("inf"), float("nan"), "2999-01-01", None])
async def test_a_token_that_never_expires_is_refused(settings: CommonSettings, never: object) -> None:
    with pytest.raises(Unauthenticated):
        await verifier(settings).user(mint(uuid4(), exp=never))


async def test_a_remembered_token_is_refused_once_it_expires(settings: CommonSettings, clock: Clock) -> None:
    checks, token = verifier(settings), mint(uuid4(), lifetime_s=1)
    await checks.user(token)
    clock.ahead_s = 1.5
    time.sleep(1.1)  # noqa: ASYNC251 - the library that checks it reads the real clock
    with pytest.raises(Unauthenticated, match="expired"):
        await checks.user(token)


async def test_a_token_is_checked_anew_after_a_lifetime(settings: CommonSettings, clock: Clock) -> None:
    checks, token = verifier(settings), mint(uuid4(), lifetime_s=LIFETIME_S + int(SKEW_S) - 2)
    await checks.user(token)
    checks._keys = PublishedKeys(settings.model_copy(update={"jwks": OTHER_KEYS}))
    await checks.user(token)
    clock.ahead_s = LIFETIME_S + 1
    with pytest.raises(Unauthenticated, match="not valid"):
        await checks.user(token)
