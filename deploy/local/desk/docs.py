"""All services' APIs as one OpenAPI document, and a page to read and try it."""

from pathlib import Path

import fastapi_offline
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from deploy.local.home import ROOT

CONTRACT = ROOT / "contracts" / "openapi" / "pixera.json"
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
    """The combined document, as `make contracts` wrote it."""
    return FileResponse(CONTRACT, media_type="application/json")
