"""One case with everything in it: an item that is held, what the law keeps, a party that fails, and a restart."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.certificate import verify
from libs.common.clock import now
from libs.common.events.privacy import ErasureCompletedV1, HoldAnsweredV1
from services.privacy import casework
from services.privacy.holds.grounds import Ground
from services.privacy.holds.models import Hold
from services.privacy.holds.orders import Wanted
from services.privacy.main import compose
from services.privacy.protocol import HOLDERS
from services.privacy.schemas import CaseOut
from tests.privacy.conftest import KEY, Erasure, Privacy
from tests.privacy.test_cases import report

PROVIDER = "billing.payment-provider"
THE_LAW_LETS_GO = datetime(2033, 11, 24, tzinfo=UTC)
"""A day after `retained_until` of what billing keeps in these tests."""


@pytest.fixture
async def restarted(privacy: Privacy) -> AsyncIterator[Privacy]:
    """Another process of privacy: it knows what is in the database, and nothing else."""
    parts = compose(privacy.settings, privacy.platform)
    yield Privacy(privacy.settings, privacy.platform, parts)
    for close in parts.closing:
        await close()


def answered(
    erasure: Erasure, holder: str, held: dict[str, int] | None = None, hold: UUID | None = None
) -> ErasureCompletedV1:
    """Return a holder's answer. Args: held: what of it is there still, for `hold`, or as nobody can say why."""
    answer = erasure.erasure(holder)
    left = held or {}
    holdings = [
        each.model_copy(
            update={
                "erased": each.erased - left.get(each.holding, 0),
                "held": left.get(each.holding, 0) if hold else 0,
                "holds": [hold] if hold and each.holding in left else [],
            }
        )
        for each in answer.holdings
    ]
    return answer.model_copy(update={"holdings": holdings})


def proven(answer: ErasureCompletedV1) -> ErasureCompletedV1:
    """Return billing's answer with the provider's proof."""
    proof = {"reference": "er_7", "at": now()}
    told = [
        each.model_dump() | ({"proofs": [proof]} if each.holding == PROVIDER else {})
        for each in answer.holdings
    ]
    return ErasureCompletedV1.model_validate(answer.model_dump() | {"holdings": told})


async def held_image(privacy: Privacy, image: UUID | None = None) -> Hold:
    wanted = Wanted(now() + timedelta(days=40), Ground.COURT_ORDER, "staff:1")
    hold = await privacy.service.holds.place_on_item("gallery.images", image or uuid4(), wanted)
    told = HoldAnsweredV1(hold_id=hold.id, holder="gallery", outcome="in-force")
    await privacy.platform.work.run(lambda: privacy.service.holds.effects.note_answer(told))
    return hold


async def test_a_hold_that_is_renewed_while_the_case_waits_is_told_and_certified(privacy: Privacy) -> None:
    erasure, image = Erasure(), {"gallery.images": 1}
    first = await held_image(privacy)
    others = [erasure.erasure(holder) for holder in ("auth", "generation", "billing")]
    await privacy.deliver(erasure.deleted(), *(erasure.inventory(holder) for holder in HOLDERS), *others)
    await privacy.deliver(answered(erasure, "gallery", image, first.id))
    second = await held_image(privacy, first.item_id)
    await privacy.service.holds.release(first.id, "staff:2")
    told = await seen(privacy, erasure)
    assert (told["state"], told["waiting_for"]) == ("ERASING", ["gallery", "privacy"])
    await privacy.deliver(answered(erasure, "gallery", image, second.id))
    told = await seen(privacy, erasure)
    assert (told["state"], told["waiting_for"]) == ("WAITING", ["gallery"])
    assert [each["ended_at"] is None for each in told["held_items"]] == [False, True]

    await privacy.service.holds.release(second.id, "staff:2")
    await privacy.deliver(erasure.erasure("gallery"), erasure.erasure("privacy"))
    await privacy.service.finish_scan(erasure.case_id, 1, report())
    (proof,) = await certificates(privacy, erasure)
    assert len(proof["item_holds"]) == 2


async def seen(privacy: Privacy, erasure: Erasure) -> dict[str, Any]:
    """Return the case as its person sees it."""
    case = await privacy.case(erasure)
    return CaseOut.told(case, await privacy.service.items_of(case)).model_dump(mode="json")


