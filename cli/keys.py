"""`pixera keys`: which keys sign and wrap, and changing them. No private key passes here."""

import base64
import json
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.output import NO, AsJson, Level, console, emit, fail, mark, note, progress, table, told
from cli.platform import Platform

KEEP_OLD = (
    "Keep the old master key for as long as backups of the vault are kept (PIXERA_BACKUP_VAULT_DAYS): those "
    "that were made before open with nothing else."
)

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
    """List the keys that sign, check and wrap.

    Exit 1 where one signs that is not published, or where keys of people wait for the present master key.
    """
    keys = _keys(Platform())
    if as_json:
        emit(keys)
    else:
        table("Keys", ("", "for", "use", "id", "note"), [_row(key) for key in keys])
    if not all(key["well"] for key in keys):
        raise typer.Exit(NO)


@app.command("rotate")
def rotate(
    master: Annotated[
        bool, typer.Option("--master", help="Wrap the keys of people by the present master key.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say how the key that signs tokens is changed; with --master, wrap people's keys by a new master key.

    The new one is put first in PIXERA_VAULT_MASTER_KEY before, the old one behind it. It may go when none waits and
    no backup of the vault is left that was made before. Either may be the ARN of a key of AWS KMS. All keys stay in
    use meanwhile, and an order that broke off is taken up by the next one.
    """
    if master:
        _rewrap(Platform(), as_json=as_json)
    elif as_json:
        emit({"steps": SIGNING_STEPS})
    else:
        console().print(Text("Changing the key that signs access tokens", style="bold"))
        for number, step in enumerate(SIGNING_STEPS, start=1):
            console().print(Text(f" {number}. {step}"))


def _rewrap(platform: Platform, *, as_json: bool) -> None:
    """Order one batch after the other until no key waits."""
    state = platform.staff("GET", "privacy", "/vault")
    done = 0
    with progress() as bar:
        task = bar.add_task("wrapping keys", total=state["waiting"])
        while state["waiting"]:
            state = platform.staff("POST", "privacy", "/vault/rotate")
            if not state["rewrapped"]:
                fail("Keys wait and none was wrapped: see the log of privacy's API.")
            done += state["rewrapped"]
            bar.update(task, completed=done)
    if as_json:
        emit({"master": state["master"], "keys": state["keys"], "rewrapped": done, "waiting": 0})
    else:
        told_so = (
            f"All {state['keys']} keys of people are wrapped by {state['master']}; {done} were wrapped anew."
        )
        console().print(mark(good=True), told_so)
        note(KEEP_OLD)


def _keys(platform: Platform) -> list[dict[str, Any]]:
    return [*_token_keys(platform), *_certificate_keys(platform), _master_key(platform)]


def _token_keys(platform: Platform) -> list[dict[str, Any]]:
    """Return the published keys, and the one that signed the token that we were just given."""
    published = [key["kid"] for key in platform.get(f"{platform.gateway}/api/auth/v1/jwks.json")["keys"]]
    signing = _signed_with(platform.staff_token)
    return [
        {
            "for": "access tokens",
            "id": kid,
            "use": "signs" if kid == signing else "checks",
            "well": kid in published,
            "note": "" if kid in published else "not published: nobody can check what it signs",
        }
        for kid in dict.fromkeys((signing, *published))
    ]


def _certificate_keys(platform: Platform) -> list[dict[str, Any]]:
    keys = platform.get(f"{platform.gateway}/api/privacy/v1/keys")["keys"]
    uses = ("signs", *("checks" for _ in keys[1:]))
    return [
        {"for": "certificates and checkpoints", "id": key["kid"], "use": use, "well": True, "note": ""}
        for key, use in zip(keys, uses, strict=True)
    ]


def _master_key(platform: Platform) -> dict[str, Any]:
    vault = platform.staff("GET", "privacy", "/vault")
    waiting = f", {vault['waiting']} wait for `pixera keys rotate --master`" if vault["waiting"] else ""
    return {
        "for": "keys of people",
        "id": vault["master"],
        "use": "wraps",
        "well": not vault["waiting"],
        "note": f"{'in a KMS, ' if vault['in_kms'] else ''}{vault['keys']} keys{waiting}",
    }


def _signed_with(token: str) -> str:
    """Return the id of the key that signed a token. It is read, not believed: the services check tokens."""
    header = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"])


def _row(key: dict[str, Any]) -> list[Any]:
    level = Level.WELL if key["well"] else Level.LATE
    return [level.sign, key["for"], told(level, key["use"]), key["id"], key["note"]]
