"""What an alert is: a question to Prometheus, and two little worlds in which it fires and in which it does not."""

import re
from dataclasses import dataclass
from enum import StrEnum

Series = tuple[tuple[str, str], ...]
"""Samples to test with, one a minute: a series, and its values in promtool's notation, such as `0+1x60`."""


class Severity(StrEnum):
    """Whom an alert is for."""

    PAGE = "page"
    """Somebody is woken: people notice, or a promise is about to be broken."""
    TICKET = "ticket"
    """Somebody looks on the next working day."""


@dataclass(frozen=True)
class Alert:
    """One alert. Its runbook is `docs/runbooks/<slug>.md`.

    Args:     lasting: how long the expression has to hold; fires, silent: what to test it with; after: when it is
              looked at in the tests, by the samples' own time; subject: what it shares a runbook about with others.
    """

    name: str
    expr: str
    lasting: str
    severity: Severity
    summary: str
    fires: Series
    silent: Series
    after: str = "30m"
    subject: str = ""

    @property
    def slug(self) -> str:
        """Return its runbook's name: `outbox-stuck` for `PixeraOutboxStuck`, unless it is about a subject."""
        return self.subject or re.sub(r"(?<!^)(?=[A-Z])", "-", self.name.removeprefix("Pixera")).lower()

    @property
    def runbook(self) -> str:
        """Return where its runbook is, from the root of the project."""
        return f"docs/runbooks/{self.slug}.md"
