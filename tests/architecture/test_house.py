"""The rules of the house, held by programs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, ClassVar
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from libs.common.document import Document
from libs.common.events import PRODUCERS
from libs.common.privacy.annotations import Operational, Personal, SubjectId, UndeclaredField, personal_fields

ROOT = Path(__file__).parents[2]
SERVICES = sorted(PRODUCERS)
ROLES = {"README.md", "main.py", "settings.py", "handlers.py", "service.py", "models.py", "repository.py"} | {
    "errors.py",
    "metrics.py",
    "privacy.py",
    "schemas.py",
}
"""What every service has; routes are a module or a package."""

FRAMEWORKS = {"fastapi", "starlette", "faststream", "aiokafka", "motor", "pymongo", "minio", "httpx"}
PURE = ("service", "saga", "ledger")
ONLY_DOORS = {
    "motor": {"libs/common/mongo.py"},
    "pymongo": {
        *("libs/common/mongo.py", "libs/common/collection.py"),
        *("libs/common/vault/cipher.py", "libs/common/vault/kms.py"),
    },
    "minio": {"libs/common/storage.py"},
}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_files(service: str) -> None:
    home = ROOT / "services" / service
    missing = {name for name in ROLES if not (home / name).exists()}
    if not (home / "routes.py").exists() and not (home / "routes").is_dir():
        missing.add("routes.py")
    assert not missing


@pytest.mark.parametrize("path", _sources("services"), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_service_imports_itself_and_the_library_only(path: Path) -> None:
    own = path.relative_to(ROOT / "services").parts[0]
    others = {f"services.{service}" for service in SERVICES if service != own}
    assert not [name for name in _imports(path) if name.startswith(tuple(others))]


@pytest.mark.parametrize(
    "path",
    [path for path in _sources("services") if path.stem in PURE or path.parent.name in PURE],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_domain_imports_no_framework(path: Path) -> None:
    assert not {name.split(".")[0] for name in _imports(path)} & FRAMEWORKS


@pytest.mark.parametrize("path", _sources("services", "libs"), ids=lambda path: str(path.relative_to(ROOT)))
def test_drivers_have_their_doors_and_no_other(path: Path) -> None:
    place = str(path.relative_to(ROOT))
    for name in _imports(path):
        doors = ONLY_DOORS.get(name.split(".")[0], {place})
        assert place in doors, f"{place} imports {name}: only {sorted(doors)} may"


def test_importing_the_services_connects_to_nothing() -> None:
    refuse = "import socket\ndef no(*a, **k): raise SystemExit('connected at import')\nsocket.socket.connect = no\n"
    loads = "\n".join(
        f"import services.{s}.main, services.{s}.handlers, services.{s}.privacy" for s in SERVICES
    )
    done = subprocess.run(
        [sys.executable, "-c", refuse + loads],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_a_field_that_is_silent_about_itself_cannot_be_stored() -> None:
    with pytest.raises(UndeclaredField, match="nickname does not say whether it is personal"):

        class Silent(Document):
            collection: ClassVar[str] = "silent"
            id: SubjectId = Field(alias="_id")
            nickname: str


def test_a_silent_field_inside_a_nested_model_is_found() -> None:
    class Address(BaseModel):
        street: str

    with pytest.raises(UndeclaredField, match=r"address\.street"):

        class Nested(Document):
            collection: ClassVar[str] = "nested"
            id: SubjectId = Field(alias="_id")
            address: list[Address] | None


def test_declared_fields_are_found_by_their_path() -> None:
    class Place(BaseModel):
        city: Annotated[str, Personal("user.contact.address.city")]

    class Declared(Document):
        collection: ClassVar[str] = "declared"
        id: SubjectId = Field(alias="_id")
        places: list[Place]
        made: Operational[int]
        owner: Operational[UUID | None] = None

    assert set(personal_fields(Declared)) == {"_id", "places.city"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_document_of_a_service_is_in_its_holdings(service: str) -> None:
    places = sorted((ROOT / "services" / service).rglob("*models.py"))
    modules = [
        import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for path in places
        if "providers" not in path.parts  # another party's system, run here with a database of its own
    ]
    declared = set(import_module(f"services.{service}.privacy").HOLDINGS.documents)
    own = {
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Document) and kind is not Document
    }
    assert own <= declared


@pytest.mark.parametrize(
    "path", _sources("services", "libs", "cli"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_public_functions_say_what_they_are_for(path: Path) -> None:
    tree = ast.parse(path.read_text())
    silent = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and node in tree.body
        and not ast.get_docstring(node)
    ]
    assert not silent, f"{path.name}: {silent} have no docstring"
