"""Wrong histories: each the right one with just one thing broken, and the promises that this breaks."""

from collections.abc import Callable
from datetime import timedelta

from tests.chaos import samples
from tests.chaos.history import Cast, Outcome
from tests.chaos.model import Moment
from tests.chaos.samples import (
    ADA,
    BOB,
    CANCELLED,
    CASE,
    CYD,
    DRAWN,
    GONE_IMAGE,
    IMAGE,
    JOB,
    PAYMENT,
    PREFIX,
    Sample,
    at,
)
from tests.chaos.truth import Mailed, Stored

Break = Callable[[Sample], object]


def row(one: Sample, collection: str, key: str, **fields: object) -> None:
    """Change fields of a row."""
    one.rows[collection][key] |= fields


def _store(one: Sample, image: str, **fields: object) -> None:
    name = f"{PREFIX}/{image}/original"
    known = one.objects[name]
    one.objects[name] = Stored(**{**vars(known), **fields})


def moment(what: str, name: str, seconds: float, detail: str = "") -> Moment:
    """Return a moment of the rig's log."""
    return Moment(what, name, detail, seconds, at(seconds))


def down(name: str, since: float, until: float) -> list[Moment]:
    """Return what the log has of a process that was down for a while."""
    return [moment("process-died", name, since), moment("process-ready", name, until)]


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


def mailed(one: Sample, seconds: float) -> None:
    """Send Ada's mail once more."""
    one.mails.append(Mailed("ada@example.org", "verify", at(seconds)))


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


def _mailed_before_a_death(one: Sample) -> None:
    mailed(one, 3)
    one.log += down("auth-worker", 6, 7)


def _registered_in_vain(one: Sample) -> None:
    """Lose a registration with all that came of it."""
    one.rows["auth.users"].pop(CYD)
    one.drop("user.registered", user_id=CYD)
    one.mails.pop()


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


def refund(one: Sample, credits_: int) -> None:
    """Have Ada's payment refunded, and so much of it taken back."""
    row(one, "billing.payments", PAYMENT, state="refunded")
    row(one, "pay.checkouts", "checkout-1", state="refunded")
    row(one, "billing.balances", ADA, available=109 - credits_)
    if credits_:
        one.rows["billing.ledger_entries"]["refund"] = _taken_back(one, credits_)
        one.repeat("payment.completed", topic="credits.refunded", id="refund")


def spend(one: Sample, credits_: int, seconds: float) -> None:
    """Let Ada spend credits at a moment, for nothing that is looked at."""
    spent, used = (
        {"account": "user:available", "credits": -credits_},
        {"account": "platform:usage", "credits": credits_},
    )
    entry = {**one.entry("welcome"), "_id": "spent", "kind": "other", "postings": [spent, used]}
    one.rows["billing.ledger_entries"]["spent"] = {**entry, "created_at": at(seconds)}
    one.rows["billing.balances"][ADA]["available"] -= credits_


def _taken_back(one: Sample, credits_: int, **fields: object) -> dict[str, object]:
    taken, given = (
        {"account": "user:available", "credits": -credits_},
        {"account": "platform:sales", "credits": credits_},
    )
    entry = {"_id": "refund", "kind": "refund", "postings": [taken, given], "created_at": at(9.5)}
    return {**one.entry("purchase"), **entry, **fields}


def _refund_untold(one: Sample) -> None:
    refund(one, 100)
    one.drop("credits.refunded")


def _refund_twice(one: Sample) -> None:
    """Take back, when a job gives credits back, what was taken back before."""
    refund(one, 100)
    again = _taken_back(one, 9, _id="again", kind="reclaim", payment_id=None, job_id=CANCELLED)
    one.rows["billing.ledger_entries"]["again"] = again
    one.repeat("credits.released", topic="credits.reclaimed", id="again")
    row(one, "billing.balances", ADA, available=0)


def _half_deleted(one: Sample) -> None:
    one.amend(5, outcome=Outcome.UNKNOWN)
    one.objects[f"{PREFIX}/{GONE_IMAGE}/original"] = Stored(1, "d", "p", "PNG")


def _untold_deletion(one: Sample) -> None:
    one.drop("image.deleted")


def _taken_in_the_wrong_order(one: Sample) -> None:
    row(one, "gallery.inbox", f"gallery.make-thumbnails:image.uploaded-{GONE_IMAGE}", at=at(1.9))


def _taken_late(one: Sample) -> None:
    body = {"user_id": BOB, "image_id": "x"}
    one.repeat("image.uploaded", id="early", time=at(9), key=BOB, body=body)
    one.rows["gallery.inbox"].update(late={"_id": "gallery.make-thumbnails:early", "at": at(14)})


