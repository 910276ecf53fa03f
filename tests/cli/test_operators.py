"""The operators' commands against the running service."""

import json
from pathlib import Path

from deploy.local.spawn import RunningStack
from services.privacy.protocol import HOLDERS
from tests.cli.conftest import pixera
from tests.privacy.conftest import Erasure, Privacy
from tests.privacy.test_cases import report


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


async def test_without_the_staff_password_nothing_is_shown(api: dict[str, str], tmp_path: Path) -> None:
    without = {name: value for name, value in api.items() if name != "PIXERA_STAFF_PASSWORD"}
    nobody = await pixera("erasure", "list", PIXERA_HOME=str(tmp_path), **without)
    assert (nobody.code, nobody.out) == (2, "")
    assert "PIXERA_STAFF_PASSWORD" in nobody.err
    wrong = await pixera("erasure", "list", **without, PIXERA_STAFF_PASSWORD="wrong")
    assert (wrong.code, wrong.out) == (2, "")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "PIXERA_STAFF_PASSWORD").write_text(api["PIXERA_STAFF_PASSWORD"])
    assert (await pixera("erasure", "list", PIXERA_HOME=str(tmp_path), **without)).code == 0


async def test_mail_and_status(stack: RunningStack, tmp_path: Path) -> None:
    desk = f"http://127.0.0.1:{stack.ports['desk']}"
    mail = await pixera("mail", "--json", PIXERA_URL=desk)
    assert mail.code == 0, mail.err
    assert isinstance(json.loads(mail.out), list)
    assert (await pixera("mail", PIXERA_URL=desk)).code == 0
    assert (await pixera("mail", PIXERA_URL="http://127.0.0.1:9")).code == 2
    down = await pixera("status", "--json", PIXERA_HOME=str(tmp_path), PIXERA_URL="http://127.0.0.1:9")
    assert down.code == 1
    assert json.loads(down.out)["gateway"]["ready"] is False
