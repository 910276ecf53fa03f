"""What a page of this repository names, looked for where it says that it is. Nothing that is named is run."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID

from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from cli.app import app
from contracts.references import routes
from deploy.observe import metrics

ROOT = Path(__file__).parents[2]
GENERATED = {"contracts/data-map.md", "docs/metrics.md", "docs/policy-coverage.md", "docs/settings.md"}
"""Written by programs, from what is there."""
FOLDERS = tuple(f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and path.name[0] != ".")
CODE = {".py", ".toml", ".yaml", ".yml", ".env", ".sh"}

FENCE = re.compile(r"```.*?```", re.DOTALL)
TYPED = re.compile(r"^\$ (.+?)(?:  +#.*)?$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
SETTING = re.compile(r"PIXERA_[A-Z0-9_]*[A-Z0-9]")
METRIC = re.compile(r"(pixera_[a-z0-9]+_[a-z0-9_]*[a-z0-9])(?:\{([^}]*)\})?")
ROUTE = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/\S+)")
DOTTED = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]+)+")
NAME = re.compile(r"\b(?:[A-Z][a-z0-9]+){2,}\b|\b[a-z]+(?:_[a-z]+)+\b")
OF_OTHERS = {"OutOfOrderSequenceNumber", "local.oplog.rs"}
"""Names of aiokafka and of MongoDB that stand in no code of ours."""
EVERYWHERE = {"service", "role", "instance", "le"}
"""Labels that each metric has by who is asked for it."""


@dataclass(frozen=True)
class Page:
    """A Markdown file. Args: path: from the root on."""

    path: Path
    text: str

    def links(self) -> Iterator[str]:
        """Yield where it leads to within the repository."""
        yield from (link for link in LINK.findall(FENCE.sub("", self.text)) if not link.startswith("http"))

    def words(self) -> Iterator[str]:
        """Yield what is set as code: between backticks, and behind a prompt."""
        yield from SPAN.findall(FENCE.sub("", self.text))
        yield from (line for fence in FENCE.findall(self.text) for line in TYPED.findall(fence))


def pages() -> list[Page]:
    """Return every page that somebody wrote about the platform; policy and terms are not about it."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
    ours = (path for path in found if not any(part[0] == "." or part == "texts" for part in path.parts))
    return [Page(path, (ROOT / path).read_text()) for path in sorted(ours) if str(path) not in GENERATED]


def wrongs(page: Page) -> list[str]:
    """Return what a page names and is not there."""
    dead = [link for link in page.links() if not _leads(page, link)]
    return dead + [words for words in page.words() if not _holds(page, words)]


def _holds(page: Page, words: str) -> bool:
    return _is_there(page, words) and all(held(words) for held in LOOKED_AT)


def _leads(page: Page, link: str) -> bool:
    path, _, heading = link.partition("#")
    target = ROOT / page.path.parent / path if path else ROOT / page.path
    return target.exists() and (not heading or heading in _headings(target.read_text()))


