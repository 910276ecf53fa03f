"""An archive by itself: what lies in it, and that its pages are safe to open anywhere."""

import hashlib
import io
import re
import zipfile
from datetime import UTC, datetime

import orjson
import pytest

from contracts.data_map import all_holdings
from libs.common.exporting.records import FileHead, HoldingHead, Kind, Record
from libs.common.exporting.segments import Stored
from services.privacy.exports.archive import MANIFEST, ZipArchive
from services.privacy.exports.binding import CARDS_A_PAGE, ROWS_A_PAGE, Binder
from services.privacy.exports.pages import words
from services.privacy.policies.texts import LANGUAGES

MOMENT = datetime(2026, 11, 26, 19, tzinfo=UTC)
HEAD = HoldingHead(
    holding="gallery.images", json_schema={"type": "array"}, categories={"caption": "user.content.private"}
)
WICKED = '<script>alert(1)</script><img src="https://evil.example/x">'
OUTSIDE = re.compile(
    rb"""(?:src|href|action)\s*=\s*["']?\s*(?:[a-z]+:|//)|url\(|@import|<script""", re.IGNORECASE
)


class Memory:
    """Takes an archive in."""

    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, data: bytes) -> None:
        self.data += data

    async def end(self) -> Stored:
        return Stored(1, len(self.data), hashlib.sha256(self.data).hexdigest())


def row(number: int, caption: str = "sea") -> Record:
    return Record(Kind.ROW, orjson.dumps({"_id": str(number), "caption": caption}))


def image(number: int, name: str, caption: str | None = "sea") -> list[Record]:
    head = FileHead(
        holding="gallery.image-objects",
        path=f"{number}/{name}",
        media_type="image/webp",
        caption=caption,
    )
    return [Record(Kind.FILE, head.model_dump_json().encode()), Record(Kind.DATA, name.encode())]


async def bound(*given: Record) -> zipfile.ZipFile:
    memory = Memory()
    archive = ZipArchive(memory, MOMENT)
    binder = Binder(archive, MOMENT)
    for record in given:
        await binder.take(record)
    await binder.end_part()
    await binder.end()
    files, stored = await archive.end()
    read = zipfile.ZipFile(io.BytesIO(bytes(memory.data)))
    assert (read.testzip(), len(read.namelist()), stored.size) == (None, files, len(memory.data))
    return read


HOLDING = Record(Kind.HOLDING, HEAD.model_dump_json().encode())


async def test_the_manifest_has_every_file_and_its_hash() -> None:
    read = await bound(HOLDING, row(1), *image(1, "original.webp"), *image(1, "small.webp"))
    listed = {each["path"]: each["sha256"] for each in orjson.loads(read.read(MANIFEST))["files"]}
    assert listed == {
        name: hashlib.sha256(read.read(name)).hexdigest() for name in read.namelist() if name != MANIFEST
    }
    assert len(listed) == len(set(read.namelist())) - 1


async def test_pages_are_in_every_language_and_need_nothing_from_outside() -> None:
    read = await bound(HOLDING, row(1, WICKED), *image(1, "original.webp", WICKED))
    pages = [name for name in read.namelist() if name.endswith(".html")]
    assert len(pages) == 3 * len(LANGUAGES)
    for name in pages:
        page = read.read(name)
        assert not OUTSIDE.search(page), (name, OUTSIDE.search(page))
        assert b"&lt;script&gt;" in page or "index" in name
        links = re.findall(r'(?:href|src)="([^"]+)"', page.decode())
        home = name.rpartition("/")[0]
        reached = {_resolved(home, link) for link in links}
        assert reached <= set(read.namelist()), (name, reached - set(read.namelist()))


def _resolved(home: str, link: str) -> str:
    parts = home.split("/") if home else []
    for step in link.split("/"):
        parts = parts[:-1] if step == ".." else [*parts, step]
    return "/".join(parts)


@pytest.mark.parametrize(
    ("rows", "files"), [(ROWS_A_PAGE, 1), (ROWS_A_PAGE + 1, 2), (2 * ROWS_A_PAGE + 1, 3)]
)
async def test_many_rows_are_several_files_and_none_is_lost(rows: int, files: int) -> None:
    read = await bound(HOLDING, *(row(number) for number in range(rows)))
    data = [name for name in read.namelist() if name.startswith("data/") and "schema" not in name]
    assert len(data) == files
    ids = [each["_id"] for name in data for each in orjson.loads(read.read(name))]
    assert ids == [str(number) for number in range(rows)]


async def test_many_images_are_several_pages_with_all_copies_of_one_on_one() -> None:
    records = [
        each
        for number in range(CARDS_A_PAGE + 1)
        for size in ("original.webp", "small.webp")
        for each in image(number, size)
    ]
    read = await bound(*records)
    pages = [read.read(name).decode() for name in read.namelist() if name.startswith("pages/en/")]
    assert [page.count("<figure>") for page in pages] == [CARDS_A_PAGE, 1]
    assert all(page.count("<img") == page.count("<figure>") for page in pages)
    assert pages[1].count(f"{CARDS_A_PAGE}/small.webp") == 2


def test_what_has_a_name_is_held() -> None:
    rows = {held.name_of(each) for held in all_holdings() for each in held.collections}
    held = rows | {held.name_of(each) for held in all_holdings() for each in held.objects}
    assert words()["holdings"].keys() <= held | {name.partition(".")[2] for name in held}


def test_everything_is_said_in_every_language() -> None:
    for part in words().values():
        for code, said in part.items():
            assert said.keys() == set(LANGUAGES), code
            assert all(said.values()), code
