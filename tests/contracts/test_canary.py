"""A made-up new holding in a copy of a service: what follows from its declaration, and that nothing passes without.

Nothing runs here but the build's own check, `python -m contracts`. Shown are that check, the record of processing in
its three forms, where the scanner looks, the periods that the retention sweep goes by, and that inventory and erasure
go through the holding and find its rows by their person. Not shown is that rows of it are counted, exported, swept
and gone: that needs the stores, where no canary is put; `tests/common/privacy` shows it of every kind of holding.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.privacy.scan_map import Sort, load

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COPIED, LINKED = ("contracts", "docs", "services"), ("cli", "deploy", "libs", "tests")
HOLDING = "gallery.canaries"
WORD = '    song: Annotated[str, Personal("user.content.private", retention=MONTH)]\n'
CLASS = f'''

from libs.common.privacy.annotations import MONTH


class Canary(Document):
    """What a made-up part of the gallery stores of people."""

    collection: ClassVar[str] = "canaries"
    indexes: ClassVar[tuple[Index, ...]] = (Index((("user_id", 1),)),)

    id: Operational[UUID] = Field(alias="_id")
    user_id: SubjectId
{WORD}    perch: Annotated[str | None, Personal("user.location", retention=DAY)] = None
    created_at: Operational[datetime]
'''
DECLARED = "collections=(", "CollectionHolding(Canary)"
DENIED = 'HOLDINGS = Holdings(\n    "gallery",', "\n    operational=(Canary,)"
ASKED = f"""
import json
from uuid import UUID
from services.gallery.privacy import HOLDINGS
(held,) = (each for each in HOLDINGS.all if HOLDINGS.name_of(each) == "{HOLDING}")
print(json.dumps({{
    "row": held.row_retention.period.days,
    "fields": {{path: kept.period.days for path, kept in held.field_retentions.items()}},
    "found_by": list(held.of(UUID(int=7))),
}}))
"""


class Copy:
    """The repository, with a gallery of its own that can be changed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        for name in COPIED:
            shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__", "images"))
        for name in LINKED:
            (home / name).symlink_to(ROOT / name)

    def stores(self, document: str) -> None:
        """Add a class to what the gallery stores."""
        with (self.home / "services/gallery/models.py").open("a") as models:
            models.write(document)

    def declares(self, place: str, holding: str) -> None:
        """Add that class to what the gallery declares. Args: place: what to write it after."""
        path = self.home / "services/gallery/privacy.py"
        text = path.read_text().replace("import Image,", "import Canary, Image,")
        path.write_text(text.replace(place, f"{place}{holding}, "))

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run what is in the copy, and no byte of the original's."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.home,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
            capture_output=True,
            text=True,
            timeout=100,
        )

    def checked(self) -> subprocess.CompletedProcess[str]:
        """Hold the contracts to the code, as `make check` does."""
        return self.python("-m", "contracts", "--check")

    def record(self) -> dict[str, Any]:
        """Return the data map of the copy."""
        record: dict[str, Any] = json.loads((self.home / "contracts/data-map.json").read_text())
        return record


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_everything_follows_from_its_declaration_alone(copy: Copy) -> None:
    copy.stores(CLASS)
    copy.declares(*DECLARED)
    unwritten = copy.checked()
    assert (unwritten.returncode, "contracts/data-map.json" in unwritten.stdout) == (1, True), unwritten
    written = copy.python("-m", "contracts")
    assert written.returncode == 0, written
    held_in_the_record(copy)
    assert load(copy.home / "contracts/data-map.json").sort_of("gallery", "canaries") is Sort.OF_PEOPLE
    answer = json.loads(copy.python("-c", ASKED).stdout)
    assert answer == {"row": 30, "fields": {"perch": 1}, "found_by": ["user_id"]}


def held_in_the_record(copy: Copy) -> None:
    """The record has each personal field with its category and period, in every form."""
    (held,) = (each for each in copy.record()["holdings"] if each["holding"] == HOLDING)
    fields = {each["field"]: (each["category"], each["kept"], each["at_erasure"]) for each in held["fields"]}
    assert fields == {
        "user_id": ("user.unique_id", "until the account is erased", "deleted"),
        "song": ("user.content.private", "30 days", "deleted"),
        "perch": ("user.location", "one day", "deleted"),
    }
    assert f"## {HOLDING}\n" in (copy.home / "contracts/data-map.md").read_text()
    datasets = yaml.safe_load((copy.home / "contracts/data-map.fides.yml").read_text())["dataset"]
    assert HOLDING in {each["name"] for dataset in datasets for each in dataset["collections"]}


def test_a_holding_that_is_not_declared_fails_the_build(copy: Copy) -> None:
    copy.stores(CLASS)
    refused = copy.checked()
    assert refused.returncode == 1
    assert (
        "Canary (collection canaries) is stored and not declared: add CollectionHolding(Canary)"
        in refused.stdout
    )


def test_a_field_that_says_nothing_of_itself_fails_the_build(copy: Copy) -> None:
    copy.stores(CLASS.replace(WORD, "    song: str\n"))
    copy.declares(*DECLARED)
    refused = copy.checked()
    assert refused.returncode == 1
    assert "services.gallery.models.Canary.song does not say whether it is personal" in refused.stderr


def test_a_holding_that_hides_behind_being_about_nobody_fails_the_build(copy: Copy) -> None:
    copy.stores(CLASS)
    copy.declares(*DENIED)
    refused = copy.checked()
    assert refused.returncode == 1
    assert (
        "Canary is said to be about nobody and has personal fields (perch, song, user_id)" in refused.stdout
    )


def test_the_original_has_no_canary_and_its_scanner_would_name_one(copy: Copy) -> None:
    assert load(copy.home / "contracts/data-map.json").sort_of("gallery", "canaries") is Sort.UNKNOWN
    assert copy.checked().returncode == 0


def test_the_build_makes_this_check() -> None:
    (recipe,) = (part for part in (ROOT / "Makefile").read_text().split("\n\n") if part.startswith("check:"))
    assert "-m contracts --check" in recipe
