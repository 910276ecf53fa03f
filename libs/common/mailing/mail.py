"""A mail, composed of paragraphs in plain text and simple HTML."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LINK, TOKEN = "{link}", "{token}"
"""Paragraphs that stand alone, so that people and programs find them: a link, and the token on its own line."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it is sent. Personal: all of it."""

    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)


def composed(subject: str, paragraphs: Sequence[str], values: Mapping[str, str], *, language: str) -> Mail:
    """Return a mail of paragraphs.

    Args:     values: what stands in their places, as plain text; a line break stays one.
    """
    shown = {name: html.escape(value).replace("\n", "<br>\n") for name, value in values.items()}
    if "link" in shown:
        shown["link"] = f'<a href="{shown["link"]}">{shown["link"]}</a>'
    if "token" in shown:
        shown["token"] = f"<code>{shown['token']}</code>"
    body = "\n".join(f"<p>{paragraph.format(**shown)}</p>" for paragraph in paragraphs)
    return Mail(
        subject=f"Pixera: {subject.format(**values)}",
        text="\n\n".join(paragraph.format(**values) for paragraph in paragraphs) + "\n",
        html=f'<!doctype html>\n<html lang="{language}"><body>\n{body}\n</body></html>\n',
    )
