"""What becomes of the records of the parts: files of JSON with their schemas, images, and pages to read them by."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from libs.common.exporting.records import FileHead, HoldingHead, Kind, Record
from services.privacy.exports.archive import ZipArchive
from services.privacy.exports.pages import Card, Chapter, Pages

ROWS_A_PAGE, CARDS_A_PAGE = 500, 200
SHOWN_IN_INDEX = 8


@dataclass
class Binder:
    """Takes records one by one, and writes a page of each kind when it is full: a page in memory at a time."""

    archive: ZipArchive
    made_at: datetime
    _pages: Pages = field(init=False)
    _chapters: list[Chapter] = field(default_factory=list)
    _head: HoldingHead | None = None
    _rows: list[bytes] = field(default_factory=list)
    _file: FileHead | None = None
    _cards: list[Card] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make what writes pages."""
        self._pages = Pages(self.made_at)

    async def take(self, record: Record) -> None:
        """Take one record of a part."""
        match record.kind:
            case Kind.HOLDING:
                await self._begin_holding(HoldingHead.model_validate_json(record.payload))
            case Kind.ROW:
                await self._add_row(record.payload)
            case Kind.FILE:
                await self._begin_file(FileHead.model_validate_json(record.payload))
            case Kind.DATA:
                await self._add_data(record.payload)

    async def end_part(self) -> None:
        """Write what is left of a part."""
        await self._write_rows()
        await self._write_cards()
        self._head, self._file = None, None

    async def end(self) -> None:
        """Write the index in every language."""
        for path, page in self._pages.index(self._chapters):
            await self.archive.add(path, page)

    async def _begin_holding(self, head: HoldingHead) -> None:
        await self._write_rows()
        self._head = head
        chapter = Chapter(head.holding, images=False)
        self._chapters.append(chapter)
        schema = orjson.dumps(head.json_schema, option=orjson.OPT_INDENT_2)
        await self.archive.add(chapter.schema, schema)

    async def _add_row(self, row: bytes) -> None:
        self._rows.append(row)
        if len(self._rows) == ROWS_A_PAGE:
            await self._write_rows()

    async def _write_rows(self) -> None:
        if self._head is None or not self._rows:
            return
        chapter, rows = self._chapters[-1], self._rows
        chapter.count, chapter.pages, self._rows = chapter.count + len(rows), chapter.pages + 1, []
        await self.archive.add(chapter.data(chapter.pages), b"[\n" + b",\n".join(rows) + b"\n]\n")
        read: list[dict[str, Any]] = [orjson.loads(row) for row in rows]
        for path, page in self._pages.rows(chapter, self._head.categories, read):
            await self.archive.add(path, page)

    async def _begin_file(self, head: FileHead) -> None:
        await self._write_rows()
        if not self._chapters or self._chapters[-1].holding != head.holding:
            await self._write_cards()
            self._chapters.append(Chapter(head.holding, images=True))
        self._file = head

    async def _add_data(self, data: bytes) -> None:
        if self._file is None:
            raise ValueError("a part of an export has bytes of no file")
        head = self._file
        path = f"files/{head.holding}/{head.path}"
        await self.archive.add(path, data, packed=not head.media_type.startswith("image/"))
        name = head.path.rpartition("/")[0]
        if not self._cards or self._cards[-1].name != name:
            if len(self._cards) == CARDS_A_PAGE:
                await self._write_cards()
            self._cards.append(Card(name, head.caption))
        self._cards[-1].files.append(path)

    async def _write_cards(self) -> None:
        if not self._cards:
            return
        chapter, cards = self._chapters[-1], self._cards
        chapter.count, chapter.pages, self._cards = chapter.count + len(cards), chapter.pages + 1, []
        chapter.shown += [card for card in cards if card.shown][: SHOWN_IN_INDEX - len(chapter.shown)]
        for path, page in self._pages.cards(chapter, cards):
            await self.archive.add(path, page)
