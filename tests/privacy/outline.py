"""A page as a test reads it."""

import re
from html.parser import HTMLParser

VOID = {"meta", "link", "input"}


class Outline(HTMLParser):
    """What a page is made of: its tags nested as they should be, its headings, ids and addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.refs: list[str] = []
        self.attributes: set[str] = set()
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.attributes |= given.keys()
        self.ids += [given["id"] or ""] if "id" in given else []
        self.refs += [given[name] or "" for name in ("href", "src") if name in given]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag
