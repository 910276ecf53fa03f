"""From a prompt's words to what a picture shows: a small vocabulary, no model."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from services.generation.backends.dice import Dice

COLOURS = frozenset(
    {
        "red",
        "orange",
        "gold",
        "green",
        "teal",
        "blue",
        "indigo",
        "violet",
        "pink",
        "brown",
        "white",
        "black",
        "grey",
    }
)
SUBJECTS = ("sea", "forest", "city", "desert", "mountain", "space")
TIMES = ("dawn", "day", "sunset", "night")

# What the picture can show, and the words that ask for it.
_VOCABULARY = {
    "red": "red crimson scarlet ruby blood cherry vermilion rust",
    "orange": "orange amber tangerine copper apricot coral flame fire burning lava ember",
    "gold": "gold golden yellow honey lemon mustard wheat sunny",
    "green": "green emerald jade moss mossy olive lime mint grass meadow spring",
    "teal": "teal turquoise cyan aqua lagoon tropical",
    "blue": "blue azure cobalt sapphire navy cerulean",
    "indigo": "indigo midnight ultramarine",
    "violet": "violet purple lavender lilac amethyst plum mauve magenta",
    "pink": "pink rose rosy blush fuchsia salmon blossom cherryblossom sakura",
    "brown": "brown sepia chocolate coffee earth earthy bronze wood wooden autumn fall",
    "white": "white snow snowy snowcapped ivory ice icy frost frosty winter pale",
    "black": "black ebony charcoal noir silhouette ink",
    "grey": "grey gray silver slate ash concrete overcast",
    "dawn": "dawn sunrise daybreak morning early",
    "day": "day daylight noon midday afternoon sunny bright summer",
    "sunset": "sunset dusk evening twilight sundown golden goldenhour",
    "night": "night nighttime midnight nocturnal moonlit moonlight moon starry stars nightfall",
    "calm": "calm peaceful serene quiet tranquil still gentle soft silent zen",
    "stormy": "storm stormy dramatic thunder wild tempest raging windy",
    "dreamy": "dream dreamy dreamlike surreal fantasy magic magical ethereal mystical fairytale",
    "dark": "dark gloomy moody gothic ominous shadow shadowy",
    "vivid": "vivid vibrant colourful colorful bold bright saturated rainbow psychedelic",
    "neon": "neon cyberpunk synthwave vaporwave retrowave futuristic electric",
    "pastel": "pastel delicate airy light candy",
    "vintage": "vintage retro old antique nostalgic sepia faded",
    "minimal": "minimal minimalist minimalistic simple clean sparse",
    "warm": "warm cosy cozy hot summer autumn desert sunny",
    "cold": "cold cool winter chilly icy arctic frozen polar",
    "mountain": "mountain mountains peak summit alps alpine hill valley cliff range himalaya volcano canyon",
    "sea": "sea ocean beach coast coastal wave shore island bay sail harbour harbor underwater water seaside",
    "forest": "forest wood woodland tree pine jungle fir grove spruce redwood park",
    "city": "city skyline street town urban skyscraper building downtown tokyo york metropolis architecture",
    "desert": "desert dune sahara sand sandy oasis arid camel",
    "space": "space galaxy nebula cosmos cosmic universe astronaut interstellar planet orbit milky",
    "sun": "sun sunny sunrise sunset sunlight sunshine",
    "moon": "moon moonlit moonlight lunar",
    "stars": "star starry starlight constellation milky galaxy",
    "clouds": "cloud cloudy clouds overcast sky storm",
    "fog": "fog foggy mist misty haze hazy smoke smoky steam",
    "snow": "snow snowy snowcapped winter blizzard ski arctic frozen",
    "rain": "rain rainy drizzle wet",
    "birds": "bird birds seagull gull crane swallow eagle flock",
    "trees": "tree forest pine woodland fir wood grove",
    "lake": "lake reflection reflecting reflected pond river mirror fjord lagoon",
    "boat": "boat sail sailboat ship yacht sailing",
    "planet": "planet saturn jupiter mars orbit ringed rings world",
    "grain": "grain grainy noise noisy",
    "vignette": "vignette",
    "frame": "frame border margin",
}
_NEGATIONS = frozenset({"no", "not", "without", "never", "except", "minus"})
_NEGATION_REACH = 2  # words: "no bright stars", "without any clouds"


def _by_word() -> Mapping[str, tuple[str, ...]]:
    tags: dict[str, tuple[str, ...]] = {}
    for tag, words in _VOCABULARY.items():
        for word in {tag, *words.split()}:
            tags[word] = (*tags.get(word, ()), tag)
    return MappingProxyType(tags)


_TAGS = _by_word()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the prompt asks for and what it rules out, as words of the vocabulary."""

    wanted: frozenset[str]
    banned: frozenset[str]

    def wants(self, *tags: str) -> bool:
        """Return whether any of these was asked for."""
        return not self.wanted.isdisjoint(tags)

    def bans(self, tag: str) -> bool:
        """Return whether this was ruled out."""
        return tag in self.banned

    def shows(self, tag: str, dice: Dice, otherwise: float) -> bool:
        """Return whether the picture has it: asked for, or not ruled out and chance (0 to 1) has it so."""
        lucky = dice.chance(otherwise)
        return tag in self.wanted or (lucky and tag not in self.banned)

    def first(self, tags: tuple[str, ...]) -> str | None:
        """Return the first of these that was asked for."""
        return next((tag for tag in tags if tag in self.wanted), None)


def read(prompt: str, negative_prompt: str) -> Wishes:
    """Return what a prompt and its negative ask for. What is ruled out wins over what is wanted."""
    wanted: set[str] = set()
    banned = {tag for word in _words(negative_prompt) for tag in _ruled_out(word)}
    reach = 0
    for word in _words(prompt):
        if word in _NEGATIONS:
            reach = _NEGATION_REACH
        elif reach and word.isalpha():
            banned.update(_ruled_out(word))
            reach -= 1
        else:
            wanted.update(_meaning(word))
            reach = 0
    return Wishes(frozenset(wanted - banned), frozenset(banned))


def _words(text: str) -> Iterator[str]:
    """Return the words of a text, and its punctuation, which ends what a "no" reaches."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return (match.group() for match in re.finditer(r"[^\W\d_]+|[,.;:!?]", folded))


def _meaning(word: str) -> tuple[str, ...]:
    """Return what a word stands for, in singular or plural."""
    for form in (word, word.removesuffix("s"), word.removesuffix("es")):
        if form in _TAGS:
            return _TAGS[form]
    return ()


def _ruled_out(word: str) -> tuple[str, ...]:
    """Return what a word rules out: the thing it names, not all that comes with it."""
    tags = _meaning(word)
    named = tuple(tag for tag in tags if tag in (word, word.removesuffix("s")))
    return named or tags
