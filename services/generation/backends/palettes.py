"""Curated colours: for scenes with a sky, and for pictures that are pattern."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from services.generation.backends.canvas import blend, lightness
from services.generation.backends.dice import Dice
from services.generation.backends.prompt import COLOURS, TIMES, Wishes


@dataclass(frozen=True, slots=True)
class Scenic:
    """The colours of a scene: sky from the zenith to the horizon, the light, and land from far to near."""

    sky: tuple[str, ...]
    light: str
    far: str
    near: str
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Abstract:
    """The colours of a pattern: the ground it is laid on and the inks, the most used first."""

    ground: str
    inks: tuple[str, ...]
    tags: frozenset[str]


MIDDLE_GREY = 0.5
# Ruling one of these out takes it out of the picture; the colours that go with it may stay.
ELEMENTS = frozenset({"fog", "rain", "snow"})

P = TypeVar("P", Scenic, Abstract)


def _scenic(sky: str, light: str, far: str, near: str, tags: str) -> Scenic:
    return Scenic(tuple(sky.split()), light, far, near, frozenset(tags.split()))


def _abstract(ground: str, inks: str, tags: str) -> Abstract:
    return Abstract(ground, tuple(inks.split()), frozenset(tags.split()))


SCENIC = (
    _scenic("20244d 5c3a78 c9586f f59a6a ffd08a", "fff0c4", "c9737f", "1b1533", "sunset orange violet warm"),
    _scenic("4f6f96 94a3a9 e0bf8e f6d694 ffe8b4", "fff8dc", "d6ab78", "33241f", "sunset gold warm calm"),
    _scenic("2c0d2b 7a1c3d c93a3c f2773f ffb464", "ffe0a8", "b34a48", "1d0a1a", "sunset red dark vivid warm"),
    _scenic(
        "5f7fb8 a5abd6 e5bfd0 f9d3c8 ffe9d6", "fffaf0", "c9a8c4", "40385c", "dawn pink pastel calm dreamy"
    ),
    _scenic(
        "86b4d6 bcd3da f5dcc4 ffe4c6 fff1dc", "ffffff", "c4b7b6", "3c4a5e", "dawn orange pastel calm light"
    ),
    _scenic("1f63a8 4f97cf 94c6e6 c9e4f0 eef6f4", "ffffff", "93b5cc", "16343f", "day blue cold"),
    _scenic("3f86bd 7fb9d8 bfe0e2 e2f0da f8f6dc", "fffbe8", "9dbf9f", "1c3b2c", "day green calm summer"),
    _scenic("2b5856 4f8582 8ab8a6 bcd6bd eaf0dc", "fdfbe6", "8fb5a5", "0f2b2a", "green teal fog calm forest"),
    _scenic("0a3f5c 14748c 4eb3b4 a9dcc0 f8eecb", "fff8e0", "5fa7ab", "08283a", "teal blue sea day vivid"),
    _scenic("060a1c 0f1f45 1f3d72 3f6a9c 83aac4", "f2f5ff", "34568a", "040914", "night blue cold black"),
    _scenic("0a0720 22124c 452a7e 7a4fa6 c08fc4", "f8eeff", "5a4390", "0a0618", "night indigo violet dreamy"),
    _scenic(
        "0d0828 2e0c5c 8a1688 f0428e ffa070",
        "fff09a",
        "7a2aa0",
        "0a0520",
        "night neon pink violet vivid city",
    ),
    _scenic(
        "202933 3d4a55 6c777d a3a6a0 d6d2c4", "f6efdd", "737e86", "12171c", "day stormy grey dark fog rain"
    ),
    _scenic(
        "6f8fb2 9db8d2 c9d8e4 e6e9ea faf6f0", "ffffff", "b4c4d3", "2c4056", "day white snow cold minimal"
    ),
    _scenic(
        "5f7686 a8a79a e0bd84 f4d596 fdebc2",
        "fff3d2",
        "c68f5e",
        "38201a",
        "day brown orange gold warm autumn",
    ),
    _scenic("4c3f34 7a6650 ac9070 d4bb92 f0e0be", "fff6e0", "a88c6c", "1e1712", "brown vintage warm"),
    _scenic(
        "15171a 3c4044 7c8084 b8babb eeeeec", "ffffff", "84888c", "0b0c0e", "black white grey minimal dark"
    ),
    _scenic("102d45 24607a 6aa7a4 d9c996 ffdf9e", "fff4cf", "5c8f96", "0b1e2e", "sunset teal gold calm"),
    _scenic("331a4a 743a7c c9638f f59a9c ffd2b4", "fff2e4", "b06a9a", "231033", "sunset pink violet dreamy"),
    _scenic(
        "04121c 0a2e38 12584f 3f8f6a a8cf9a", "f2fff0", "2c6a5a", "030c10", "night green teal dark forest"
    ),
    _scenic(
        "4a86b8 8db9d2 d9d8c0 f2d9a4 f9e3b4", "fffbe6", "d9a56c", "5a2f22", "day desert gold orange warm"
    ),
    _scenic(
        "1a1030 43204e 8f3f52 d9784e f8c272", "ffeec0", "a85a54", "170b1c", "sunset desert red orange warm"
    ),
)

ABSTRACT = (
    _abstract("f1e7d3", "d8392b 1d4f91 f0b323 1c1b1a 7fa8a4 e7cfb4", "red blue gold classic vivid"),
    _abstract("f4ece0", "e4572e 17bebb ffc914 2e282a 76b041 f2d7c4", "orange teal gold green vivid warm"),
    _abstract("efe6dd", "b3392f e07a3f f2b56b 2b3a55 5f7f8c dcc6ac", "red orange brown warm vintage sunset"),
    _abstract("f5f1e8", "264653 2a9d8f e9c46a f4a261 e76f51 cfd8c8", "teal orange gold sea day calm"),
    _abstract("f7f0ea", "f28482 84a59d f6bd60 f5cac3 3d405b 81b29a", "pink pastel green calm dreamy dawn"),
    _abstract("eef1ee", "1b3a4b 3e7c94 8fc0c9 d9e5dc c98b5b 0b2230", "blue teal cold sea calm"),
    _abstract("161826", "ff4d8d 7b2ff7 22d3ee f9f871 ff8a3d 2f2a5a", "neon night pink violet vivid city"),
    _abstract("12202f", "f2cc8f e07a5f 81b29a 3d5a80 f4f1de 98c1d9", "night blue gold dark warm"),
    _abstract("101c1a", "c9a227 1f6f5c 5fb49c e8e3c5 0f4c46 8fcfb0", "green gold dark forest night"),
    _abstract("f3eee6", "2f4b3c 6a8f5c b7c68b e3d9a8 c2703d 1d2b22", "green brown forest calm autumn"),
    _abstract("f6f3f7", "5b3a8c 8f6bc0 c9aee5 f0c3d6 2c1b4b e8a87c", "violet pink pastel dreamy"),
    _abstract("1a1023", "b14aed f06595 ffb86b 5f3dc4 f8e9ff 2b1a46", "violet night pink dark space dreamy"),
    _abstract("f2f0eb", "1b1b1b 4a4a4a 8a8a86 c4c2bb d43d2a e4e1d8", "black white grey minimal"),
    _abstract("fbf3e4", "a4161a e5383b ba5a31 f4a259 5c1a1b f2d0a9", "red warm vivid"),
    _abstract("1b0c0e", "a4161a e5383b 660708 f2a65a e8d3c0 3d1013", "red dark warm night"),
    _abstract("17110d", "c8702a f2a541 7a3b14 f6dcae 3d2114 a3541f", "orange brown gold dark warm autumn"),
    _abstract("eaf2f5", "0d3b66 3c78d8 88b7e0 f6d55c ee964b d5e3ee", "blue gold day vivid cold sky"),
    _abstract("0d1321", "3e92cc 13b6ad c7f0db f4f1de 1d3557 f6ae2d", "night blue teal sea dark cold"),
    _abstract(
        "f7ede2", "bc6c25 dda15e 606c38 283618 e9d8a6 9b2226", "brown orange green autumn vintage warm desert"
    ),
    _abstract(
        "fdf6f0", "ff7f6a ffb3a0 ffd9c0 6bbfb5 2f6f78 f6c667", "orange pink teal pastel summer sea day"
    ),
)

# A light, a middle and a deep tone of every colour word, for prompts no curated palette answers.
_TONES = {
    "red": ("f4a59a", "c8322f", "4f0d18"),
    "orange": ("ffd0a0", "ee7a2c", "6b2a0d"),
    "gold": ("ffeaa8", "e5ae2e", "6d4708"),
    "green": ("c4e0b4", "4c9455", "0f3423"),
    "teal": ("b4e4de", "23918f", "073a44"),
    "blue": ("b8d8f2", "2f74c0", "0c2450"),
    "indigo": ("b9bdee", "4148ad", "14143f"),
    "violet": ("dcc4f2", "8449b8", "2a1150"),
    "pink": ("ffd3de", "e8688f", "611738"),
    "brown": ("e4cbaa", "96673c", "36200f"),
    "white": ("ffffff", "dfe4e8", "8d9aa6"),
    "black": ("9a9a9a", "3a3a3c", "0a0a0b"),
    "grey": ("d8dadb", "868c91", "2b3035"),
}
_WEIGHTS = dict.fromkeys(COLOURS, 5) | dict.fromkeys(TIMES, 7)


def choose(palettes: Sequence[P], wishes: Wishes, dice: Dice, usual: str = "") -> P:
    """Return the palette that answers the wishes best; what is usual, then chance, decide between equals."""
    scores = [_score(palette.tags, wishes) + len(palette.tags & set(usual.split())) for palette in palettes]
    best = max(scores)
    return dice.pick([palette for palette, score in zip(palettes, scores, strict=True) if score == best])


def _score(tags: frozenset[str], wishes: Wishes) -> int:
    loud = 2 if "neon" in tags and not wishes.wants("neon") else 0
    answered = sum(_WEIGHTS.get(tag, 3) for tag in tags & wishes.wanted)
    return answered - loud - 20 * len(tags & wishes.banned - ELEMENTS)


def scenic(wishes: Wishes, dice: Dice, usual: str = "") -> Scenic:
    """Return the colours of a scene, tinted with any colour asked for that no curated sky has."""
    palette = choose(SCENIC, wishes, dice, usual)
    for colour in sorted((wishes.wanted & COLOURS) - palette.tags):
        palette = _tinted(palette, colour, 0.45)
    return palette


def abstract(wishes: Wishes, dice: Dice, usual: str = "") -> Abstract:
    """Return the colours of a pattern; colours asked for and missing take the place of inks."""
    palette = choose(ABSTRACT, wishes, dice, usual)
    missing = sorted((wishes.wanted & COLOURS) - palette.tags)
    inks = list(palette.inks)
    for place, colour in enumerate(missing):
        light, middle, deep = _TONES[colour]
        inks[(2 * place) % len(inks)] = middle
        inks[(2 * place + 1) % len(inks)] = deep if lightness(palette.ground) > MIDDLE_GREY else light
    return replace(palette, inks=tuple(inks))


def _tinted(palette: Scenic, colour: str, share: float) -> Scenic:
    return replace(
        palette,
        sky=tuple(blend(code, _tone(colour, lightness(code)), share) for code in palette.sky),
        far=blend(palette.far, _tone(colour, lightness(palette.far)), share),
        near=blend(palette.near, _tone(colour, lightness(palette.near)), share * 0.6),
        light=blend(palette.light, _TONES[colour][0], share * 0.5),
    )


def _tone(colour: str, light: float) -> str:
    """Return the tone of a colour that is about as light."""
    pale, middle, deep = _TONES[colour]
    if light > MIDDLE_GREY:
        return blend(middle, pale, (light - MIDDLE_GREY) / (1.0 - MIDDLE_GREY))
    return blend(deep, middle, light / MIDDLE_GREY)
