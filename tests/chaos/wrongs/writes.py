"""Writes that were acknowledged, and are not there."""

from tests.chaos.history import Outcome
from tests.chaos.samples import ADA, CYD, DRAWN, GONE_IMAGE, IMAGE, JOB, PREFIX, Sample
from tests.chaos.truth import Stored
from tests.chaos.wrongs.changing import Broken, row


def _store(one: Sample, image: str, **fields: object) -> None:
    name = f"{PREFIX}/{image}/original"
    known = one.objects[name]
    one.objects[name] = Stored(**{**vars(known), **fields})


def _registered_in_vain(one: Sample) -> None:
    """Lose a registration with all that came of it."""
    one.rows["auth.users"].pop(CYD)
    one.drop("user.registered", user_id=CYD)
    one.mails.pop()


def _half_deleted(one: Sample) -> None:
    one.amend(5, outcome=Outcome.UNKNOWN)
    one.objects[f"{PREFIX}/{GONE_IMAGE}/original"] = Stored(1, "d", "p", "PNG")


BROKEN: Broken = {
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
}
