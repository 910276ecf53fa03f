"""Access tokens: what auth signs, what it publishes for checking, and what is refused."""

import base64
import json
import time
from typing import Any
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, OKPKey
from pydantic import SecretStr

from libs.common.clock import now
from libs.common.secret_tokens import hash_of, new_secret
from libs.common.testing.tokens import mint
from services.auth.settings import AuthSettings
from services.auth.tokens import AccessTokens
from tests.auth.people import API, Auth, Person, problem


async def test_the_published_keys_verify_a_token_and_nothing_private_is_published(auth: Auth) -> None:
    person = await auth.signed_in()
    answer = await auth.client.get(f"{API}/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    keys = answer.json()["keys"]
    assert all(set(key) == {"kty", "crv", "x", "kid", "alg", "use"} for key in keys)
    token = jwt.decode(
        person.tokens["access_token"], KeySet.import_key_set(answer.json()), algorithms=["EdDSA"]
    )
    assert token.header == {"alg": "EdDSA", "typ": "at+jwt", "kid": keys[0]["kid"]}
    claims = token.claims
    assert (claims["iss"], claims["aud"], claims["roles"]) == ("pixera", "pixera-api", ["user"])
    assert (claims["sub"], claims["sid"]) == (str(await auth.user_id(person)), str(person.session_id))
    assert claims["exp"] - claims["iat"] == 300
    assert person.email not in str(claims)
    assert person.username not in str(claims)


def signed(auth: Auth, person: Person, header: dict[str, Any], **changes: Any) -> str:
    """A token of the person's claims, changed, and signed with auth's own key."""
    key = OKPKey.import_key(auth.service.settings.token_signing_key.get_secret_value())
    parts = person.tokens["access_token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    own = json.loads(base64.urlsafe_b64decode(parts[0] + "=="))
    return jwt.encode(own | header, claims | changes, key, algorithms=["EdDSA"])


async def refused(auth: Auth, token: str) -> str:
    answer = await auth.client.get(f"{API}/me", headers={"Authorization": f"Bearer {token}"})
    return problem(answer, 401)


@pytest.mark.parametrize(
    ("header", "changes"),
    [
        ({"typ": "JWT"}, {}),
        ({"typ": "refresh+jwt"}, {}),
        ({"kid": "unknown"}, {}),
        ({}, {"exp": int(time.time()) - 1}),
        ({}, {"iss": "somebody"}),
        ({}, {"aud": "another-api"}),
        ({}, {"sub": "nobody"}),
        ({}, {"sid": None}),
    ],
)
async def test_our_own_key_does_not_make_another_token_good(
    auth: Auth, header: dict[str, Any], changes: dict[str, Any]
) -> None:
    person = await auth.signed_in()
    assert (await auth.get("/me", person)).status_code == 200
    assert await refused(auth, signed(auth, person, header, **changes)) == "unauthenticated"


async def test_a_token_of_a_foreign_key_is_refused(auth: Auth) -> None:
    person = await auth.signed_in()
    assert await refused(auth, mint(await auth.user_id(person))) == "unauthenticated"


async def test_unsigned_and_symmetric_tokens_are_refused(auth: Auth) -> None:
    person = await auth.signed_in()
    header, body, signature = person.tokens["access_token"].split(".")
    kid = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    none = (
        base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "at+jwt", "kid": kid}).encode())
        .decode()
        .rstrip("=")
    )
    public = (await auth.client.get(f"{API}/jwks.json")).json()["keys"][0]["x"]
    confused = jwt.encode(
        {"alg": "HS256", "typ": "at+jwt", "kid": kid}, claims, OctKey.import_key(public), algorithms=["HS256"]
    )
    tampered = f"{header}.{body[:-4]}AAAA.{signature}"
    for token in (f"{none}.{body}.", f"{none}.{body}.{signature}", confused, tampered, "not.a.token", "x"):
        assert await refused(auth, token) == "unauthenticated"


def settings_with(auth: Auth, signing: OKPKey, *published: OKPKey) -> AuthSettings:
    pems = "\n".join(key.as_pem(private=False).decode() for key in published)
    return auth.service.settings.model_copy(
        update={
            "token_signing_key": SecretStr(signing.as_pem(private=True).decode()),
            "token_previous_keys": pems,
        }
    )


def published(tokens: AccessTokens) -> KeySet:
    return KeySet.import_key_set(json.loads(json.dumps(tokens.jwks)))


async def test_a_rotated_key_goes_on_verifying_while_it_is_published(auth: Auth) -> None:
    old, new = (OKPKey.generate_key("Ed25519") for _ in range(2))
    before, after = AccessTokens(settings_with(auth, old, new)), AccessTokens(settings_with(auth, new, old))
    moment = now()
    until = moment + auth.service.settings.session_lifetime
    for tokens in (before, after):
        token, _ = tokens.issue(uuid4(), uuid4(), moment, until, signed_in_at=moment)
        for publisher in (before, after):
            assert jwt.decode(token, published(publisher), algorithms=["EdDSA"]).claims
    assert before.jwks["keys"][0]["kid"] == old.thumbprint() != after.jwks["keys"][0]["kid"]


async def test_a_key_from_an_environment_file_has_its_line_ends_written_out(auth: Auth) -> None:
    key = OKPKey.generate_key("Ed25519")
    pem = key.as_pem(private=True).decode().replace("\n", "\\n")
    written = auth.service.settings.model_copy(update={"token_signing_key": SecretStr(pem)})
    assert AccessTokens(written).jwks["keys"][0]["kid"] == key.thumbprint()


def test_secrets_have_256_bits_and_never_repeat() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    for secret, digest in made:
        assert len(base64.urlsafe_b64decode(secret + "=")) == 32
        assert digest == hash_of(secret)
