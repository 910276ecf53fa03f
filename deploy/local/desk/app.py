"""The process behind /mail and /docs; it also receives the e-mails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from deploy.local.desk import docs, mail_pages
from deploy.local.desk.smtp import receive_into
from deploy.local.ports import HOST


def create_app(mailbox: str, smtp_port: str, smtp_host: str = HOST) -> Starlette:
    """Args: mailbox: the folder e-mails go to. smtp_port, smtp_host: where they are received."""
    folder = Path(mailbox)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with receive_into(folder, int(smtp_port), smtp_host):
            yield

    app = Starlette(
        routes=[Route("/readyz", ready), *docs.routes(), *mail_pages.routes()],
        lifespan=lifespan,
    )
    app.state.mailbox = folder
    return app


async def ready(_: Request) -> Response:
    """E-mails are received from the moment this is served."""
    return PlainTextResponse("ready")
