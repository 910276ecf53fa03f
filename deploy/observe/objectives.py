"""What people may expect, and alerts when it is used up too fast: several windows, several burn rates.

Source:   The Site Reliability Workbook, chapter 5: a page at 14.4x over an hour and 6x over six, a ticket at 3x over
          a day and 1x over three; each beside a window of a twelfth, so that it ends soon after the trouble does.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.observe.alert import Alert, Series, Severity

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
PERIOD_DAYS = 30
BURNS = {
    Severity.PAGE: ((14.4, "1h", "5m"), (6.0, "6h", "30m")),
    Severity.TICKET: ((3.0, "1d", "2h"), (1.0, "3d", "6h")),
}
ERRORS = "pixera:slo_errors:ratio_rate"


@dataclass(frozen=True)
class Objective:
    """A promise about most of what happens. Args: bad, all: rates over `WINDOW`; lives: samples to test with,
    by whether all is well."""

    name: str
    goal: float
    what: str
    bad: str
    all: str
    well: Series
    ill: Series

    @property
    def budget(self) -> float:
        """Return the share that may go wrong."""
        return round(1 - self.goal, 6)

    def errors(self, window: str) -> str:
        """Return the share that goes wrong, as a query."""
        bad, every = (query.replace("WINDOW", window) for query in (self.bad, self.all))
        return f"({bad}) / ({every} > 0)"

    @property
    def title(self) -> str:
        """Return its name as part of an alert's: `api-availability` is `ApiAvailability`."""
        return "".join(part.capitalize() for part in self.name.split("-"))


def within(metric: str, seconds: str) -> tuple[str, str]:
    """Return what took longer than a bucket of a histogram, and all of it, as rates."""
    every = f"sum(rate({metric}_count[WINDOW]))"
    return f'{every} - sum(rate({metric}_bucket{{le="{seconds}"}}[WINDOW]))', every


def _timed(metric: str, labels: str, le: str, *, well: bool) -> Series:
    good = "0+100x90" if well else "0+60x90"
    return (
        (f'{metric}_bucket{{{labels},le="{le}"}}', good),
        (f"{metric}_count{{{labels}}}", "0+100x90"),
    )


API = 'service="gallery",route="/images",method="GET"'
LIVE, EVENT, CASE = (
    "pixera_http_request_seconds",
    "pixera_event_age_seconds",
    "pixera_erasure_verified_seconds",
)
_slow, _answered = within(LIVE, "0.5")
_late, _taken = within(EVENT, "5.0")
_long, _verified = within(CASE, "60.0")
OBJECTIVES = (
    Objective(
        "api-availability",
        0.999,
        "of requests are not answered with an error of ours (5xx)",
        '(sum(rate(pixera_http_requests_total{status=~"5.."}[WINDOW])) or vector(0))',
        "sum(rate(pixera_http_requests_total[WINDOW]))",
        well=((f'pixera_http_requests_total{{{API},status="200"}}', "0+100x90"),),
        ill=(
            (f'pixera_http_requests_total{{{API},status="200"}}', "0+90x90"),
            (f'pixera_http_requests_total{{{API},status="503"}}', "0+10x90"),
        ),
    ),
    Objective(
        "api-latency",
        0.99,
        "of requests are answered within 500 ms",
        _slow,
        _answered,
        well=_timed(LIVE, API, "0.5", well=True),
        ill=_timed(LIVE, API, "0.5", well=False),
    ),
    Objective(
        "event-freshness",
        0.99,
        "of events have their effect within 5 s",
        _late,
        _taken,
        well=_timed(EVENT, 'service="gallery",group="g",topic="t"', "5.0", well=True),
        ill=_timed(EVENT, 'service="gallery",group="g",topic="t"', "5.0", well=False),
    ),
    Objective(
        "erasure-time",
        0.99,
        "of erasures are proven within 60 s of the account's deletion",
        _long,
        _verified,
        well=_timed(CASE, 'service="privacy"', "60.0", well=True),
        ill=_timed(CASE, 'service="privacy"', "60.0", well=False),
    ),
)


def recordings() -> Iterator[dict[str, object]]:
    """Yield the rules that record how much of each objective goes wrong, by window."""
    for objective in OBJECTIVES:
        for window in WINDOWS:
            yield {
                "record": f"{ERRORS}{window}",
                "expr": objective.errors(window),
                "labels": {"slo": objective.name},
            }


def alerts() -> Iterator[Alert]:
    """Yield a page and a ticket for each objective."""
    for objective in OBJECTIVES:
        for severity, burns in BURNS.items():
            kind = "Fast" if severity is Severity.PAGE else "Slow"
            yield Alert(
                f"Pixera{objective.title}Burns{kind}",
                " or ".join(_burning(objective, *burn) for burn in burns),
                "2m" if severity is Severity.PAGE else "15m",
                severity,
                f"Too little holds of: {objective.goal:.1%} {objective.what}",
                fires=objective.ill,
                silent=objective.well,
                after="80m",
                subject=objective.name,
            )


def _burning(objective: Objective, rate: float, long: str, short: str) -> str:
    ratio, most = f'{{slo="{objective.name}"}}', f"{rate:g} * {objective.budget:g}"
    return f"(max({ERRORS}{long}{ratio}) > {most} and max({ERRORS}{short}{ratio}) > {most})"
