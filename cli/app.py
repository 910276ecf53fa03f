"""All commands together."""

import typer

from cli import certificates, erasures, events, mail, status

app = typer.Typer(
    name="pixera",
    help="Pixera for operators, and for anyone who holds a certificate of erasure.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(certificates.app, name="certificate")
app.add_typer(erasures.app, name="erasure")
app.add_typer(events.app, name="events")
app.command("mail")(mail.show)
app.command("status")(status.show)
