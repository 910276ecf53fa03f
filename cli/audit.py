"""`pixera audit`: read the audit ledger, take it away, and check that nobody has touched it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.output import NO, AsJson, console, emit, fail, mark, moment, table, working
from cli.platform import Platform
from cli.saving import require_new, saved
from cli.times import Since, Until, dated
from cli.trust import keys_of
from libs.common.audit_ledger import Checkpoint, CheckpointInvalid, is_checkpoint, read_checkpoint
from libs.common.audit_verify import Fault, LedgerCheck, Report
from libs.common.signing import read_object

NEXT = "X-Next-After"
PROGRESS_EVERY = 1_000

app = typer.Typer(help="Read and check the audit ledger: who did what to whose data.", no_args_is_help=True)

To = Annotated[Path | None, typer.Option(help="Write it to this file.")]


@app.command("list")
def list_entries(  # noqa: PLR0917 - typer passes options by name
    stream: Annotated[str | None, typer.Option(help="Only this service's.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this, such as staff.signed-in.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only by them: staff:<id>, or system.")] = None,
    subject: Annotated[UUID | None, typer.Option(help="Only about this person.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List entries, the latest first."""
    asked = {"stream": stream, "action": action, "actor": actor, "subject": subject}
    params = {name: str(value) for name, value in asked.items() if value is not None} | dated(since, until)
    entries = Platform().staff_pages("privacy", "/audit/entries", "cursor", limit, params)
    if as_json:
        emit(entries)
        return
    names = ("at", "stream", "sequence", "action", "actor", "ground", "target", "count", "subject")
    table("Audit", names, [[_short(entry, name) for name in names] for entry in entries])


@app.command("checkpoint")
def make_checkpoint(to: To = None, as_json: AsJson = False) -> None:
    """Have the ledger's present state signed. Keep it where nobody of the platform can change it."""
    if to is not None:
        require_new(to)
    made = Platform().staff("POST", "privacy", "/audit/checkpoints")
    if to is not None:
        with saved(to) as file:
            file.write(made["signed"].encode() + b"\n")
    if as_json:
        emit(made)
    else:
        where = f", in {to}" if to else ""
        console().print(mark(good=True), f"{made['size']} entries are signed as of {made['at']}{where}")
        if to is None:
            typer.echo(made["signed"])


@app.command("export")
def export(
    to: Annotated[Path, typer.Option(help="Write it to this file; it must not exist.")],
    as_json: AsJson = False,
) -> None:
    """Take the whole ledger away: every checkpoint, a fresh one, then every entry, byte for byte, one a line."""
    require_new(to)
    platform = Platform()
    platform.staff("POST", "privacy", "/audit/checkpoints")
    checkpoints = platform.staff_pages("privacy", "/audit/checkpoints", "after")
    entries = 0
    with saved(to) as file, working() as status:
        for checkpoint in checkpoints:
            file.write(checkpoint["signed"].encode() + b"\n")
        for lines in _entries_of(platform):
            file.write(b"".join(line + b"\n" for line in lines))
            entries += len(lines)
            status.update(f"{entries} entries")
    if as_json:
        emit({"file": str(to), "entries": entries, "checkpoints": len(checkpoints)})
    else:
        console().print(mark(good=True), f"{entries} entries and {len(checkpoints)} checkpoints are in {to}")


