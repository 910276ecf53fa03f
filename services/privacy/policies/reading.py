"""What a policy's Markdown says: its sections, paragraphs and sentences, in the little Markdown that policies use."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+(?=[^\sa-zäöüßа-яё])")  # noqa: RUF001 - Russian
PLAIN = frozenset({"text", "softbreak", "strong_open", "strong_close", "link_open", "link_close"})
BLOCKS = frozenset(
    f"{name}_{end}"
    for name in ("bullet_list", "list_item", "paragraph", "heading")
    for end in ("open", "close")
)


class PolicyUnreadable(ValueError):
    """A policy's file is not what a policy may be; the text says where."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences. Args: label: what a list's entry is about; link: where the paragraph leads, if anywhere."""

    sentences: tuple[str, ...]
    label: str = ""
    link: str = ""


@dataclass(slots=True)
class Section:
    """A heading and what is below it, as far as the next one. Args: level: 1 for the title, 3 at most."""

    level: int
    heading: str
    paragraphs: list[Paragraph] = field(default_factory=list)


def sections(body: str) -> tuple[Section, ...]:
    """Return what a policy says, in its order; the first section is its title.

    Raises:   PolicyUnreadable: something that is neither heading, paragraph nor list, or a text without a title.
    """
    found: list[Section] = []
    for inside, token in _texts(body):
        if inside[-1].startswith("h"):
            found.append(Section(level=int(inside[-1][1:]), heading=token.content))
        elif not found:
            raise PolicyUnreadable(f"line {_line(token)}: a policy begins with its title")
        else:
            found[-1].paragraphs.append(_paragraph(token))
    if not found or found[0].level != 1:
        raise PolicyUnreadable("a policy begins with its title, `# ...`")
    return tuple(found)


def sentences_of(text: str) -> tuple[str, ...]:
    """Return a text's sentences: each ends with its stop, and the next one begins with a capital letter."""
    return tuple(sentence for part in SENTENCE_ENDS.split(text) if (sentence := part.strip()))


def as_html(body: str) -> str:
    """Return a policy as HTML. What is no Markdown stays text: nothing in a policy is HTML."""
    return str(_markdown().render(body))


def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False})


def _texts(body: str) -> Iterator[tuple[list[str], Token]]:
    """Yield every text of the Markdown with the names of the tags that it is in."""
    inside: list[str] = []
    for token in _markdown().parse(body):
        if token.type == "inline":
            yield inside, token
        elif token.type not in BLOCKS:
            raise PolicyUnreadable(f"line {_line(token)}: `{token.type}` does not belong in a policy")
        elif token.nesting > 0:
            inside.append(token.tag)
        else:
            inside.pop()


def _paragraph(token: Token) -> Paragraph:
    parts = token.children or []
    if strange := {part.type for part in parts} - PLAIN:
        raise PolicyUnreadable(f"line {_line(token)}: {', '.join(sorted(strange))} do not belong in a policy")
    label = _label(parts)
    text = "".join("\n" if part.type == "softbreak" else part.content for part in parts)
    links = [str(part.attrGet("href")) for part in parts if part.type == "link_open"]
    return Paragraph(sentences_of(text.removeprefix(label)), label, links[0] if links else "")


def _label(parts: list[Token]) -> str:
    """Return the strong words that a paragraph begins with."""
    strong = [number for number, part in enumerate(parts) if part.type.startswith("strong")]
    if not strong or "".join(part.content for part in parts[: strong[0]]):
        return ""
    return "".join(part.content for part in parts[strong[0] : strong[1]])


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 0
