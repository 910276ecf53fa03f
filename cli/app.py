"""All commands together."""

import typer

from cli import (
    audit,
    backup,
    certificates,
    data_map,
    dlq,
    erasures,
    events,
    exports,
    holds,
    keys,
    mail,
    policies,
    requests,
    retention,
    status,
)
from cli.output import EXIT_CODES

app = typer.Typer(
    name="pixera",
    help="Pixera for operators, and for anyone who holds a certificate of erasure.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("status")(status.show)
app.add_typer(erasures.app, name="erasure")
app.add_typer(exports.app, name="export")
app.add_typer(dlq.app, name="dlq")
app.add_typer(certificates.app, name="certificate")
app.add_typer(audit.app, name="audit")
app.add_typer(events.app, name="events")
app.add_typer(holds.app, name="hold")
app.add_typer(keys.app, name="keys")
app.command("data-map")(data_map.show)
app.add_typer(backup.app, name="backup")
app.command("restore")(backup.restore)
app.add_typer(policies.app, name="policy")
app.add_typer(requests.app, name="requests")
app.add_typer(retention.app, name="retention")
app.command("mail")(mail.show)


def _tell_exit_codes(group: typer.Typer) -> None:
    """Have the help of every command end with what its exit codes mean."""
    for command in group.registered_commands:
        command.epilog = command.epilog or EXIT_CODES
    for below in group.registered_groups:
        if (inner := below.typer_instance) is not None:
            if inner.info.invoke_without_command is True:  # the group is a command itself
                inner.info.epilog = EXIT_CODES
            _tell_exit_codes(inner)


_tell_exit_codes(app)
