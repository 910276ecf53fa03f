"""The checker sees: nothing in a right history, and in each wrong one exactly the promise that was broken."""

from collections.abc import Callable

import pytest
from pydantic import SecretStr

from libs.common.blind_index import BlindIndexes
from services.auth.models import EMAIL_INDEX
from tests.chaos.checks import CHECKS
from tests.chaos.checks.resumption import resumptions
from tests.chaos.history import Outcome, digest
from tests.chaos.reading import owners
from tests.chaos.samples import (
    ADA,
    BOB,
    CANCELLED,
    CASE,
    IMAGE,
    at,
    sample,
)
from tests.chaos.wrongs import BROKEN
from tests.chaos.wrongs.changing import down, moment, row
from tests.chaos.wrongs.effects import mailed
from tests.chaos.wrongs.erasure import killed, published_late
from tests.chaos.wrongs.refunding import refund, spend


def test_a_right_history_breaks_no_promise() -> None:
    assert sample().broken() == []


@pytest.mark.parametrize("wrong", BROKEN)
def test_a_wrong_history_breaks_just_that_promise(wrong: str) -> None:
    broken = sample()
    spoil, promises = BROKEN[wrong]
    spoil(broken)
    assert broken.promises() == promises


def test_every_check_is_shown_to_see() -> None:
    seen: set[Callable[..., object]] = set()
    for spoil, _ in BROKEN.values():
        broken = sample()
        spoil(broken)
        truth = broken.truth()
        seen |= {check for check in CHECKS if list(check(truth, broken.history))}
    assert seen == set(CHECKS)


def test_an_unknown_caption_may_have_been_written() -> None:
    one = sample()
    one.did(
        "ada", "caption", 20, outcome=Outcome.UNKNOWN, given={"image_id": IMAGE, "caption": digest("third")}
    )
    assert one.broken() == []
    row(one, "gallery.images", IMAGE, caption="third")
    assert one.broken() == []


def test_what_one_who_left_never_paid_is_not_kept() -> None:
    one, payment = sample(), {"payment_id": "payment-9"}
    one.did("bob", "check-out", 5, given={"key": "buy-9"}, got=payment)
    one.did("bob", "pay-decline", 6, given=payment)
    one.did("bob", "pay-approve", 6, outcome=Outcome.UNKNOWN, given=payment)
    assert one.broken() == []
    one.did("bob", "pay-approve", 7, given=payment)
    assert one.promises() == {"payments"}


def test_a_second_registration_may_be_void_before_its_mail_is_sent() -> None:
    one, more = sample(), {"key": ADA, "body": {"user_id": ADA}}
    one.did("ada", "verify", 1)
    one.repeat("user.registered", topic="mail.requested", id="more", **more)
    assert one.broken() == []


def test_an_account_is_known_by_the_index_of_its_address() -> None:
    env = {"PIXERA_BLIND_INDEX_KEY": "a key of this test's"}
    key = BlindIndexes(SecretStr(env["PIXERA_BLIND_INDEX_KEY"])).of(EMAIL_INDEX, "Ada@Example.org ")
    users = [{"_id": ADA, "email_key": key}, {"_id": BOB, "email_key": "given free"}]
    assert owners(env, ["ada@example.org", "bob@example.org"], users) == {"ada@example.org": ADA}


def test_a_fault_on_the_way_of_a_sign_up_can_keep_everybody_out() -> None:
    one = sample()
    one.amend(0, outcome=Outcome.UNKNOWN)
    one.log += [moment("injected", "cut gallery->mongod", 1), moment("lifted", "cut gallery->mongod", 9)]
    assert one.promises() == {"lived"}
    one.log += down("auth-api", 1, 9)
    assert one.broken() == []


def test_a_wrong_clock_says_nothing_of_the_order_in_which_events_were_taken_in() -> None:
    one, (spoil, _) = sample(), BROKEN["two uploads were taken in in the wrong order"]
    spoil(one)
    one.log += [moment("injected", "clock auth-worker", 1), moment("lifted", "clock auth-worker", 3)]
    assert one.promises() == {"taken in order"}
    one.log += [moment("injected", "clock gallery-worker", 1), moment("lifted", "clock gallery-worker", 3)]
    assert one.broken() == []


def test_an_event_that_comes_again_behind_the_next_one_was_taken_in_before_it() -> None:
    one = sample()
    row(one, "gallery.inbox", f"gallery.make-thumbnails:image.uploaded-{IMAGE}", at=at(1.9))
    one.repeat("image.uploaded")
    assert one.broken() == []


