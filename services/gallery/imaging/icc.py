"""Colour profiles reduced to their numbers.

A profile can name a person's display, its serial number and its calibration date in private tags and
descriptions. What is kept is what turns numbers into colours: primaries, white point and tone curves.

Source:   ICC.1:2022.
"""

import struct
from typing import Final

_HEADER: Final = 128
_MAGIC: Final = slice(36, 40)
_MOST_TAGS: Final = 200
_POINTS: Final = frozenset({b"rXYZ", b"gXYZ", b"bXYZ", b"wtpt"})
_CURVES: Final = frozenset({b"rTRC", b"gTRC", b"bTRC", b"kTRC"})
_NEEDED: Final = {
    b"RGB ": ("rXYZ", "gXYZ", "bXYZ", "wtpt", "rTRC", "gTRC", "bTRC"),
    b"GRAY": ("wtpt", "kTRC"),
}
_D50: Final = bytes.fromhex("0000f6d6000100000000d32d")
_DATE: Final = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
_PARAMETERS: Final = (1, 3, 4, 5, 7)
_MOST_CURVE_POINTS: Final = 4096
_VERSION_4: Final = 4


def reduced(profile: bytes) -> bytes:
    """Return the profile with nothing but its colours, or nothing where it is not of the simple kind.

    Simple are profiles of primaries and curves (sRGB, Display P3, Adobe RGB, a gamma of grey), in XYZ. Tables
    (CMYK, perceptual profiles) are dropped: such a picture is shown by its numbers as they are.
    """
    space, major = profile[16:20], profile[8:9]
    needed = _NEEDED.get(space)
    if len(profile) < _HEADER + 4 or profile[_MAGIC] != b"acsp" or profile[20:24] != b"XYZ " or not needed:
        return b""
    found = _tags(profile)
    if any(name.encode() not in found for name in needed):
        return b""
    is_4 = major >= bytes((_VERSION_4,))
    found[b"desc"], found[b"cprt"] = _label(b"desc", is_4=is_4), _label(b"cprt", is_4=is_4)
    return _assembled(profile, found)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    """Return the contents of the tags that are kept, each checked and cut to its own length."""
    count = int.from_bytes(profile[_HEADER : _HEADER + 4], "big")
    found: dict[bytes, bytes] = {}
    for index in range(min(count, _MOST_TAGS)):
        entry = profile[_HEADER + 4 + 12 * index :][:12]
        name, offset, size = entry[:4], int.from_bytes(entry[4:8], "big"), int.from_bytes(entry[8:12], "big")
        content = profile[offset : offset + size]
        if name in _POINTS:
            kept = _cut(content, b"XYZ ", 20)
        elif name == b"chad":
            kept = _cut(content, b"sf32", 44)
        elif name in _CURVES:
            kept = _curve(content)
        else:
            continue
        if kept:
            found[name] = kept
    return found


def _cut(content: bytes, kind: bytes, length: int) -> bytes:
    """Return a tag of a fixed length, its reserved bytes cleared, or nothing."""
    if not content.startswith(kind) or len(content) < length:
        return b""
    return kind + bytes(4) + content[8:length]


def _curve(content: bytes) -> bytes:
    """Return a tone curve, cut where it ends, or nothing."""
    if content.startswith(b"para"):
        kind = int.from_bytes(content[8:10], "big")
        length = 12 + 4 * _PARAMETERS[kind] if kind < len(_PARAMETERS) else len(content) + 1
        kept = _cut(content, b"para", length)
        return kept[:10] + bytes(2) + kept[12:] if kept else b""
    points = int.from_bytes(content[8:12], "big")
    return _cut(content, b"curv", 12 + 2 * points) if points <= _MOST_CURVE_POINTS else b""


def _label(name: bytes, *, is_4: bool) -> bytes:
    """Return a description or copyright that says nothing."""
    text = "colours" if name == b"desc" else "none"
    if is_4:
        return (
            b"mluc"
            + bytes(4)
            + struct.pack(">II2s2sII", 1, 12, b"en", b"US", 2 * len(text), 28)
            + text.encode("utf-16-be")
        )
    if name == b"cprt":
        return b"text" + bytes(4) + text.encode() + b"\x00"
    return (
        b"desc" + bytes(4) + struct.pack(">I", len(text) + 1) + text.encode() + bytes(1 + 4 + 4 + 2 + 1 + 67)
    )


def _assembled(profile: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return a profile of these tags; of the old header it keeps version, class, spaces and intent."""
    offset = _HEADER + 4 + 12 * len(tags)
    table, body, placed = [], b"", dict[bytes, int]()
    for name, content in sorted(tags.items()):
        if content not in placed:
            placed[content] = offset + len(body)
            body += content + bytes(-len(content) % 4)
        table.append(name + struct.pack(">II", placed[content], len(content)))
    head = struct.pack(">I4s2s2s", offset + len(body), bytes(4), profile[8:10], bytes(2))
    head += profile[12:24] + _DATE + b"acsp" + bytes(24) + profile[64:68] + _D50
    return head.ljust(_HEADER, b"\x00") + struct.pack(">I", len(tags)) + b"".join(table) + body
