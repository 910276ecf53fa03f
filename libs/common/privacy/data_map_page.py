"""The data map as a page for people: the record of processing first, every field after it."""

from collections.abc import Iterable, Iterator, Sequence

from libs.common.privacy.data_map import Record

Rows = Iterable[Sequence[str]]


def markdown(record: Record) -> str:
    """Return the map as Markdown."""
    sections = (
        _head(record),
        _processing(record),
        _processors(record),
        _holdings(record),
        _proofs(record),
        _events(record),
        _in_no_backup(record),
        _about_nobody(record),
    )
    return "\n".join(line for section in sections for line in section) + "\n"


def _head(record: Record) -> Iterator[str]:
    controller = record["controller"]
    yield from (
        "# Data map",
        "",
        "Made from the declarations in the code by `make data-map`; not edited by hand.",
    )
    yield from (
        "",
        f"The record of processing activities (GDPR Art. 30). Controller: {controller['name']}, reached by",
    )
    yield f"{controller['contact']}. About: {controller['data_subjects']}. Security: {controller['security']}."


def _processing(record: Record) -> Iterator[str]:
    yield from ("", "## Processing", "")
    head = ("holding", "categories", "purposes", "basis", "kept", "recipients")
    columns = ("category", "purpose", "basis", "kept")
    yield from table(
        head, ([of["holding"], *(_all(of, name) for name in columns), _to(of)] for of in held(record))
    )


def _processors(record: Record) -> Iterator[str]:
    yield from ("", "## Outside parties and transfers", "")
    head = ("name", "what for", "country", "safeguard", "receives", "at erasure")
    yield from table(
        head,
        (
            (
                each["processor"],
                each["task"],
                f"{each['country']}{' (transfer)' if each['transfer'] else ''}",
                each["safeguard"],
                ", ".join(each["receives"]),
                each["at_erasure"],
            )
            for each in record["processors"]
        ),
    )


def _holdings(record: Record) -> Iterator[str]:
    for holding in held(record, silent=True):
        yield from ("", f"## {holding['holding']}", "")
        yield from (f"{holding['kind']} {holding['where']}. {holding['erasure']}", "")
        head = ("field", "category", "purpose", "basis", "kept", "at erasure", "recipients")
        rows = ([*list(field.values())[:-1], ", ".join(field["recipients"])] for field in holding["fields"])
        yield from table(head, rows)


def _proofs(record: Record) -> Iterator[str]:
    yield from (
        "",
        "## Kept as proof",
        "",
        "An erasure leaves these: keyed pseudonyms, nothing that says who.",
        "",
    )
    rows = [tuple(each.values()) for each in record["kept_as_proof"]]
    yield from table(("where", "what", "ground", "kept"), rows)


def _events(record: Record) -> Iterator[str]:
    yield from ("", "## Events", "", "Events carry opaque ids, and what only their person's key opens.", "")
    rows = [
        (each["event"], each["producer"], each["key"], each["kept"], ", ".join(each["fields"]))
        for each in record["events"]
    ]
    yield from table(("event", "producer", "key", "kept", "fields"), rows)


def _in_no_backup(record: Record) -> Iterator[str]:
    yield from ("", "## In no backup", "")
    for service, names in record["in_no_backup"].items():
        if names:
            yield f"- {service}: {', '.join(names)}"


def _about_nobody(record: Record) -> Iterator[str]:
    yield from ("", "## About nobody", "")
    for service, names in record["about_nobody"].items():
        yield f"- {service}: {', '.join(names) or 'none'}"


def held(record: Record, *, silent: bool = False) -> list[Record]:
    """Return the holdings of all services. Args: silent: those without a personal field, too."""
    every = [*record["holdings"], *record["kept_by_every_service"]]
    return [holding for holding in every if silent or holding["fields"]]


def table(head: Sequence[str], rows: Rows) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _all(holding: Record, column: str) -> str:
    return ", ".join(dict.fromkeys(field[column] for field in holding["fields"]))


def _to(holding: Record) -> str:
    return ", ".join(dict.fromkeys(name for field in holding["fields"] for name in field["recipients"]))