BROKEN: dict[str, tuple[Break, set[str]]] = {
    "nobody could do anything": (lambda s: s.amend(0, outcome=Outcome.UNKNOWN), {"lived"}),
    "an account is lost": (
        lambda s: s.rows["auth.users"].pop(ADA),
        {"accounts", "event without its write: user.registered", "event without its write: user.verified"},
    ),
    "a registration is lost, and all that came of it": (_registered_in_vain, {"accounts"}),
    "a verification is lost": (lambda s: s.did("cyd", "verify", 20), {"accounts"}),
    "a deletion is lost": (lambda s: s.amend(10, got={"case_id": "another"}), {"deletions"}),
    "a deleted account can sign in": (lambda s: s.amend(11, outcome=Outcome.OK), {"deletions"}),
    "an image shows something else": (lambda s: _store(s, IMAGE, pixels="others"), {"images"}),
    "an image has other bytes than before": (lambda s: _store(s, IMAGE, digest="others"), {"downloads"}),
    "an image has another size than its row says": (lambda s: _store(s, DRAWN, size=9), {"files"}),
    "an image has no file": (lambda s: s.objects.pop(f"{PREFIX}/{IMAGE}/original"), {"files"}),
    "an image has no thumbnail": (lambda s: s.objects.pop(f"{PREFIX}/{DRAWN}/small"), {"files"}),
    "a deleted image has a file": (
        lambda s: s.objects.update({f"{PREFIX}/{GONE_IMAGE}/original": Stored(1, "d", "p", "PNG")}),
        {"removed-images"},
    ),
    "an image whose deletion was not answered has a file": (_half_deleted, {"removed-images"}),
    "a deleted image has a thumbnail": (
        lambda s: s.objects.update({f"{PREFIX}/{GONE_IMAGE}/small": Stored(1, "d", "p", "WEBP")}),
        {"removed-images"},
    ),
    "a caption is an earlier one": (
        lambda s: row(s, "gallery.images", IMAGE, caption="first"),
        {"captions"},
    ),
    "a caption is nobody's": (lambda s: row(s, "gallery.images", IMAGE, caption="other"), {"captions"}),
    "a job goes on": (
        lambda s: row(s, "generation.jobs", JOB, state="running"),
        {"jobs", "event without its write: generation.completed"},
    ),
    "one key made two jobs": (lambda s: s.amend(7, given={"key": "key-1"}), {"jobs"}),
    "a purchase is lost": (lambda s: s.amend(9, got={"payment_id": "payment-2"}), {"payments"}),
    "a refund is lost": (lambda s: row(s, "pay.checkouts", "checkout-1", state="refunded"), {"payments"}),
    "an event was told under two ids": (lambda s: s.repeat("image.ready", id="twice"), {"once: image.ready"}),
    "an upload was not told": (
        lambda s: s.drop("image.uploaded", image_id=DRAWN),
        {"write without its event: image.uploaded"},
    ),
    "an upload was told that is not there": (
        lambda s: s.change("payment.completed", body={"user_id": ADA, "payment_id": "payment-2"}),
        {"event without its write: payment.completed", "write without its event: payment.completed"},
    ),
    "a caption was not told": (
        lambda s: s.drop("image.captioned"),
        {"write without its event: image.captioned"},
    ),
    "a caption was told twice": (
        lambda s: s.repeat("image.captioned", id="twice"),
        {"event without its write: image.captioned"},
    ),
    "a deletion was told of an image that is there": (
        lambda s: s.repeat("image.deleted", id="early", body={"user_id": ADA, "image_id": IMAGE}),
        {"event without its write: image.deleted", "removed-images"},
    ),
    "a deletion of an image was not told": (
        _untold_deletion,
        {"write without its event: image.deleted", "event without its write: image.uploaded"},
    ),
    "a grant was not told": (
        lambda s: s.drop("credits.granted", reason="purchase"),
        {"write without its event: credits.granted(purchase)"},
    ),
    "the opening of an account was not told": (
        lambda s: s.drop("account.opened"),
        {"write without its event: account.opened"},
    ),
    "an account was opened twice": (
        lambda s: s.repeat("account.opened", id="twice"),
        {"once: account.opened"},
    ),
    "an account was opened that is not there": (
        lambda s: s.repeat("account.opened", id="eve", key="user-eve", body={"user_id": "user-eve"}),
        {"event without its write: account.opened"},
    ),
    "a refund took back more than was bought": (lambda s: refund(s, 101), {"refunds"}),
    "a refund took back twice": (_refund_twice, {"refunds"}),
    "a refund took nothing back, and all was there": (
        lambda s: refund(s, 0),
        {"refunds"},
    ),
    "a refund took back less than was there": (lambda s: refund(s, 9), {"refunds"}),
    "a refund was not told": (_refund_untold, {"write without its event: credits.refunded"}),
    "a refund was told and not booked": (
        lambda s: s.repeat("payment.completed", topic="credits.refunded", id="refund"),
        {"event without its write: credits.refunded"},
    ),
    "what a refund took from a job was told and not booked": (
        lambda s: s.repeat("credits.released", topic="credits.reclaimed", id="reclaim"),
        {"event without its write: credits.reclaimed"},
    ),
    "an id means two events": (
        lambda s: s.repeat("image.ready", body={"user_id": ADA, "image_id": IMAGE, "job_id": "x"}),
        {"identities"},
    ),
    "a job completed and failed": (
        lambda s: s.repeat("generation.failed", id="new", body={"user_id": ADA, "job_id": JOB}),
        {"one end", "event without its write: generation.failed"},
    ),
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
    "a key is in two partitions": (lambda s: s.change("image.ready", partition=1), {"places"}),
    "two uploads were taken in in the wrong order": (_taken_in_the_wrong_order, {"taken in order"}),
    "two uploads were published in the wrong order": (
        lambda s: s.change("image.uploaded", offset=500),
        {"real time"},
    ),
    "there is a dead letter": (lambda s: s.more.update(letters=[samples.letter()]), {"dead letters"}),
    "an erasure went on late": (lambda s: killed(s, back_s=-11), {"resumed"}),
    "an erasure went on late, for no fault of its own": (hindered_elsewhere, {"resumed"}),
    "an erasure went on late, long after another fault": (hindered_before, {"resumed"}),
    "an erasure was proved late": (proved_late, {"resumed"}),
}
