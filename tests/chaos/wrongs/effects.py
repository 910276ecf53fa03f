"""Effects that did not happen, or twice, and books that do not add up."""

from tests.chaos.history import Cast
from tests.chaos.samples import ADA, CANCELLED, CYD, DRAWN, IMAGE, JOB, PAYMENT, Sample, at
from tests.chaos.truth import Mailed
from tests.chaos.wrongs.changing import Broken, down, row
from tests.chaos.wrongs.refunding import refund, taken_back


def mailed(one: Sample, seconds: float) -> None:
    """Send Ada's mail once more."""
    one.mails.append(Mailed("ada@example.org", "verify", at(seconds)))


def _mailed_before_a_death(one: Sample) -> None:
    mailed(one, 3)
    one.log += down("auth-worker", 6, 7)


def _mailed_a_stranger(one: Sample) -> None:
    one.history.people["eve"] = Cast("eve", "eve@example.org", "eve", "secret", "phone")
    one.mails.append(Mailed("eve@example.org", "verify", at(1)))


def _mailed_thrice(one: Sample) -> None:
    mailed(one, 3)
    mailed(one, 4)
    one.log += down("auth-worker", 1, 1.5)


def _unwelcome(one: Sample) -> None:
    one.rows["billing.ledger_entries"].pop("welcome")
    one.drop("credits.granted", reason="welcome")


def _refund_twice(one: Sample) -> None:
    """Take back, when a job gives credits back, what was taken back before."""
    refund(one, 100)
    again = taken_back(one, 9, _id="again", kind="reclaim", payment_id=None, job_id=CANCELLED)
    one.rows["billing.ledger_entries"]["again"] = again
    one.repeat("credits.released", topic="credits.reclaimed", id="again")
    row(one, "billing.balances", ADA, available=0)


BROKEN: Broken = {
    "an event was not taken in": (
        lambda s: s.rows["gallery.inbox"].pop(f"gallery.make-thumbnails:image.uploaded-{IMAGE}"),
        {"taken in"},
    ),
    "a payment was credited with less": (
        lambda s: row(s, "billing.payments", PAYMENT, credits=500),
        {"grants"},
    ),
    "a purchase was granted twice": (
        lambda s: s.rows["billing.ledger_entries"].update(again={**s.entry("purchase"), "_id": "again"}),
        {"grants", "balances"},
    ),
    "a welcome was given twice": (
        lambda s: s.rows["billing.ledger_entries"].update(again={**s.entry("welcome"), "_id": "again"}),
        {"grants", "balances"},
    ),
    "nobody was welcomed": (
        _unwelcome,
        {"welcomes", "balances"},
    ),
    "a job was captured and released": (
        lambda s: s.rows["billing.ledger_entries"].update(
            more={**s.entry("release"), "job_id": JOB}, less={**s.entry("reserved-2"), "job_id": "job-9"}
        ),
        {
            "settlements",
            "write without its event: credits.released",
            "write without its event: credits.reserved",
        },
    ),
    "a generated image was not delivered": (
        lambda s: row(s, "generation.jobs", JOB, image_ids=[DRAWN, "image-9"]),
        {"deliveries"},
    ),
    "a mail was not sent": (lambda s: s.mails.pop(0), {"mails"}),
    "the mail to somebody who never signed in was not sent": (lambda s: s.mails.pop(), {"mails"}),
    "one of two mails that were due is missing": (
        lambda s: s.repeat(
            "user.registered", topic="mail.requested", id="more", key=CYD, body={"user_id": CYD}
        ),
        {"mails"},
    ),
    "somebody without an account got a mail": (_mailed_a_stranger, {"mails"}),
    "a mail was sent twice": (lambda s: mailed(s, 3), {"mails"}),
    "a mail was sent twice before anything came between": (_mailed_before_a_death, {"mails"}),
    "a mail was sent three times for one interruption": (_mailed_thrice, {"mails"}),
    "an entry does not add up": (
        lambda s: s.entry("welcome")["postings"].__setitem__(
            0, {"account": "platform:welcome", "credits": -9}
        ),
        {"sums"},
    ),
    "the books are off": (lambda s: s.more.update(imbalance=3), {"sums"}),
    "a balance is not what was booked": (
        lambda s: row(s, "billing.balances", ADA, available=108),
        {"balances"},
    ),
    "a balance is below 0": (lambda s: row(s, "billing.balances", ADA, reserved=-1), {"balances"}),
    "a refund took back more than was bought": (lambda s: refund(s, 101), {"refunds"}),
    "a refund took back twice": (_refund_twice, {"refunds"}),
    "a refund took nothing back, and all was there": (
        lambda s: refund(s, 0),
        {"refunds"},
    ),
    "a refund took back less than was there": (lambda s: refund(s, 9), {"refunds"}),
}
