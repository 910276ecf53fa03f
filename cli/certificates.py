"""`pixera certificate`: anyone checks a certificate, operators check the chain of all of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cli.output import NO, AsJson, console, emit, fail, mark, moment, table
from cli.platform import Platform
from cli.trust import keys_of
from libs.common.certificate import (
    Check,
    Verdict,
    check_amends,
    is_amendment,
    verify,
    verify_chain,
)

app = typer.Typer(help="Check certificates of erasure.", no_args_is_help=True)


@app.command("verify")
def verify_file(
    file: Annotated[Path, typer.Argument(help="The certificate, exactly as it was given out.")],
    key: Annotated[
        Path | None, typer.Option(help="The issuer's public keys: PEM, or the JSON of /api/privacy/v1/keys.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Fetch the keys from this gateway instead.")] = None,
    amendment: Annotated[
        list[Path] | None, typer.Option(help="What amends it, as it was given out; may be given again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check one certificate: exit 0 if it is genuine and unchanged, 1 if not, 2 if that cannot be told.

    With --amendment, these are checked as well, and that they amend this one. Without --key or --url, the keys come
    from the platform's gateway.
    """
    files = [file, *(amendment or [])]
    verdicts = verdicts_of([_read(each) for each in files], keys_of(key, url))
    if as_json:
        first, *others = map(verdict_as_json, verdicts)
        emit(first | ({"amendments": others} if others else {}))
    else:
        for each, verdict in zip(files, verdicts, strict=True):
            show_verdict(verdict, each.name)
    raise typer.Exit(0 if all(verdict.valid for verdict in verdicts) else NO)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.")


def verdicts_of(signed: Sequence[bytes], keys: Sequence[Ed25519PublicKey]) -> list[Verdict]:
    """Check a certificate and what is said to amend it: each by itself, and that they belong together."""
    first, *others = (verify(each, keys) for each in signed)
    return [first, *(_amends(other, first) for other in others)]


def _amends(verdict: Verdict, first: Verdict) -> Verdict:
    if not (verdict.valid and first.valid and verdict.body and first.body and is_amendment(verdict.body)):
        check = Check("amends", passed=False, detail="one of them is not what it should be")
    else:
        check = check_amends(verdict.body, first.body)
    return Verdict((*verdict.checks, check), verdict.body)


@app.command("chain")
def check_chain(as_json: AsJson = False) -> None:
    """Fetch every certificate and check the whole chain: exit 0 if it holds, 1 if not, 2 if that cannot be told."""
    platform = Platform()
    items = platform.staff_pages("privacy", "/certificates", "after")
    signed = [item["signed"].encode() for item in items]
    verdicts, chain = verify_chain(signed, keys_of(None))
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


def verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON values."""
    checks = [{"check": each.name, "passed": each.passed, "detail": each.detail} for each in verdict.checks]
    return {"valid": verdict.valid, "checks": checks, "certificate": verdict.body}


def show_verdict(verdict: Verdict, name: str) -> None:
    """Print what was looked at, and what a genuine certificate says."""
    rows = [(mark(check.passed), check.name, check.detail) for check in verdict.checks]
    table(name, ("", "check", ""), rows)
    if verdict.valid and verdict.body:
        _show_amendment(verdict.body) if is_amendment(verdict.body) else _show_content(verdict.body)
        console().print(mark(good=True), "This certificate is genuine and unchanged.", style="bold")
    else:
        console().print(mark(good=False), "This certificate does NOT verify.", style="bold red")


def _show_amendment(body: dict[str, Any]) -> None:
    """Print what a genuine amendment says."""
    title = f"Certificate {body['sequence']} of {body['issuer']} amends {body['amends']['sequence']}"
    columns = ("", "holding", "retained", "ground", "until", "seen gone")
    names = ("holding", "retained", "ground", "retained_until")
    rows: list[list[Any]] = [
        [mark(good=True), *(each[name] for name in names), moment(each["seen_gone_at"])]
        for each in body["removed"]
    ]
    rows += [["", *(each[name] for name in names), "kept still"] for each in body["still_retained"]]
    table(f"{title}: case {body['case_id']}", columns, rows)


def _show_content(body: dict[str, Any]) -> None:
    """Print what a genuine certificate says."""
    columns = ("holding", "found", "erased", "gone before", "retained", "ground", "until")
    names = ("holding", "found", "erased", "already_gone", "retained", "ground", "retained_until")
    rows = [[held[name] for name in names] for part in body["holders"] for held in part["holdings"]]
    title = f"Certificate {body['sequence']} of {body['issuer']}: case {body['case_id']}"
    table(f"{title}\nrequested {body['requested_at']}, verified {body['verified_at']}", columns, rows)
    proofs = [
        (held["holding"], given["reference"], moment(given["at"]))
        for part in body["holders"]
        for held in part["holdings"]
        for given in held.get("proofs", ())
    ]
    waited = [
        (each["item"], each["ground"], moment(each["since"]), moment(each["ended_at"]))
        for each in body.get("item_holds", ())
    ]
    if waited:
        table("Held for a time, and erased since", ("item", "ground", "since", "ended"), waited)
    if proofs:
        table("Erased by outside parties", ("holding", "their reference", "at (UTC)"), proofs)
    table(
        "Kept as proof",
        ("where", "what", "ground"),
        [(kept["where"], kept["what"], kept["ground"]) for kept in body["kept_as_proof"]],
    )
