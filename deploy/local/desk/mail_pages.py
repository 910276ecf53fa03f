"""The captured e-mails as a page for people and as JSON for tests."""

import asyncio
import re
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from deploy.local.desk.messages import Message, find, messages

LINK = re.compile(r"https?://[^\s<>\"']+")

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
 body {{ font: 16px/1.5 system-ui, sans-serif; margin: 0; background: #f6f5fb; color: #1d1b2c }}
 header {{ background: linear-gradient(100deg, #5b3df5, #c13df5); color: #fff; padding: 1.2rem 2rem }}
 header a {{ color: #fff }}
 main {{ max-width: 56rem; margin: 1.5rem auto; padding: 0 1rem }}
 .message {{ display: block; background: #fff; border-radius: .7rem; padding: .9rem 1.2rem; margin: .6rem 0;
   text-decoration: none; color: inherit; box-shadow: 0 1px 3px #0002 }}
 .message:hover {{ box-shadow: 0 3px 10px #5b3df533 }}
 small {{ color: #6b6880 }} pre {{ white-space: pre-wrap; font: inherit }} h1 {{ margin: 0; font-size: 1.3rem }}
</style>
<header><h1>{title}</h1><small style="color:#fff">{note}</small></header><main>{body}</main></html>"""


def routes() -> list[Route]:
    """What /mail is made of."""
    return [
        Route("/mail", list_page),
        Route("/mail/", list_page),
        Route("/mail/api/messages", list_json),
        Route("/mail/{message_id:int}", message_page),
    ]


async def list_page(request: Request) -> Response:
    """Every captured e-mail, newest first."""
    found = await _messages(request)
    rows = "".join(_row(message) for message in found)
    empty = "<p>None yet. What Pixera would send appears here; nothing leaves this machine.</p>"
    return _page("Captured e-mails", f"{len(found)} kept on this machine, none sent", rows or empty)


async def list_json(request: Request) -> Response:
    """Every captured e-mail as JSON; `?to=address` chooses."""
    return JSONResponse([message.as_json() for message in await _messages(request)])


async def message_page(request: Request) -> Response:
    """One captured e-mail."""
    folder: Path = request.app.state.mailbox
    message = await asyncio.to_thread(find, folder, str(request.path_params["message_id"]))
    if message is None:
        return _page("Not found", "There is no such e-mail", '<p><a href="/mail/">All e-mails</a></p>', 404)
    text = LINK.sub(lambda link: f'<a href="{link[0]}">{link[0]}</a>', escape(message.text, quote=False))
    body = f'<div class="message"><small>{_addresses(message)}</small><pre>{text}</pre></div>'
    return _page(message.subject, message.received, f'{body}<p><a href="/mail/">All e-mails</a></p>')


async def _messages(request: Request) -> list[Message]:
    folder: Path = request.app.state.mailbox
    to = request.query_params.get("to")
    return await asyncio.to_thread(lambda: list(messages(folder, to)))


def _row(message: Message) -> str:
    return (
        f'<a class="message" href="/mail/{message.id}"><strong>{escape(message.subject)}</strong><br>'
        f"<small>{_addresses(message)}, {escape(message.received)}</small></a>"
    )


def _addresses(message: Message) -> str:
    return f"{escape(message.sender)} → {escape(message.to)}"


def _page(title: str, note: str, body: str, status: int = 200) -> Response:
    return HTMLResponse(PAGE.format(title=escape(title), note=escape(note), body=body), status)
