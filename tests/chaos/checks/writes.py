"""Every acknowledged write is there, whole; what was unknown is there whole, or not at all."""

from collections.abc import Iterator

from tests.chaos.history import Operation, Record, digest
from tests.chaos.model import Violation
from tests.chaos.standing import troubles
from tests.chaos.truth import GALLERY, Row, Stored, Truth

PARTS = ("original", "small", "large")


def lived(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold somebody to have signed in: a seed in which nobody could says nothing. A fault can keep everybody out."""
    kept_out = any(each.concerns(*SIGNING_UP) for each in troubles(truth.log))
    if not kept_out and not any(each.ok for each in history.of("sign-in")):
        yield Violation("lived", "everybody", "nobody signed in, and no fault stood in the way")


def accounts(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold every account to be as its person was told last, unless its deletion may have been taken in."""
    users = truth.by_id("auth.users")
    for person in history.people.values():
        user_id, told = truth.id_of(person), _told_last(history, person.name)
        if not told or truth.is_leaving(user_id):
            continue
        found = users[user_id]["status"] if user_id in users else "nothing"
        if found not in STANDS[told]:
            yield Violation("accounts", user_id or person.name, f"{told} was acknowledged, and is {found}")


def deletions(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold deleted accounts to be leaving, and nobody to have signed in to one again."""
    for operation in history.of("delete-account"):
        user_id = history.people[operation.who].user_id
        if not operation.ok:
            continue
        if truth.leaving.get(user_id) != operation.got["case_id"]:
            yield Violation(
                "deletions", user_id, f"acknowledged as {operation.got['case_id']}, not announced"
            )
        for later in history.of("sign-in", "refresh"):
            if later.who == operation.who and later.ok and later.invoked > operation.returned:
                yield Violation("deletions", user_id, f"{later.what} worked after the deletion")


def images(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold every uploaded image to be there with what it shows, unless it was deleted or its person left."""
    rows, deleted = truth.by_id("gallery.images"), _deleted(history)
    for operation in history.of("upload"):
        image_id, user_id = operation.given["image_id"], history.people[operation.who].user_id
        if not operation.ok or image_id in deleted or truth.is_leaving(user_id):
            continue
        if image_id not in rows:
            yield Violation("images", image_id, "was acknowledged, and has no row")
            continue
        found = _part(truth, rows[image_id], "original")
        if found is not None and found.pixels != operation.arguments:
            yield Violation("images", image_id, "does not show what was sent")


def files(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold every image to be whole: its file, of the size that its row says, and both thumbnails."""
    for row in truth.of("gallery.images"):
        if truth.is_leaving(row["user_id"]):
            continue
        missing = [part for part in PARTS if (found := _part(truth, row, part)) is None or not found.pixels]
        if missing:
            yield Violation("files", str(row["_id"]), f"is {row['state']}, without {', '.join(missing)}")
        original = _part(truth, row, "original")
        if original is not None and original.size != row["size_bytes"]:
            yield Violation("files", str(row["_id"]), f"has {original.size} bytes, not {row['size_bytes']}")


def downloads(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold every file to be, byte for byte, what was downloaded before."""
    rows = truth.by_id("gallery.images")
    for operation in history.of("download"):
        row = rows.get(operation.given["image_id"])
        found = _part(truth, row, "original") if row else None
        if found is not None and found.digest != operation.arguments:
            yield Violation("downloads", operation.given["image_id"], "has other bytes than were downloaded")


def removed_images(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold deleted images to be gone: row, file and thumbnails.

    A thumbnail waits for the sweep of orphans that a dying worker left, or that was stored behind the deletion.
    """
    rows, objects = truth.by_id("gallery.images"), truth.objects.get(GALLERY, {})
    disturbed = any(each.concerns(*STORING_THUMBNAILS) for each in troubles(truth.log))
    for image_id, user_id in sorted(_removed(truth, history).items()):
        left = [part for part in PARTS if f"{truth.locators.get(user_id)}/{image_id}/{part}" in objects]
        if image_id in rows:
            yield Violation("removed-images", image_id, "was deleted, and its row is there")
        elif "original" in left or (left and not disturbed):
            yield Violation("removed-images", image_id, f"was deleted, and there is its {', '.join(left)}")


def captions(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold a caption to be the last one acknowledged, or one whose fate is unknown: that may come at any time."""
    written: dict[str, list[Operation]] = {}
    for operation in history.of("upload", "caption"):
        written.setdefault(operation.given["image_id"], []).append(operation)
    for image_id, row in truth.by_id("gallery.images").items():
        writes = written.get(image_id, [])
        acknowledged = [each.given["caption"] for each in writes if each.ok][-1:]
        unknown = [each.given["caption"] for each in writes if each.possible and not each.ok]
        found = digest(row["caption"]) if row.get("caption") else ""
        if acknowledged and found not in acknowledged + unknown:
            yield Violation("captions", image_id, "is not what was written last")


def jobs(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold every job to be there and at its end; a cancelled one cancelled; a key to have made one job."""
    rows, by_key = truth.by_id("generation.jobs"), dict[str, str]()
    for operation in history.of("generate", "retry", "cancel"):
        if not operation.ok or truth.is_leaving(history.people[operation.who].user_id):
            continue
        job_id = operation.got.get("job_id") or operation.got.get("new_job_id") or operation.given["job_id"]
        state = rows[job_id]["state"] if job_id in rows else "absent"
        if state not in ("completed", "failed", "cancelled", "declined"):
            yield Violation("jobs", job_id, f"was acknowledged, and is {state}")
        elif operation.what == "cancel" and state != "cancelled":
            yield Violation("jobs", job_id, f"was cancelled, and is {state}")
        if operation.what == "generate" and by_key.setdefault(operation.given["key"], job_id) != job_id:
            yield Violation("jobs", job_id, f"came of the same key as {by_key[operation.given['key']]}")


def payments(truth: Truth, history: Record) -> Iterator[Violation]:
    """Hold every purchase to be there, and paid where the provider says that it is, pseudonymised or not.

    What somebody who left never paid is not kept: the law asks for it no more than they do.
    """
    rows, approved = truth.by_id("billing.payments"), _approved(history)
    for operation in history.of("check-out"):
        if not operation.ok or (payment_id := operation.got["payment_id"]) in rows:
            continue
        if payment_id in approved or not truth.is_leaving(history.people[operation.who].user_id):
            yield Violation("payments", payment_id, "was acknowledged, and is not there")
    for checkout in truth.of("pay.checkouts"):
        payment_id, expected = str(checkout["payment_id"]), PAID.get(checkout["state"])
        state = rows[payment_id]["state"] if payment_id in rows else "absent"
        if expected and state not in expected:
            yield Violation(
                "payments", payment_id, f"is {checkout['state']} at the provider, and {state} here"
            )


STORING_THUMBNAILS = ("gallery-worker", "gallery->mongod", "gallery->s3", "mongod", "s3")
"""What can break between a thumbnail and the second look at whether its image is there."""

SIGNING_UP = ("auth-", "envoy", "kafka", "mongod")
"""What a sign-up goes through."""

STANDS = {"sign-in": ("active",), "verify": ("active",), "register": ("unverified", "active")}
"""What an account is, by what its person was told last. A verification may have worked whose answer was lost."""

PAID = {"paid": ("completed",), "refunded": ("refunded",)}
"""What a payment is here, by what its checkout is at the provider."""

CHECKS = (lived, accounts, deletions, images, files, downloads, removed_images, captions, jobs, payments)


def _told_last(history: Record, who: str) -> str:
    """Return how far somebody was told to have got; nothing where nothing was acknowledged."""
    acknowledged = {each.what for each in history.of(*STANDS) if each.who == who and each.ok}
    return next((what for what in STANDS if what in acknowledged), "")


def _removed(truth: Truth, history: Record) -> dict[str, str]:
    """Return the images whose deletion was acknowledged, or told, by whose they were."""
    acknowledged = {
        each.given["image_id"]: history.people[each.who].user_id
        for each in history.of("delete-image")
        if each.ok
    }
    told = {event.get("image_id"): event.get("user_id") for event in truth.told("image.deleted")}
    return acknowledged | told


def _deleted(history: Record) -> set[str]:
    return {each.given["image_id"] for each in history.of("delete-image") if each.possible}


def _approved(history: Record) -> set[str]:
    paid = history.of("pay-approve", "pay-approve-later")
    return {each.given["payment_id"] for each in paid if each.ok}


def _part(truth: Truth, row: Row, part: str) -> Stored | None:
    name = f"{truth.locators.get(str(row['user_id']))}/{row['_id']}/{part}"
    return truth.objects.get(GALLERY, {}).get(name)
