"""The data map is made of the declarations, and has all of them."""

import json

from libs.common.events import event_classes
from libs.common.privacy.annotations import TAX
from libs.common.privacy.data_map import ScanTarget, data_map, scan_map
from libs.common.privacy.data_map_page import markdown
from tests.common.privacy.studio import HOLDINGS


def test_every_personal_field_is_on_the_map() -> None:
    record = json.loads(json.dumps(data_map([HOLDINGS])))
    fields = {each["holding"]: {field["field"] for field in each["fields"]} for each in record["holdings"]}
    for holding in HOLDINGS.collections:
        assert fields[HOLDINGS.name_of(holding)] == set(holding.personal)
    assert "gallery.files" in fields
    assert record["about_nobody"] == {"gallery": ["counters"]}
    assert [each["event"] for each in record["events"]] == [event.type_name() for event in event_classes()]


def test_the_map_says_why_how_long_and_what_becomes_of_it() -> None:
    record = data_map([HOLDINGS])
    receipts = next(each for each in record["holdings"] if each["holding"] == "gallery.receipts")
    by_path = {field["field"]: field for field in receipts["fields"]}
    assert "tax-law" in receipts["erasure"]
    assert by_path["amount"] == {
        "field": "amount",
        "category": "user.payment",
        "purpose": "payment",
        "basis": "legal_obligation",
        "kept": TAX.name,
        "at_erasure": "kept under the random id",
        "recipients": ["hosting"],
    }
    assert by_path["name"]["at_erasure"] == "removed"
    assert by_path["user_id"]["at_erasure"] == "replaced by a random id"


def test_the_tombstone_is_on_the_map_too() -> None:
    kept, _ = data_map([HOLDINGS])["kept_by_every_service"]
    assert [field["field"] for field in kept["fields"]] == ["_id"]


def test_the_page_has_every_holding() -> None:
    page = markdown(data_map([HOLDINGS]))
    assert all(f"## {HOLDINGS.name_of(holding)}\n" in page for holding in HOLDINGS.all)


def test_the_scanner_is_told_where_people_are() -> None:
    targets = scan_map([HOLDINGS])
    assert ScanTarget("gallery", "accounts", "_id", "delete") in targets
    assert ScanTarget("gallery", "receipts", "user_id", "pseudonymise") in targets
    assert ScanTarget("vault", "keys", "keyAltNames", "destroy") in targets
    assert len(targets) == len(HOLDINGS.collections) + len(HOLDINGS.keys)
