"""Which secrets each service is handed from the store of secrets, and no others: what it works with."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from pydantic import SecretStr

from deploy.k8s.generate import access
from deploy.k8s.generate.objects import Json, made, text
from deploy.local.services import SECRETS_OF
from libs.common.settings import CommonSettings

API = "external-secrets.io/v1"
FOLDER = Path("components/external-secrets/generated")
STORE = "pixera"
OF_ITS_OWN = frozenset({"PIXERA_MONGO_URI", "PIXERA_S3_ACCESS_KEY", "PIXERA_S3_SECRET_KEY"})
"""What each service has its own of, so that a database or a bucket refuses it what is not its business."""


def files() -> Iterator[tuple[Path, str]]:
    """Yield what fetches each service's secrets."""
    yield FOLDER / "secrets.yaml", text(_fetched(service) for service in access.SERVICES)


def names(service: str) -> set[str]:
    """Return the secrets that a service works with, by setting."""
    return {"PIXERA_MONGO_URI"} | SECRETS_OF[service] | _own_settings(service)


def place(service: str, name: str) -> str:
    """Return where in the store a secret is: what several have to have alike is there once."""
    shared = name not in OF_ITS_OWN and sum(name in names(each) for each in access.SERVICES) > 1
    return f"pixera/{'shared' if shared else service}"


def settings_of(service: str) -> type[CommonSettings]:
    """Return the class of a service's settings."""
    found: type[CommonSettings] = getattr(
        import_module(f"services.{service}.settings"), f"{service.title()}Settings"
    )
    return found


def _own_settings(service: str) -> set[str]:
    fields = settings_of(service).model_fields.keys() - CommonSettings.model_fields.keys()
    return {f"PIXERA_{name.upper()}" for name in fields if _is_secret(settings_of(service), name)}


def _is_secret(settings: type[CommonSettings], name: str) -> bool:
    return SecretStr.__name__ in str(settings.model_fields[name].annotation)


def _fetched(service: str) -> Json:
    spec = {
        "refreshPolicy": "Periodic",
        "refreshInterval": "1h",
        "secretStoreRef": {"kind": "SecretStore", "name": STORE},
        "target": {"name": f"{service}-secrets", "creationPolicy": "Owner"},
        "data": [
            {"secretKey": name, "remoteRef": {"key": place(service, name), "property": name}}
            for name in sorted(names(service))
        ],
    }
    return made("ExternalSecret", API, f"{service}-secrets", spec)
