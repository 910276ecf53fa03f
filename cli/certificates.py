"""`pixera certificate`: anyone checks a certificate, operators check the chain of all of them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import NO, AsJson, console, emit, fail, mark, moment, table
from cli.platform import Platform
from cli.trust import keys_of
from libs.common.certificate import Verdict, verify, verify_chain

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
    verdict = verify(certificate, keys_of(key, url))
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
    proofs = [
        (held["holding"], given["reference"], moment(given["at"]))
        for part in body["holders"]
        for held in part["holdings"]
        for given in held.get("proofs", ())
    ]
    if proofs:
        table("Erased by outside parties", ("holding", "their reference", "at (UTC)"), proofs)
    table(
        "Kept as proof",
        ("where", "what", "ground"),
        [(kept["where"], kept["what"], kept["ground"]) for kept in body["kept_as_proof"]],
    )
