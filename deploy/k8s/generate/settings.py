"""Every setting there is, from the classes that read them: `docs/settings.md`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python
from pydantic_settings import BaseSettings

from deploy.k8s.generate.secrets import settings_of
from deploy.local.gateway_routes import SERVICES
from libs.common.backup.settings import BackupSettings
from libs.common.bus.connection import KafkaTls
from libs.common.bus.settings import BusSettings
from libs.common.settings import CommonSettings
from services.billing.providers.sandbox.settings import SandboxSettings

FILE = Path("../../docs/settings.md")
HEAD = """# Settings

Made from the code by `make contracts`; not edited by hand. All come from the environment. On Kubernetes they are in
`settings.env` of the overlay, secrets in `<service>-secrets`. Durations are ISO 8601 (`P14D`).
"""
SHARED: tuple[tuple[str, type[BaseSettings]], ...] = (
    ("Every process", CommonSettings),
    ("The event bus", BusSettings),
    ("Kafka by TLS", KafkaTls),
    ("Backups", BackupSettings),
)


def files() -> Iterator[tuple[Path, str]]:
    """Yield the list."""
    own = [(name.title(), settings_of(name)) for name in SERVICES]
    sections = [_section(title, settings) for title, settings in (*SHARED, *own)]
    yield FILE, HEAD + "".join([*sections, _section("The payment sandbox", SandboxSettings)])


def _section(title: str, settings: type[BaseSettings]) -> str:
    known = CommonSettings.model_fields if settings is not CommonSettings else {}
    prefix = str(settings.model_config["env_prefix"])
    rows = [
        f"| `{prefix}{name.upper()}` | {_default(field)} | {_about(field)} |\n"
        for name, field in settings.model_fields.items()
        if name not in known
    ]
    return f"\n## {title}\n\n| setting | default | |\n|---|---|---|\n{''.join(rows)}"


def _default(field: FieldInfo) -> str:
    """Return what holds where nothing is said. Computed ones depend on the machine."""
    if field.is_required():
        return "has to be given"
    if field.default_factory:
        return "computed"
    return "" if field.default in (None, "") else f"`{_plain(field.default)}`"


def _about(field: FieldInfo) -> str:
    """Return what a setting is. Raises: ValueError: its class does not say it."""
    if not field.description:
        raise ValueError(f"a setting without a description: {field}")
    secret = "**secret**; " if "SecretStr" in str(field.annotation) else ""
    return " ".join(f"{secret}{field.description}".split()).replace("|", "\\|")


def _plain(value: Any) -> str:
    """Return a value as it would be set: durations by ISO 8601, files of this checkout by their name alone."""
    return value.name if isinstance(value, Path) else str(to_jsonable_python(value))