async def certificates(privacy: Privacy, erasure: Erasure) -> list[dict[str, Any]]:
    """Return the case's certificates; each is genuine."""
    rows = await privacy.service.certificates.all_of_case(erasure.case_id)
    for row in rows:
        verdict = verify(row.signed, [KEY.public_key()])
        assert verdict.valid, verdict.checks
    return [json.loads(row.signed) for row in rows]


async def test_the_case_and_its_certificate_tell_the_truth_at_every_stage(
    privacy: Privacy, restarted: Privacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    erasure = Erasure()
    erasure.found["billing"][PROVIDER] = 5
    hold = await held_image(privacy)
    image = {"gallery.images": 1, "gallery.objects": 3}
    await privacy.deliver(erasure.deleted(), *(erasure.inventory(holder) for holder in HOLDERS))

    # The provider fails, and a court holds one image: nothing of it is proven, and nobody says that it is.
    await privacy.deliver(
        erasure.erasure("auth"),
        erasure.erasure("generation"),
        answered(erasure, "gallery", image, hold.id),
        answered(erasure, "billing", {PROVIDER: 5}),
    )
    told = await seen(privacy, erasure)
    assert (told["state"], told["waiting_for"]) == ("INCOMPLETE", ["billing", "privacy"])
    assert await certificates(privacy, erasure) == []
    parts = {part["holder"]: part for part in told["holders"]}
    assert (parts["billing"]["erased"], parts["billing"]["missing"]) == (False, 5)
    assert (parts["gallery"]["erased"], parts["gallery"]["missing"], parts["gallery"]["held"]) == (
        False,
        0,
        4,
    )

    # The process is another one from here on. The provider answers; the image is all that is waited for.
    await restarted.deliver(proven(answered(erasure, "billing")))
    told = await seen(restarted, erasure)
    assert (told["state"], told["waiting_for"]) == ("WAITING", ["gallery"])
    assert [(item["what"], item["ground"], item["ended_at"]) for item in told["held_items"]] == [
        ("an image", "legal-obligation", None)
    ]
    assert await certificates(restarted, erasure) == []

    # The hold ends: gallery erases the image and answers again, then privacy, and everything is read.
    await restarted.service.holds.release(hold.id, "staff:2")
    await restarted.deliver(erasure.erasure("gallery"), erasure.erasure("privacy"))
    assert (await seen(restarted, erasure))["state"] == "SCANNING"
    assert await certificates(restarted, erasure) == []
    await restarted.service.finish_scan(erasure.case_id, 1, report())

    (proof,) = await certificates(restarted, erasure)
    (item,) = proof["item_holds"]
    assert (item["item"], item["ground"]) == ("an image", "legal-obligation")
    assert item["since"] < item["ended_at"] < item["until"]
    holdings = {held["holding"]: held for part in proof["holders"] for held in part["holdings"]}
    assert (holdings["gallery.images"]["found"], holdings["gallery.images"]["erased"]) == (40, 40)
    assert [each["reference"] for each in holdings[PROVIDER]["proofs"]] == ["er_7"]
    kept = holdings["billing.payments"]
    assert (kept["retained"], kept["erased"], kept["retained_until"]) == (5, 0, "2033-11-23")

    # What the law keeps is amended when the law lets go of it, and no sooner, and once.
    for moment, known in (
        (THE_LAW_LETS_GO - timedelta(days=30), 1),
        (THE_LAW_LETS_GO, 2),
        (THE_LAW_LETS_GO, 2),
    ):
        monkeypatch.setattr(casework, "now", lambda at=moment: at)
        await restarted.service.note_retained(erasure.case_id, moment, ("billing.payments",))
        assert len(await certificates(restarted, erasure)) == known
    first, amendment = await certificates(restarted, erasure)
    assert first == proof, "what was certified is not rewritten"
    (gone,) = amendment["removed"]
    assert (gone["holding"], gone["retained"], amendment["still_retained"]) == ("billing.payments", 5, [])
    assert amendment["amends"] == {"sequence": proof["sequence"], "hash": proof["hash"]}
