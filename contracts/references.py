"""What a page says of the code, looked for where it says that it is. Code and tests are read, and not run."""

import ast
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from typer.core import TyperGroup
from typer.main import get_command

from cli.app import app

ROOT = Path(__file__).parents[1]


def path_of_code(reference: str) -> Path:
    """Return the file of a `module:name`, from the root on."""
    path = Path(*reference.partition(":")[0].split("."))
    package = path / "__init__.py"
    return package if (ROOT / package).exists() else path.with_suffix(".py")


def path_of_test(reference: str) -> Path:
    """Return the file of a test's node id, from the root on."""
    return Path(reference.partition("::")[0])


def is_code(reference: str) -> bool:
    """Tell whether there is that name in that module: of a class, a function, a constant, or a class's method."""
    return reference.partition(":")[2] in _names(ROOT / path_of_code(reference))


def is_test(reference: str) -> bool:
    """Tell whether there is that test in that file, where pytest collects it."""
    path, name = path_of_test(reference), reference.partition("::")[2]
    collected = path.parts[:1] == ("tests",) and path.name.startswith("test_") and name.startswith("test_")
    return collected and name in _names(ROOT / path)


def is_route(reference: str) -> bool:
    """Tell whether the published contract has that method of that address."""
    return reference in routes()


def is_command(reference: str) -> bool:
    """Tell whether `pixera` has a command of those words."""
    return reference in _commands()


@cache
def routes() -> frozenset[str]:
    """Return every route of the published contracts, as `METHOD path`."""
    paths = json.loads((ROOT / "contracts/openapi/pixera.json").read_text())["paths"]
    return frozenset(f"{method.upper()} {path}" for path, methods in paths.items() for method in methods)


@cache
def _names(path: Path) -> frozenset[str]:
    """Return what a file defines; nothing, where there is no such file."""
    return frozenset(_defined(ast.parse(path.read_text()).body)) if path.is_file() else frozenset()


def _defined(body: Iterable[ast.stmt], prefix: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from _defined(node.body, f"{node.name}.")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))


@cache
def _commands() -> frozenset[str]:
    command = get_command(app)
    return frozenset(_commands_of(command, "pixera") if isinstance(command, TyperGroup) else ())


def _commands_of(group: TyperGroup, words: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if not isinstance(command, TyperGroup) or command.invoke_without_command:
            yield f"{words} {name}"
        if isinstance(command, TyperGroup):
            yield from _commands_of(command, f"{words} {name}")
