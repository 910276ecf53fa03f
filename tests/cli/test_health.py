"""What of a snapshot is shown as not well, and what is not."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console

from cli.health import Finding, findings
from cli.output import Level
from cli.screen import draw
from cli.snapshot import Probe, Snapshot


def service(**changed: Any) -> dict[str, Any]:
    """Return what a service says of itself when all is well."""
    group = {"group": "gallery.privacy", "members": 1, "lag": 0, "age_s": 0.0}
    return {
        "service": "gallery",
        "ready": {"Mongo.ping": True},
        "outbox": {"pending": 2, "oldest_age_s": 0.1},
        "relay": True,
        "groups": [group],
        "dead_letters": [letters()],
        "unanswered": {},
    } | changed


def letters(**counts: float) -> dict[str, Any]:
    none = {"open": 0, "parked": 0, "redriving": 0, "oldest_age_s": 0.0}
    return {"group": "gallery.privacy"} | none | counts


def group(members: int, lag: int, age_s: float | None) -> list[dict[str, Any]]:
    return [{"group": "gallery.privacy", "members": members, "lag": lag, "age_s": age_s}]


def erasures(**changed: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "open": 3,
        "oldest_requested_at": (now - timedelta(hours=3)).isoformat(),
        "soonest_due_at": (now + timedelta(days=30)).isoformat(),
        "overdue": 0,
        "attention": 0,
        "by_state": {"ERASING": 2, "HELD": 1},
    } | changed


def found(
    status: dict[str, Any] | None = None, sums: dict[str, Any] | None = None
) -> list[tuple[Level, str]]:
    snapshot = Snapshot("http://here", {}, {"gallery": status or service()}, sums or erasures())
    return [(finding.level, finding.where) for finding in findings(snapshot)]


def test_nothing_is_found_where_all_is_well() -> None:
    assert found() == []
    assert found(service(groups=group(1, 500, 2.0))) == []
    assert found(service(groups=group(0, 0, 0.0))) == []


def test_a_group_is_late_by_the_age_of_what_it_has_not_done_and_fails_where_nobody_does_it() -> None:
    assert found(service(groups=group(1, 1, 120.0))) == [(Level.LATE, "gallery.privacy")]
    assert found(service(groups=group(1, 1, None))) == [(Level.LATE, "gallery.privacy")]
    assert found(service(groups=group(0, 1, 0.5))) == [(Level.FAILING, "gallery.privacy")]


def test_an_outbox_is_judged_by_its_relay_and_its_oldest_event() -> None:
    assert found(service(outbox={"pending": 9, "oldest_age_s": 11.0})) == [(Level.LATE, "gallery")]
    assert found(service(relay=False)) == [(Level.FAILING, "gallery")]
    assert found(service(relay=False, outbox={"pending": 0, "oldest_age_s": 0.0})) == [
        (Level.LATE, "gallery")
    ]


def test_what_could_not_be_measured_is_not_well() -> None:
    assert found(service(groups=None, unanswered={"groups": "TimeoutError"})) == [(Level.FAILING, "gallery")]
    assert found(service(ready={"Mongo.ping": False})) == [(Level.FAILING, "gallery")]


def test_dead_letters_wait_for_somebody() -> None:
    waiting = service(dead_letters=[letters(open=2, parked=5, oldest_age_s=7_200.0)])
    (finding,) = findings(Snapshot("http://here", {}, {"gallery": waiting}))
    assert (finding.level, finding.where) == (Level.LATE, "gallery.privacy")
    assert finding.what == "2 dead letters, the oldest 2 h old, 5 wait behind them"
    assert found(service(dead_letters=[letters(redriving=1)])) == [(Level.LATE, "gallery.privacy")]


def test_erasures_are_judged_by_their_deadline() -> None:
    soon = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    assert found(sums=erasures(overdue=1, attention=1)) == [
        (Level.FAILING, "erasures"),
        (Level.LATE, "erasures"),
    ]
    assert found(sums=erasures(soonest_due_at=soon)) == [(Level.LATE, "erasures")]
    assert found(sums=erasures(by_state={"INCOMPLETE": 1})) == [(Level.LATE, "erasures")]
    assert found(sums=erasures(open=0, oldest_requested_at=None, soonest_due_at=None, by_state={})) == []


def test_what_fails_everywhere_alike_is_one_line() -> None:
    broken = service(groups=None, unanswered={"groups": "KafkaConnectionError"})
    snapshot = Snapshot("http://here", {}, {"auth": broken, "billing": broken})
    assert [finding.where for finding in findings(snapshot)] == ["auth, billing"]


def test_the_screen_says_everything_without_colour() -> None:
    probes = {"gateway": Probe(True), "gallery-api": Probe(True), "gallery-worker": Probe(False, ("relay",))}
    status = service(groups=group(0, 7, 300.0))
    snapshot = Snapshot("http://here", probes, {"gallery": status}, erasures(overdue=1))
    console = Console(width=120, no_color=True, record=True, file=None, highlight=False)
    with console.capture() as captured:
        console.print(draw(snapshot, findings(snapshot), every_group=True))
    screen = captured.get()
    for words in (
        "failing",
        "7 · 5 min",
        "nobody consumes",
        "1 overdue",
        "1 held",
        "relay",
        "due in 29 days",
    ):
        assert words in screen, screen
    assert "unknown" in screen  # what the four silent services are


def test_findings_come_worst_first() -> None:
    listed = findings(
        Snapshot("http://here", {"pay": Probe(False, ("ConnectError",))}, {}, erasures(attention=1))
    )
    assert listed[0] == Finding(Level.FAILING, "pay", "not well: ConnectError")
    assert listed[1].level is Level.LATE
