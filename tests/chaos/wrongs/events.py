"""Events without their write, writes without their event, and events in the wrong order."""

from tests.chaos import samples
from tests.chaos.samples import ADA, DRAWN, GONE_IMAGE, IMAGE, JOB, Sample, at
from tests.chaos.wrongs.changing import Broken, row
from tests.chaos.wrongs.refunding import refund


def _refund_untold(one: Sample) -> None:
    refund(one, 100)
    one.drop("credits.refunded")


def _untold_deletion(one: Sample) -> None:
    one.drop("image.deleted")


def _taken_in_the_wrong_order(one: Sample) -> None:
    row(one, "gallery.inbox", f"gallery.make-thumbnails:image.uploaded-{GONE_IMAGE}", at=at(1.9))


BROKEN: Broken = {
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
    "a key is in two partitions": (lambda s: s.change("image.ready", partition=1), {"places"}),
    "two uploads were taken in in the wrong order": (_taken_in_the_wrong_order, {"taken in order"}),
    "two uploads were published in the wrong order": (
        lambda s: s.change("image.uploaded", offset=500),
        {"real time"},
    ),
    "there is a dead letter": (lambda s: s.more.update(letters=[samples.letter()]), {"dead letters"}),
}
