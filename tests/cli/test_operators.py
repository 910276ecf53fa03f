"""The operators' commands against the running service."""

import base64
import json
import secrets
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from deploy.local.spawn import RunningStack
from libs.common.clock import now
from services.privacy.protocol import HOLDERS
from tests.cli.conftest import answering, pixera
from tests.privacy.conftest import Erasure, Privacy
from tests.privacy.test_cases import report

pytestmark = pytest.mark.slow


async def verified(privacy: Privacy) -> Erasure:
    erasure = Erasure()
    await privacy.deliver(*erasure.honest_story())
    await privacy.service.finish_scan(erasure.case_id, 1, report())
    return erasure


async def test_a_certificate_is_checked_with_the_platforms_keys(
    privacy: Privacy, api: dict[str, str], tmp_path: Path
) -> None:
    erasure = await verified(privacy)
    file = tmp_path / "certificate.json"
    file.write_bytes(await privacy.service.certificates.of_case(erasure.case_id))
    assert (await pixera("certificate", "verify", str(file), **api)).code == 0
    assert (await pixera("certificate", "verify", str(file), "--url", api["PIXERA_URL"])).code == 0


async def test_the_chain_is_checked(privacy: Privacy, api: dict[str, str]) -> None:
    for _ in range(3):
        await verified(privacy)
    ran = await pixera("certificate", "chain", **api)
    assert ran.code == 0, ran.err
    assert "in a row" in ran.out
    told = json.loads((await pixera("certificate", "chain", "--json", **api)).out)
    assert told["valid"] is True
    assert told["certificates"] >= 3


async def test_erasures_are_listed_shown_and_sent_again(privacy: Privacy, api: dict[str, str]) -> None:
    erasure = Erasure()
    await privacy.deliver(erasure.deleted(), *(erasure.inventory(holder) for holder in HOLDERS))
    listed = await pixera("erasure", "list", **api)
    assert listed.code == 0, listed.err
    assert str(erasure.case_id) in listed.out
    as_json = json.loads((await pixera("erasure", "list", "--json", "--limit", "1", **api)).out)
    assert len(as_json) == 1
    shown = await pixera("erasure", "show", str(erasure.case_id), **api)
    assert "gallery.images" in shown.out
    assert "erasure-requested" in shown.out
    again = await pixera("erasure", "resend", str(erasure.case_id), "--json", **api)
    assert json.loads(again.out)["attempt"] == 2
    absent = await pixera("erasure", "show", "00000000-0000-0000-0000-000000000000", **api)
    assert (absent.code, absent.out) == (2, "")


async def test_an_erasure_is_held_until_a_day_is_over_and_released_by_two_operators(
    privacy: Privacy, api: dict[str, str]
) -> None:
    erasure = Erasure()
    await privacy.deliver(erasure.deleted())
    case, day = str(erasure.case_id), (now() + timedelta(days=10)).date()
    until = ("--until", str(day), "--ground", "legal-claim")
    asked = await pixera("erasure", "hold", case, *until, "--json", **api)
    assert asked.code == 0, asked.err
    hold = json.loads(asked.out)
    assert (hold["state"], hold["until"]) == ("unconfirmed", f"{day + timedelta(days=1)}T00:00:00Z")
    alone = await pixera("hold", "confirm", hold["id"], **api)
    assert (alone.code, alone.out) == (1, "")
    assert "Another operator" in alone.err
    early = await pixera("erasure", "release", case, **api)
    assert (early.code, early.out) == (1, "")

    await privacy.service.holds.confirm(UUID(hold["id"]), "staff:another")
    listed = await pixera("erasure", "list", "--open", **api)
    assert "the hold's end" in listed.out
    assert "due in 3" in listed.out or "due in 2" in listed.out  # a month has 28 to 31 days
    shown = await pixera("erasure", "show", case, **api)
    assert "held-by-operator" in shown.out
    held = await pixera("hold", "list", "--open", **api)
    assert hold["id"] in held.out

    released = await pixera("erasure", "release", case, **api)
    assert released.code == 0, released.err
    assert f"pixera hold confirm {hold['id']}" in " ".join(released.out.split())
    await privacy.service.holds.confirm(UUID(hold["id"]), "staff:another")
    twice = await pixera("hold", "release", hold["id"], **api)
    assert (twice.code, twice.out) == (1, "")
    assert "not in force" in twice.err