def test_a_refund_takes_back_what_is_there() -> None:
    for spent, taken in ((0, 100), (100, 9), (109, 0)):
        one = sample()
        refund(one, taken)
        spend(one, spent, 9.2)
        assert one.broken() == []


def test_a_wrong_clock_does_not_say_what_was_there_when_a_payment_was_refunded() -> None:
    one = sample()
    refund(one, 9)
    one.log += [moment("injected", "clock billing-api", 1), moment("lifted", "clock billing-api", 3)]
    assert one.broken() == []


def test_a_thumbnail_may_outlive_its_image_where_something_broke_while_it_was_stored() -> None:
    one, (spoil, _) = sample(), BROKEN["a deleted image has a thumbnail"]
    spoil(one)
    one.log += down("gallery-worker", 1, 2)
    assert one.broken() == []
    spoil, _ = BROKEN["a deleted image has a file"]
    spoil(one)
    assert one.promises() == {"removed-images"}


def test_a_caption_that_was_not_answered_may_be_told_or_not() -> None:
    one = sample()
    one.did("ada", "caption", 20, outcome=Outcome.UNKNOWN, given={"image_id": IMAGE, "caption": digest("x")})
    assert one.broken() == []
    one.repeat("image.captioned", id="another")
    assert one.broken() == []


def test_an_event_may_be_published_twice_under_its_own_id() -> None:
    one = sample()
    one.repeat("image.ready")
    assert one.broken() == []


def test_what_is_unknown_may_have_had_no_effect() -> None:
    one = sample()
    unknown = {"outcome": Outcome.UNKNOWN, "arguments": "pixels-8"}
    one.did("ada", "upload", 20, given={"image_id": "image-8", "caption": ""}, **unknown)
    one.did("ada", "delete-image", 21, given={"image_id": IMAGE}, outcome=Outcome.UNKNOWN)
    assert one.broken() == []


def test_an_interrupted_mail_worker_excuses_a_second_mail() -> None:
    one = sample()
    mailed(one, 3)
    one.log += down("auth-worker", 1, 2)
    assert one.broken() == []


def test_what_was_slowed_down_may_commit_behind_the_fence() -> None:
    one = sample()
    published_late(one, 14, "freeze gallery-api")
    assert one.broken() == []


def test_a_transaction_grows_no_older_while_the_database_stands_still() -> None:
    one = sample()
    published_late(one, 21.5, "freeze mongod")
    assert one.broken() == []


@pytest.mark.parametrize("offset_s", [-600, 600])
def test_a_wrong_clock_explains_what_it_stamped(offset_s: int) -> None:
    one = sample()
    if offset_s > 0:  # it published in time, and said later
        published_late(one, 11 + offset_s, "clock gallery-api", f"offset_s={offset_s}")
    else:  # it had not erased yet, and said that it had
        one.change("erasure.completed", time=at(12 + offset_s))
        published_late(one, 10)
        one.log += [moment("injected", "clock gallery-worker", 9, f"offset_s={offset_s}")]
        one.log += [moment("lifted", "clock gallery-worker", 13)]
    assert one.broken() == []


def test_a_resumption_is_measured_from_when_the_last_fault_is_felt_no_more() -> None:
    one = sample()
    killed(one, back_s=-11)
    (found,) = resumptions(one.truth())
    assert (found.step.case_id, found.step.service, found.step.what) == (CASE, "gallery", "erasure")
    assert found.after_s == pytest.approx(11)
    assert not found.hindered
    one.log += down("mongod", 12, 20)
    assert one.broken() == []
    (found,) = resumptions(one.truth())
    assert found.after_s == pytest.approx(2)
    assert found.hindered


def test_a_resumption_is_not_measured_while_another_fault_stands() -> None:
    one = sample()
    killed(one, back_s=-19)
    one.log += [moment("injected", "cut gallery->mongod", 14), moment("lifted", "cut gallery->mongod", 50)]
    assert one.broken() == []
    assert [found.after_s for found in resumptions(one.truth())] == [None]


def test_a_step_that_went_on_in_time_is_none_too_late() -> None:
    one = sample()
    killed(one, back_s=-1)
    assert one.broken() == []
    assert [found.after_s for found in resumptions(one.truth())] == [pytest.approx(1)]


def test_cancelled_before_its_credits_were_set_aside_is_settled() -> None:
    one = sample()
    for name in ("reserved-2", "release"):
        one.rows["billing.ledger_entries"].pop(name)
    row(one, "billing.reservations", CANCELLED, state="void")
    one.drop("credits.reserved", job_id=CANCELLED)
    one.drop("credits.released", job_id=CANCELLED)
    assert one.broken() == []
