"""`pixera certificate`: anyone checks a certificate, operators check the chain of all of them."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cli.output import NO, AsJson, console, emit, fail, mark, moment, table
from cli.platform import Platform
from libs.common.certificate import Verdict, verify, verify_chain
from libs.common.signing import KeyUnusable, load_public_key

PEM_END = "-----END PUBLIC KEY-----"

app = typer.Typer(help="Check certificates of erasure.", no_args_is_help=True)


@app.command("verify")
def verify_file(
    file: Annotated[Path, typer.Argument(help="The certificate, exactly as it was given out.")],
    key: Annotated[
        Path | None, typer.Option(help="The issuer's public keys: PEM, or the JSON of /api/privacy/v1/keys.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Fetch the keys from this gateway instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check one certificate: exit 0 if it is genuine and unchanged, 1 if not, 2 if that cannot be told.

    Without --key or --url, the keys come from the platform's gateway.
    """
    try:
        certificate = file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.")
    verdict = verify(certificate, _keys_of_file(key) if key else _keys_of_platform(url or Platform().gateway))
    if as_json:
        emit(_as_json(verdict))
    else:
        _show(verdict, file)
    raise typer.Exit(0 if verdict.valid else NO)


@app.command("chain")
def check_chain(as_json: AsJson = False) -> None:
    """Fetch every certificate and check the whole chain: exit 0 if it holds, 1 if not, 2 if that cannot be told."""
    platform = Platform()
    items = platform.staff_pages("privacy", "/certificates", "after")
    signed = [item["signed"].encode() for item in items]
    verdicts, chain = verify_chain(signed, _keys_of_platform(platform.gateway))
    if as_json:
        broken = [number for number, verdict in enumerate(verdicts, start=1) if not verdict.valid]
        emit({"valid": chain.passed, "certificates": len(items), "invalid": broken, "detail": chain.detail})
    else:
        rows = [
            (
                mark(verdict.valid),
                item["sequence"],
                item["case_id"],
                moment(item["issued_at"]),
                item["hash"][:16],
            )
            for item, verdict in zip(items, verdicts, strict=True)
        ]
        table("Certificates", ("", "number", "case", "issued", "hash"), rows)
        console().print(mark(chain.passed), f"chain: {chain.detail}")
    raise typer.Exit(0 if chain.passed else NO)


def _keys_of_file(file: Path) -> list[Ed25519PublicKey]:
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError):
        fail(f"{file} cannot be read.")
    try:
        return _keys(json.loads(text))
    except ValueError:
        return _loaded(f"{part}{PEM_END}\n" for part in text.split(PEM_END)[:-1])


def _keys_of_platform(address: str) -> list[Ed25519PublicKey]:
    return _keys(Platform().get(f"{address.rstrip('/')}/api/privacy/v1/keys"))


def _keys(published: Any) -> list[Ed25519PublicKey]:
    try:
        pems = [key["pem"] for key in published["keys"]]
    except (KeyError, TypeError):
        fail("These are not the public keys of /api/privacy/v1/keys.")
    return _loaded(pems)


def _loaded(pems: Any) -> list[Ed25519PublicKey]:
    try:
        keys = [load_public_key(pem.lstrip()) for pem in pems]
    except KeyUnusable as error:
        fail(f"The key cannot be used: {error}.")
    if not keys:
        fail("There is no public key in it.")
    return keys


def _as_json(verdict: Verdict) -> dict[str, Any]:
    checks = [{"check": each.name, "passed": each.passed, "detail": each.detail} for each in verdict.checks]
    return {"valid": verdict.valid, "checks": checks, "certificate": verdict.body}


def _show(verdict: Verdict, file: Path) -> None:
    rows = [(mark(check.passed), check.name, check.detail) for check in verdict.checks]
    table(f"{file.name}", ("", "check", ""), rows)
    if verdict.valid and verdict.body:
        _show_content(verdict.body)
        console().print(mark(good=True), "This certificate is genuine and unchanged.", style="bold")
    else:
        console().print(mark(good=False), "This certificate does NOT verify.", style="bold red")


def _show_content(body: dict[str, Any]) -> None:
    """Print what a genuine certificate says."""
    columns = ("holding", "found", "erased", "gone before", "retained", "ground", "until")
    names = ("holding", "found", "erased", "already_gone", "retained", "ground", "retained_until")
    rows = [[held[name] for name in names] for part in body["holders"] for held in part["holdings"]]
    title = f"Certificate {body['sequence']} of {body['issuer']}: case {body['case_id']}"
    table(f"{title}\nrequested {body['requested_at']}, verified {body['verified_at']}", columns, rows)
    table(
        "Kept as proof",
        ("where", "what", "ground"),
        [(kept["where"], kept["what"], kept["ground"]) for kept in body["kept_as_proof"]],
    )