async def test_a_hold_that_is_refused_or_makes_no_sense_is_not_a_success(
    privacy: Privacy, api: dict[str, str]
) -> None:
    erasure = Erasure()
    await privacy.deliver(erasure.deleted(), *(erasure.inventory(holder) for holder in HOLDERS))
    order = ["erasure", "hold", str(erasure.case_id), "--ground", "legal-claim", "--until"]
    late = await pixera(*order, str((now() + timedelta(days=1)).date()), **api)
    assert (late.code, late.out) == (1, "")
    assert "cannot be called back" in late.err
    for until in ("2020-01-01", "soon"):
        assert (await pixera(*order, until, **api)).code == 2
    absent = ("gallery.sessions", str(uuid4()), "--ground", "legal-claim", "--until", "2027-01-01")
    assert (await pixera("hold", "place", *absent, **api)).code == 2


async def test_without_the_staff_password_nothing_is_shown(api: dict[str, str], tmp_path: Path) -> None:
    without = {name: value for name, value in api.items() if name != "PIXERA_STAFF_PASSWORD"}
    nobody = await pixera("erasure", "list", PIXERA_HOME=str(tmp_path), **without)
    assert (nobody.code, nobody.out) == (2, "")
    assert "PIXERA_STAFF_PASSWORD" in nobody.err
    wrong = await pixera("erasure", "list", **without, PIXERA_STAFF_PASSWORD="wrong")
    assert (wrong.code, wrong.out) == (2, "")
    for folder in ("secrets", "run"):
        (tmp_path / folder).mkdir()
    (tmp_path / "secrets" / "PIXERA_STAFF_PASSWORD").write_text(api["PIXERA_STAFF_PASSWORD"])
    assert (await pixera("erasure", "list", PIXERA_HOME=str(tmp_path), **without)).code == 2, "whose is it?"
    (tmp_path / "run" / "stack.json").write_text(json.dumps({"gateway": api["PIXERA_URL"]}))
    assert (await pixera("erasure", "list", PIXERA_HOME=str(tmp_path), **without)).code == 0


async def test_mail(stack: RunningStack) -> None:
    desk = f"http://127.0.0.1:{stack.ports['desk']}"
    mail = await pixera("mail", "--json", PIXERA_URL=desk)
    assert mail.code == 0, mail.err
    assert isinstance(json.loads(mail.out), list)
    assert (await pixera("mail", PIXERA_URL=desk)).code == 0
    assert (await pixera("mail", PIXERA_URL="http://127.0.0.1:9")).code == 2


async def test_the_keys_that_sign_are_among_those_that_are_published(api: dict[str, str]) -> None:
    listed = await pixera("keys", "list", "--json", **api)
    assert listed.code == 0, listed.err
    keys = json.loads(listed.out)
    assert [key["use"] for key in keys] == ["signs", "signs", "wraps"]
    assert all(key["well"] for key in keys)
    steps = json.loads((await pixera("keys", "rotate", "--json")).out)["steps"]
    assert any("PIXERA_TOKEN_PREVIOUS_KEYS" in step for step in steps)


async def test_the_keys_of_people_are_wrapped_by_a_new_master(privacy: Privacy) -> None:
    old = privacy.settings.vault_master_key
    assert old is not None
    new = base64.b64encode(secrets.token_bytes(96)).decode()
    people = [uuid4() for _ in range(3)]
    for person in people:
        await privacy.platform.sealing.seal(person, ["her words"])
    both = SecretStr(f"{new},{old.get_secret_value()}")
    async with answering(privacy, vault_master_key=both) as api:
        waiting = await pixera("keys", "list", **api)
        assert waiting.code == 1
        assert "3 wait for" in waiting.out
        rotated = await pixera("keys", "rotate", "--master", "--json", **api)
        assert rotated.code == 0, rotated.err
        assert json.loads(rotated.out)["rewrapped"] == 3
        assert (await pixera("keys", "list", **api)).code == 0
        again = await pixera("keys", "rotate", "--master", **api)
        assert "0 were wrapped anew" in again.out
    async with answering(privacy, vault_master_key=old) as api:
        unknown = await pixera("keys", "rotate", "--master", **api)
        assert (unknown.code, unknown.out) == (1, "")
        assert "master" in unknown.err
