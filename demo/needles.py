"""What is looked for: a person's own words and bytes, in every encoding they could hide in."""

import base64
import html
import json
import quopri
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SHORTEST = 4
WINDOW = 48
"""Bytes of an image that are looked for, at several places of it: enough to be that image and no other."""
PLACES = (0.2, 0.5, 0.8)


@dataclass(frozen=True, slots=True)
class Needle:
    """One byte string that gives a person away. `kind` says what it is, `encoding` how it is written."""

    kind: str
    encoding: str
    data: bytes


def of_text(kind: str, text: str) -> Iterator[Needle]:
    """Yield a text in every encoding; texts too short to mean anything are refused by the caller."""
    for form in dict.fromkeys((text, text.lower(), text.upper())):
        for encoding, data in _encodings(form):
            yield Needle(kind, encoding, data)


def _encodings(text: str) -> Iterator[tuple[str, bytes]]:
    raw = text.encode()
    yield "utf-8", raw
    yield "utf-16-le", text.encode("utf-16-le")
    yield "utf-16-be", text.encode("utf-16-be")
    yield "json", json.dumps(text)[1:-1].encode()
    yield "url", urllib.parse.quote(text, safe="").encode()
    yield "form", urllib.parse.quote_plus(text).encode()
    yield "html", html.escape(text).encode()
    yield "quoted-printable", quopri.encodestring(raw).replace(b"=\n", b"")
    yield "hex", raw.hex().encode()
    yield "HEX", raw.hex().upper().encode()
    for shift in range(3):
        yield f"base64+{shift}", _base64_inside(raw, shift)
        yield f"base64url+{shift}", _base64_inside(raw, shift).translate(bytes.maketrans(b"+/", b"-_"))


def _base64_inside(raw: bytes, shift: int) -> bytes:
    """Return the base64 characters that depend on `raw` alone when it begins `shift` bytes into a group of three."""
    coded = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
    first = (0, 2, 3)[shift]
    last = len(coded) - (1 if (shift + len(raw)) % 3 else 0)
    return coded[first:last]


def of_image(kind: str, image: bytes) -> Iterator[Needle]:
    """Yield windows of an image's bytes, raw and in hex and base64."""
    for place in PLACES:
        start = int((len(image) - WINDOW) * place)
        window = image[start : start + WINDOW]
        yield Needle(kind, "bytes", window)
        yield Needle(kind, "hex", window.hex().encode())
        for shift in range(3):
            yield Needle(kind, f"base64+{shift}", _base64_inside(window, shift))


def unique(needles: Iterable[Needle]) -> list[Needle]:
    """Return the needles with each byte string once, those too short to mean anything left out."""
    return list({needle.data: needle for needle in needles if len(needle.data) >= SHORTEST}.values())