def _headings(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _is_there(page: Page, words: str) -> bool:
    """Tell whether there are files by that path, or a file of that name; `<word>` and `*` stand for any."""
    if not re.fullmatch(r"[\w<*][\w.<>*/-]+", words):
        return True
    pattern = re.sub(r"<\w+>", "*", words.rstrip("/"))
    if words.startswith(FOLDERS):
        return any(any(folder.glob(pattern)) for folder in (ROOT, ROOT / page.path.parent))
    return not pattern.endswith((".py", ".md", ".toml")) or any(path.match(pattern) for path in _files())


def _is_made(words: str) -> bool:
    """Tell whether the Makefile has the target, and somebody reads the variables."""
    command, *rest = words.split()
    if command != "make" or not rest:
        return True
    read = (ROOT / "Makefile").read_text() + (ROOT / "deploy/images.py").read_text()
    variables = [word.partition("=")[0] for word in rest[1:] if "=" in word]
    return f"\n{rest[0]}:" in read and all(re.search(rf"\b{name}\b", read) for name in variables)


def _is_a_module(words: str) -> bool:
    """Tell whether there is what `python -m` is to run, and the benchmark of that name."""
    if not (found := re.match(r"(?:\.venv/bin/)?python -m (\S+)(?: (\S+))?", words)):
        return True
    module, argument = found.groups()
    benchmarks = (ROOT / "bench/__main__.py").read_text()
    return find_spec(module) is not None and (
        module != "bench" or not argument or f'"{argument}":' in benchmarks
    )


def _is_a_command(words: str) -> bool:
    """Tell whether `pixera` has the command and takes the arguments; named alone, it needs none."""
    typed = re.sub(r"<[^>]+>", str(UUID(int=0)), words).replace(".venv/bin/", "").split()
    if typed[0] != "pixera" or "--help" in typed:
        return True
    command, rest = get_command(app), typed[1:]
    while isinstance(command, TyperGroup) and rest and rest[0] in command.commands:
        command = command.commands[rest.pop(0)]
    if isinstance(command, TyperCommand) and rest:
        return _takes(command, rest)
    return not rest or any(rest[0] in option.opts for option in command.params)


def _takes(command: TyperCommand, arguments: list[str]) -> bool:
    try:
        command.make_context("pixera", arguments)
    except TyperException:
        return False
    return True


def _is_a_setting(words: str) -> bool:
    """Tell whether somebody reads the settings."""
    known = "\n".join(_settings())
    return all(
        f"{name}_" in known if words.endswith("…") else name in _settings() for name in SETTING.findall(words)
    )


def _is_a_metric(words: str) -> bool:
    """Tell whether there are the metrics, with these labels."""
    return all(_measured(name, labels, words.endswith("…")) for name, labels in METRIC.findall(words))


def _measured(name: str, labels: str, begins: bool) -> bool:
    known = _metrics()
    if begins:
        return any(metric.startswith(name) for metric in known)
    plain = name if name in known else re.sub(r"_(count|sum|bucket)$", "", name)
    asked = {label.partition("=")[0] for label in labels.split(",") if label}
    return plain in known and asked <= known[plain]


def _is_a_route(words: str) -> bool:
    """Tell whether there is the route; pages leave out what all paths of a service begin with.

    The sandbox's routes are in no contract, and some of operators neither: those are found where they are made.
    """
    if not (found := ROUTE.match(words)) or found[2].startswith("/pay/"):
        return True
    path = re.sub(r"\\{\w+\\}|<\w+>", r"[^/]+", re.escape(found[2]))
    published = any(re.fullmatch(rf"{found[1]} (/api/\w+/v1)?{path}", route) for route in routes())
    made = found[2].partition("/v1")[2] or found[2]
    return published or f'.{found[1].lower()}("{made}"' in _code()


def _is_named(words: str) -> bool:
    """Tell whether the code has the event, group, code, module, class or function."""
    if words in OF_OTHERS or re.search(r"\s|pixera|\.(py|md)$", words):
        return True
    if DOTTED.fullmatch(words):
        return words in _code() or (ROOT / words.replace(".", "/")).with_suffix(".py").exists()
    return all(name in _words() for name in NAME.findall(words))


@cache
def _metrics() -> dict[str, set[str]]:
    return {metric.name: {*metric.labels, *EVERYWHERE} for metric in metrics.every()}


@cache
def _settings() -> frozenset[str]:
    return frozenset(SETTING.findall(_code() + (ROOT / "docs/settings.md").read_text()))


@cache
def _files() -> tuple[Path, ...]:
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file())
    return tuple(path for path in (*found, *ROOT.glob("*")) if "__pycache__" not in path.parts)


@cache
def _code() -> str:
    """Return all code but this check's own test, which names what is not there."""
    read = (path for path in _files() if path.suffix in CODE or path.name == "Makefile")
    return "\n".join(path.read_text() for path in read if path.name != "test_pages.py")


@cache
def _words() -> frozenset[str]:
    return frozenset(re.findall(r"\w+", _code()))


LOOKED_AT: tuple[Callable[[str], bool], ...] = (
    _is_made,
    _is_a_module,
    _is_a_command,
    _is_a_setting,
    _is_a_metric,
    _is_a_route,
    _is_named,
)