@app.command("verify")
def verify(
    file: Annotated[
        Path | None,
        typer.Option(help="An export, instead of the platform's ledger: nothing else is asked then."),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint that was kept elsewhere; may be given again.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="The issuer's public keys: PEM, or the JSON of /api/privacy/v1/keys.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every chain against every checkpoint: exit 0 if all holds, 1 if not, 2 if that cannot be told.

    The platform's own checkpoints show what was changed by somebody without its key. One that was kept elsewhere
    shows it whoever it was.
    """
    source = _FromFile(file) if file else _FromPlatform()
    own = [
        (f"{source.name}, checkpoint {number}", text) for number, text in enumerate(source.checkpoints(), 1)
    ]
    given = [(str(path), _read(path).strip()) for path in checkpoint or ()]
    genuine, forged = _genuine([*own, *given], key)
    looked = LedgerCheck(genuine)
    with working() as status:
        for count, entry in enumerate(source.entries(), 1):
            looked.take(entry)
            if count % PROGRESS_EVERY == 0:
                status.update(f"{count} entries")
    _tell(looked.report(), genuine, forged, as_json=as_json)


class _FromPlatform:
    """The ledger as the platform gives it out now."""

    name = "the platform"

    def __init__(self) -> None:
        self._platform = Platform()

    def checkpoints(self) -> Iterator[bytes]:
        for found in self._platform.staff_pages("privacy", "/audit/checkpoints", "after"):
            yield found["signed"].encode()

    def entries(self) -> Iterator[bytes]:
        for lines in _entries_of(self._platform):
            yield from lines


class _FromFile:
    """The ledger as it was exported. The file is read twice, a line at a time: checkpoints first."""

    def __init__(self, file: Path) -> None:
        self.name, self._file = file.name, file

    def checkpoints(self) -> Iterator[bytes]:
        return (line for line in self._lines() if _is_checkpoint(line))

    def entries(self) -> Iterator[bytes]:
        return (line for line in self._lines() if not _is_checkpoint(line))

    def _lines(self) -> Iterator[bytes]:
        try:
            with self._file.open("rb") as file:
                yield from (line.removesuffix(b"\n") for line in file)
        except OSError as error:
            fail(f"{self._file} cannot be read: {error.strerror}.")


def _is_checkpoint(line: bytes) -> bool:
    body = (
        read_object(line) if b'"streams":' in line else None
    )  # no entry has that in it: its words are codes
    return body is not None and is_checkpoint(body)


def _entries_of(platform: Platform) -> Iterator[list[bytes]]:
    """Yield the platform's entries, byte for byte, a page at a time."""
    params: dict[str, str] = {}
    while True:
        answer = platform.staff_answer("GET", "privacy", "/audit/export", params=params)
        yield answer.content.split(b"\n")[:-1]
        if (place := answer.headers.get(NEXT)) is None:
            return
        params["stream"], _, params["sequence"] = place.rpartition(":")


def _genuine(found: Iterable[tuple[str, bytes]], key: Path | None) -> tuple[list[Checkpoint], list[Fault]]:
    """Return the checkpoints that are the issuer's, and what is wrong with the others."""
    keys, genuine, forged = keys_of(key), [], []
    for number, (name, text) in enumerate(found, 1):
        try:
            genuine.append(read_checkpoint(text, keys))
        except CheckpointInvalid as error:
            forged.append(Fault("checkpoint", number, f"{name}: {error}"))
    return genuine, forged


def _tell(report: Report, checkpoints: list[Checkpoint], forged: list[Fault], *, as_json: bool) -> None:
    """Say what came of it, and end."""
    faults = [*forged, *report.faults]
    if as_json:
        broken = [{"stream": each.stream, "sequence": each.sequence, "what": each.what} for each in faults]
        emit(
            {
                "valid": not faults,
                "entries": report.entries,
                "checkpoints": len(checkpoints),
                "broken": broken,
            }
        )
    else:
        first = {fault.stream: fault for fault in report.faults}
        rows = [(mark(name not in first), name, count) for name, count in report.entries.items()]
        table("Audit ledger", ("", "stream", "entries"), rows)
        if faults:
            table("First broken", ("stream", "entry", "what is wrong"), [_cells(fault) for fault in faults])
        console().print(
            mark(not faults), f"{sum(report.entries.values())} entries, {len(checkpoints)} checkpoints"
        )
    if not faults and not checkpoints:
        fail("Every chain holds, but without a checkpoint nobody can tell whether an end was cut off.")
    raise typer.Exit(NO if faults else 0)


def _cells(fault: Fault) -> tuple[Any, ...]:
    return fault.stream, fault.sequence, fault.what


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}.")


def _short(entry: dict[str, Any], name: str) -> Any:
    """Return a cell; a pseudonym is long, and its beginning tells it from the others."""
    value = entry[name]
    if name == "at":
        return moment(value)
    return value[:16] if name == "subject" and value else value
