"""`pixera keys`: which keys sign and are published, and how each kind is changed. No private key passes here."""

import base64
import json
from typing import Any

import typer
from rich.text import Text

from cli.output import NO, AsJson, Level, complain, console, emit, table, told
from cli.platform import Platform

app = typer.Typer(help="See the platform's keys, and change them.", no_args_is_help=True)

SIGNING_STEPS = (
    "Make a key: openssl genpkey -algorithm ed25519. Keep it in your secret store and nowhere else.",
    "Publish its public half before anything is signed with it: add that PEM to PIXERA_TOKEN_PREVIOUS_KEYS of every "
    "auth process, restart them one by one, and wait 5 minutes: all caches have it then.",
    "Sign with it: make it PIXERA_TOKEN_SIGNING_KEY, and put the old key's public PEM in its place in "
    "PIXERA_TOKEN_PREVIOUS_KEYS; restart one by one.",
    "After 10 minutes, a cache's and a token's life, take the old key's PEM out.",
    "`pixera keys list` shows after each step what is published and what signs. A stolen key: skip the second step, "
    "and leave the old one out in the third; everybody refreshes at once, nobody has to sign in again.",
)
"""ADR 0028: a command that changed these would have to carry private keys to where they do not belong."""


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys that tokens and certificates are checked with, and which of them sign now."""
    keys = _keys(Platform())
    if as_json:
        emit(keys)
    else:
        table("Keys", ("", "for", "use", "id"), [_row(key) for key in keys])
    if not all(key["published"] for key in keys):
        complain(
            "A key signs that is not published: nobody can check what it signed. Compare auth's processes."
        )
        raise typer.Exit(NO)


@app.command("rotate")
def rotate(as_json: AsJson = False) -> None:
    """Say how the key that signs access tokens is changed without downtime."""
    if as_json:
        emit({"steps": SIGNING_STEPS})
        return
    console().print(Text("Changing the key that signs access tokens", style="bold"))
    for number, step in enumerate(SIGNING_STEPS, start=1):
        console().print(Text(f" {number}. {step}"))


def _keys(platform: Platform) -> list[dict[str, Any]]:
    """Return every published key, and the one that signed the token we were just given."""
    published = [key["kid"] for key in platform.get(f"{platform.gateway}/api/auth/v1/jwks.json")["keys"]]
    signing = _signed_with(platform.staff_token)
    tokens = [
        {"for": "access tokens", "kid": kid, "signs": kid == signing, "published": kid in published}
        for kid in dict.fromkeys((signing, *published))
    ]
    certificates = platform.get(f"{platform.gateway}/api/privacy/v1/keys")["keys"]
    return tokens + [
        {"for": "certificates", "kid": key["kid"], "signs": number == 0, "published": True}
        for number, key in enumerate(certificates)
    ]


def _signed_with(token: str) -> str:
    """Return the id of the key that signed a token. It is read, not believed: the services check tokens."""
    header = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"])


def _row(key: dict[str, Any]) -> list[Any]:
    level = Level.WELL if key["published"] else Level.FAILING
    use = "signs" if key["signs"] else "checks only"
    return [
        level.sign,
        key["for"],
        told(level, use if key["published"] else "signs, NOT published"),
        key["kid"],
    ]
