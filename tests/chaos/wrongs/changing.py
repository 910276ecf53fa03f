"""What several wrong histories change: rows, and the rig's log."""

from collections.abc import Callable, Mapping

from tests.chaos.model import Moment
from tests.chaos.samples import Sample, at

Broken = Mapping[str, tuple[Callable[[Sample], object], set[str]]]
"""By what is wrong: what makes it so, and the promises that are broken then."""


def row(one: Sample, collection: str, key: str, **fields: object) -> None:
    """Change fields of a row."""
    one.rows[collection][key] |= fields


def moment(what: str, name: str, seconds: float, detail: str = "") -> Moment:
    """Return a moment of the rig's log."""
    return Moment(what, name, detail, seconds, at(seconds))


def down(name: str, since: float, until: float) -> list[Moment]:
    """Return what the log has of a process that was down for a while."""
    return [moment("process-died", name, since), moment("process-ready", name, until)]
