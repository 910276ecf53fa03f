"""All services' APIs as one OpenAPI document, and a page to read and try it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import fastapi_offline
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from deploy.local.home import ROOT

Json = dict[str, Any]

CONTRACTS = ROOT / "contracts" / "openapi"
STATIC = Path(__file__).parent / "static"
SWAGGER_UI = Path(fastapi_offline.__file__).parent / "static"

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Pixera API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/docs/ui/swagger-ui.css"><link rel="stylesheet" href="/docs/static/docs.css">
<div id="api"></div>
<script src="/docs/ui/swagger-ui-bundle.js"></script><script src="/docs/static/docs.js"></script></html>"""


def routes() -> list[BaseRoute]:
    """What /docs is made of; every file comes from this machine."""
    return [
        Route("/docs", page),
        Route("/openapi.json", document),
        Mount("/docs/static", StaticFiles(directory=STATIC)),
        Mount("/docs/ui", StaticFiles(directory=SWAGGER_UI)),
    ]


async def page(_: Request) -> Response:
    """The page, by Swagger UI."""
    return HTMLResponse(PAGE)


async def document(_: Request) -> Response:
    """The combined document."""
    return JSONResponse(await asyncio.to_thread(combined))


def combined() -> Json:
    """One OpenAPI document of the committed ones, as they are now."""
    paths: Json = {}
    components: Json = {}
    tags = []
    for file in sorted(CONTRACTS.glob("*.json")):
        service = file.stem
        part = _apart(json.loads(file.read_text()), service)
        tags.append({"name": service, "description": part["info"].get("description", "")})
        paths |= {path: _tagged(item, service) for path, item in part["paths"].items()}
        for kind, members in part.get("components", {}).items():
            components.setdefault(kind, {}).update(members)
    info = {"title": "Pixera", "version": "v1", "description": "Every service, behind one gateway."}
    return {"openapi": "3.1.0", "info": info, "tags": tags, "paths": paths, "components": components}


def _apart(part: Json, service: str) -> Json:
    """Two services may name a schema alike: each name gets its service's in front."""
    names = part.get("components", {}).get("schemas", {})
    text = json.dumps(part)
    for name in names:
        text = text.replace(f'"#/components/schemas/{name}"', f'"#/components/schemas/{service}.{name}"')
    renamed: Json = json.loads(text)
    if names:
        schemas = renamed["components"]["schemas"]
        renamed["components"]["schemas"] = {f"{service}.{name}": schema for name, schema in schemas.items()}
    return renamed


def _tagged(item: Json, service: str) -> Json:
    return {
        method: operation | {"tags": [service]} if isinstance(operation, dict) else operation
        for method, operation in item.items()
    }
