"""Erasures that did not end, left something, or went on late."""

from datetime import timedelta

from tests.chaos.history import Outcome
from tests.chaos.samples import BOB, CASE, Sample, at
from tests.chaos.truth import Stored
from tests.chaos.wrongs.changing import Broken, down, moment, row


def killed(one: Sample, *, back_s: float) -> None:
    """Let gallery-worker die once it was asked to erase, and be back so long before, or after, its answer."""
    asked, answered = one.event("erasure.requested").time, one.event("erasure.completed").time
    later = timedelta(seconds=20)
    one.change("erasure.completed", time=answered + later)
    one.change("erasure.verified", time=answered + 2 * later)
    died = (asked - at(0)).total_seconds() + 0.5
    one.log += down("gallery-worker", died, (answered + later - at(0)).total_seconds() + back_s)


def hindered_elsewhere(one: Sample) -> None:
    """Let an erasure go on late, while another service is cut off, which has no part in that step."""
    killed(one, back_s=-11)
    one.log += [moment("injected", "cut billing->mongod", 12), moment("lifted", "cut billing->mongod", 20)]


def hindered_before(one: Sample) -> None:
    """Let an erasure go on late, long after the database, which was down for a moment, had come back."""
    killed(one, back_s=-20)
    one.log += down("mongod", 11.6, 11.8)


def proved_late(one: Sample) -> None:
    """Let privacy-worker die once everybody has erased, and prove it long after it is back."""
    one.change("erasure.verified", time=at(30))
    one.log += down("privacy-worker", 12.5, 14)


def published_late(one: Sample, seconds: float, fault: str = "", told: str = "") -> None:
    """Publish for Bob whom gallery has erased after 12 s, with a fault from 9 s until a moment before that."""
    body = {"user_id": BOB, "image_id": "x"}
    one.repeat("image.uploaded", id="late", time=at(seconds), key=BOB, body=body)
    if fault:
        one.log += [moment("injected", fault, 9, told), moment("lifted", fault, seconds - 0.1)]


def _published_after_a_wrong_clock(one: Sample) -> None:
    published_late(one, 200)
    one.log += [moment("injected", "clock gallery-api", 2, "offset_s=600")]
    one.log += [moment("lifted", "clock gallery-api", 8)]


def _taken_late(one: Sample) -> None:
    body = {"user_id": BOB, "image_id": "x"}
    one.repeat("image.uploaded", id="early", time=at(9), key=BOB, body=body)
    one.rows["gallery.inbox"].update(late={"_id": "gallery.make-thumbnails:early", "at": at(14)})


BROKEN: Broken = {
    "a case stays open": (
        lambda s: row(s, "privacy.cases", CASE, phase="ERASING"),
        {"verified"},
    ),
    "a case has no certificate": (lambda s: s.rows["privacy.certificates"].clear(), {"verified"}),
    "a service forgot whom it erased": (lambda s: s.rows["billing.tombstones"].clear(), {"verified"}),
    "the chain is broken": (lambda s: s.more.update(chain_broken="broken at 2"), {"chain"}),
    "the scanner finds something": (lambda s: s.more.update(strays=["caption in s3"]), {"traces"}),
    "a holder acknowledged and left a row": (
        lambda s: s.rows["gallery.uploads"].update(left={"_id": "left", "user_id": BOB, "completed": False}),
        {"acknowledgements"},
    ),
    "a holder acknowledged and left an object": (
        lambda s: s.objects.update({"prefix-bob/image-7/original": Stored(1, "d", "p", "PNG")}),
        {"acknowledgements"},
    ),
    "a service published for somebody it had erased": (lambda s: published_late(s, 14), {"fence"}),
    "a service took an event in for somebody it had erased": (
        _taken_late,
        {"fence"},
    ),
    "a service published for somebody it had erased, while only a connection was lost": (
        lambda s: published_late(s, 14, "cut gallery->mongod"),
        {"fence"},
    ),
    "a service published for somebody it had erased, long after it stood still": (
        lambda s: published_late(s, 21.5, "freeze gallery-api"),
        {"fence"},
    ),
    "a service published for somebody it had erased, minutes after its clock was wrong by a little": (
        lambda s: published_late(s, 200, "clock gallery-api", "offset_s=5"),
        {"fence"},
    ),
    "a service published for somebody it had erased, while the other's clock was wrong": (
        lambda s: published_late(s, 200, "clock billing-api", "offset_s=600"),
        {"fence"},
    ),
    "a service published for somebody it had erased, long after its clock was right again": (
        _published_after_a_wrong_clock,
        {"fence"},
    ),
    "somebody wrote after VERIFIED": (
        lambda s: s.amend(12, outcome=Outcome.OK, at=at(20)),
        {"old tokens"},
    ),
    "an erasure went on late": (lambda s: killed(s, back_s=-11), {"resumed"}),
    "an erasure went on late, for no fault of its own": (hindered_elsewhere, {"resumed"}),
    "an erasure went on late, long after another fault": (hindered_before, {"resumed"}),
    "an erasure was proved late": (proved_late, {"resumed"}),
}
