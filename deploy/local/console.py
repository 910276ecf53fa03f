"""What the person at the terminal sees."""

import sys
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from deploy.local.home import last_lines
from deploy.local.supervisor import Running


class Progress:
    """A table that fills while things start; plain lines where there is no terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._out = Console(quiet=quiet, highlight=False)
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True)
        self._rows: dict[str, str | Spinner] = {}
        self._live: Live | None = None
        if self._out.is_terminal and not quiet:
            self._live = Live(console=self._out, refresh_per_second=12, transient=True)

    def __enter__(self) -> "Progress":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()

    def begin(self, *names: str) -> None:
        """These are starting now."""
        for name in names:
            self._show(name, Spinner("dots", "[dim]starting[/]"))

    def ready(self, entry: Running) -> None:
        """This is up."""
        name, note = entry.program.name, f"ready in {entry.took:.1f} s"
        if entry.restarts > 0:
            self._out.print(f"[green]✓[/] {name} is back (process {entry.pid})")
        elif self._live:
            self._show(name, f"[green]✓[/] [dim]{note}[/]")
        else:
            self._out.print(f"  {name:<20} {note}")

    def died(self, entry: Running, ending: str, delay: float) -> None:
        """This ended and will be started again."""
        name, log = entry.program.name, entry.program.log
        self._errors.print(
            f"[red]✗[/] {name} {ending}; starting it again in {delay:.1f} s. The end of {log}:"
        )
        self._errors.print(last_lines(log, 6), style="dim", markup=False)

    def finish(self) -> None:
        """Starting is over, well or not."""
        if self._live:
            self._live.stop()
            self._live = None

    def say(self, line: str) -> None:
        """One line, whatever else is shown."""
        self._out.print(line)

    def fail(self, message: str) -> None:
        """Why the stack does not run."""
        self._errors.print("[bold red]pixera:[/]", end=" ")
        self._errors.print(message, markup=False)

    def announce(self, address: str, places: dict[str, str]) -> None:
        """The line everybody waits for; scripts read it, so it is printed plainly and even when quiet."""
        self.finish()
        print(f"pixera ready: {address}", flush=True)
        for name, place in places.items():
            self._out.print(f"  {name:<10} {place}", soft_wrap=True)
        sys.stdout.flush()

    def _show(self, name: str, state: str | Spinner) -> None:
        self._rows[name] = state
        if self._live:
            table = Table.grid(padding=(0, 2))
            for row, shown in self._rows.items():
                table.add_row(f"  {row}", shown)
            self._live.update(table)
