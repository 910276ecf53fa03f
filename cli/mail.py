"""`pixera mail`: the e-mails that a local platform captured instead of sending."""

from typing import Annotated

import typer
from rich.panel import Panel
from rich.text import Text

from cli.output import AsJson, console, emit
from cli.platform import Platform


def show(
    to: Annotated[str | None, typer.Option(help="Only those to this address.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the captured e-mails, oldest first."""
    platform = Platform()
    messages = platform.get(f"{platform.gateway}/mail/api/messages", **({"to": to} if to else {}))
    if as_json:
        emit(messages)
        return
    for message in reversed(messages):
        title = f"{message['subject']} · {message['received']}"
        body = Text(message["text"].strip())
        console().print(
            Panel(body, title=Text(title), subtitle=Text(f"to {message['to']}"), title_align="left")
        )
    if not messages:
        console().print("No e-mail was captured yet.")
