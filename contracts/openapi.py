"""The HTTP API of each service, and all of them as one document for the page at /docs."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from libs.common.events import PRODUCERS

Json = dict[str, Any]

SERVICES = tuple(sorted(PRODUCERS))
TITLE = "Pixera"
ABOUT = "The image service that can prove it forgot you. Errors are problem documents (RFC 9457)."


def files() -> Iterator[tuple[Path, Json]]:
    """Yield each service's OpenAPI document, and the combined one, with the path they belong at."""
    documents = {service: document(service) for service in SERVICES}
    for service, one in documents.items():
        yield Path("openapi") / f"{service}.json", one
    yield Path("openapi/pixera.json"), combined(documents)


def document(service: str) -> Json:
    """Return a service's OpenAPI document; nothing is connected to make it."""
    app = import_module(f"services.{service}.main").create_app("api")
    made: Json = app.openapi()
    return made


def combined(documents: dict[str, Json]) -> Json:
    """Return one document of all services, their schemas kept apart by the service's name."""
    paths: Json = {}
    schemas: Json = {}
    for service, one in documents.items():
        renamed = _renamed(one, service)
        paths |= {path: _tagged(operations, service) for path, operations in renamed["paths"].items()}
        schemas |= {
            f"{service}.{name}": body for name, body in renamed["components"].get("schemas", {}).items()
        }
    security = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": "1", "description": ABOUT},
        "tags": [{"name": service} for service in documents],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"HTTPBearer": security["bearer"]}},
    }


def _renamed(node: Any, service: str) -> Any:
    """Return the document with every schema reference pointing at the service's own."""
    if isinstance(node, list):
        return [_renamed(inner, service) for inner in node]
    if not isinstance(node, dict):
        return node
    prefix = "#/components/schemas/"
    return {
        key: f"{prefix}{service}.{value[len(prefix) :]}"
        if key == "$ref" and isinstance(value, str) and value.startswith(prefix)
        else _renamed(value, service)
        for key, value in node.items()
    }


def _tagged(operations: Json, service: str) -> Json:
    return {
        method: body | {"tags": [service], "operationId": f"{service}_{body['operationId']}"}
        for method, body in operations.items()
    }
