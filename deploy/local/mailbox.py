"""`make mail`: the e-mails that the platform at `.pixera` captured, in the terminal."""

import sys

from rich.console import Console
from rich.panel import Panel

from deploy.local.desk.messages import messages
from deploy.local.home import DEFAULT_HOME, Home


def main() -> int:
    """Print what was captured, oldest first."""
    console = Console()
    captured = list(messages(Home(DEFAULT_HOME).mail))
    for message in reversed(captured):
        title = f"{message.subject} · {message.received}"
        console.print(
            Panel(message.text.strip(), title=title, subtitle=f"to {message.to}", title_align="left")
        )
    if not captured:
        console.print("No e-mail was captured yet.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
