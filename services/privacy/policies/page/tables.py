"""The tables of the policy page, made of the data map."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from libs.common.device_storage import ON_THE_DEVICE
from services.privacy.policies.page.words import Record, said, words
from services.privacy.policies.texts import ORIGINAL, Language


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under a heading of their own. Args: rows: the first cell of each is the row's heading."""

    heading: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page."""

    name: str
    caption: str
    head: tuple[str, ...]
    groups: tuple[Group, ...]


def tables(record: Record, language: Language, labels: Iterable[str]) -> dict[str, list[Table]]:
    """Return the tables by the heading of the English policy that they stand below.

    Args:     labels: the entries of "What data we collect" in this language, in the policy's order.
    """
    making = _Making(record, language)
    below = words()["tables"]
    return {
        below["data"]: [making.data(labels), making.device()],
        below["purposes"]: [making.purposes()],
        below["bases"]: [making.bases()],
        below["periods"]: [making.periods()],
        below["recipients"]: [making.recipients()],
    }


class _Making:
    """Makes tables in a language."""

    def __init__(self, record: Record, language: Language) -> None:
        self._record, self._language = record, language
        self._fields = [
            field
            for holding in (*record["holdings"], *record["kept_by_every_service"])
            for field in holding["fields"]
        ]

    def data(self, labels: Iterable[str]) -> Table:
        """Return what is held: why, on what ground, for how long, and who gets it."""
        codes = {field["category"] for field in self._fields}
        order = list(dict.fromkeys(entry["below"] for entry in words()["categories"].values()))
        groups = (
            Group(label, tuple(self._category(code) for code in self._below(english) if code in codes))
            for english, label in zip(order, labels, strict=True)
        )
        return self._table("data", ("what", "why", "ground", "kept", "who"), groups)

    def _below(self, entry: str) -> Iterator[str]:
        yield from (code for code, named in words()["categories"].items() if named["below"] == entry)

    def _category(self, code: str) -> tuple[str, ...]:
        of = [field for field in self._fields if field["category"] == code]
        recipients = dict.fromkeys(name for field in of for name in field["recipients"])
        return (
            self._said("categories", code),
            self._all("purposes", (field["purpose"] for field in of)),
            self._all("bases", (field["basis"] for field in of)),
            self._all("periods", (field["kept"] for field in of)),
            self._list(self._party(name) for name in recipients),
        )

    def device(self) -> Table:
        """Return what is kept on a person's device."""
        rows = (
            (
                each.name,
                self._said("device", each.about),
                self._said("stores", each.store.value),
                self._of_device(each.about, "what", each.what),
                self._of_device(each.about, "lasts", each.lasts),
            )
            for each in ON_THE_DEVICE
        )
        head = ("name", "why", "store", "contents", "lasts")
        return self._table("device", head, [Group("", tuple(rows))])

    def _of_device(self, about: str, column: str, english: str) -> str:
        return (
            english if self._language == ORIGINAL else str(words()["device"][about][column][self._language])
        )

    def purposes(self) -> Table:
        """Return the data that each purpose uses."""
        return self._by("purposes", "purpose", ("why", "what"))

    def bases(self) -> Table:
        """Return the purposes that each ground is for."""
        rows = (
            (self._said("bases", basis), self._all("purposes", (each["purpose"] for each in of)))
            for basis, of in self._grouped("bases", "basis")
        )
        return self._table("bases", ("ground", "why"), [Group("", tuple(rows))])

    def periods(self) -> Table:
        """Return the data that goes after each period, and what is kept as proof."""
        proofs = dict.fromkeys(each["kept"] for each in self._record["kept_as_proof"])
        rows = [*self._rows("periods", "kept"), *((self._said("periods", each), "") for each in proofs)]
        return self._table("periods", ("kept", "what"), [Group("", tuple(rows))])

    def recipients(self) -> Table:
        """Return the outside parties."""
        rows = (
            (
                self._party(each["processor"]),
                str(words()["processors"][each["processor"]]["task"][self._language]),
                self._received(each["processor"]),
                each["country"],
                self._said("safeguards", each["safeguard"]),
                self._said("at_erasure", each["at_erasure"]),
            )
            for each in self._record["processors"]
        )
        head = ("who", "task", "what", "where", "safeguard", "erasure")
        return self._table("recipients", head, [Group("", tuple(rows))])

    def _received(self, name: str) -> str:
        codes = dict.fromkeys(each["category"] for each in self._fields if name in each["recipients"])
        if len(codes) == len(words()["categories"]):
            return self._said("page", "everything")
        return self._all("categories", codes)

    def _by(self, part: str, column: str, head: tuple[str, ...]) -> Table:
        return self._table(part, head, [Group("", tuple(self._rows(part, column)))])

    def _rows(self, part: str, column: str) -> Iterator[tuple[str, ...]]:
        for code, of in self._grouped(part, column):
            yield self._said(part, code), self._all("categories", (each["category"] for each in of))

    def _grouped(self, part: str, column: str) -> Iterator[tuple[str, list[Record]]]:
        """Yield the fields by a code, in the order of the words."""
        for code in words()[part]:
            if of := [field for field in self._fields if field[column] == code]:
                yield code, of

    def _table(self, name: str, head: tuple[str, ...], groups: Iterable[Group]) -> Table:
        captions = (self._said("page", each) for each in head)
        return Table(name, self._said("page", name), tuple(captions), tuple(groups))

    def _party(self, name: str) -> str:
        return str(words()["processors"][name]["title"][self._language])

    def _said(self, part: str, code: str) -> str:
        return said(part, code, self._language)

    def _all(self, part: str, codes: Iterable[str]) -> str:
        return self._list(self._said(part, code) for code in dict.fromkeys(codes))

    @staticmethod
    def _list(names: Iterable[str]) -> str:
        return "; ".join(names)
