"""What the audience sees: one line a step, with the time since the curtain rose."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text


class Timeline:
    """Prints the story as it happens."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._began = time.monotonic()

    def act(self, title: str) -> None:
        """Open a new act."""
        self.console.print()
        self.console.rule(f"[bold]{title}", align="left", style="dim")

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Show a step while it runs, then that it held, or that it did not."""
        began = time.monotonic()
        try:
            with self.console.status(f"[dim]{what}"):
                yield
        except BaseException:
            self._line("✘", "red", what, began)
            raise
        self._line("✔", "green", what, began)

    @contextmanager
    def starting(self, what: str) -> Iterator[Callable[[], None]]:
        """Show that something comes up; the block calls what it is given once it is there."""
        began = time.monotonic()
        waiting = self.console.status(f"[dim]{what}")
        waiting.start()

        def there() -> None:
            waiting.stop()
            self._line("✔", "green", what, began)

        try:
            yield there
        finally:
            waiting.stop()

    def held(self) -> None:
        """Say that the story is over, and that all of it held."""
        self.console.print("\n[bold green]Every step held.[/]")

    def failed(self, why: str) -> None:
        """Say what did not hold."""
        self.console.print(f"\n[bold red]It did not hold:[/] {why}", markup=True)

    def note(self, what: str) -> None:
        """Tell something without a verdict."""
        self.console.print(Text(f"{'':11}{what}", style="dim"))

    def table(self, title: str, columns: list[str], rows: list[list[str]]) -> None:
        """Show figures."""
        table = Table(
            title=title, title_justify="left", title_style="bold", header_style="dim", pad_edge=False
        )
        for number, column in enumerate(columns):
            table.add_column(column, justify="left" if number == 0 else "right")
        for row in rows:
            table.add_row(*row)
        self.console.print()
        self.console.print(table)

    def _line(self, sign: str, colour: str, what: str, began: float) -> None:
        since, took = time.monotonic() - self._began, time.monotonic() - began
        self.console.print(f"[dim]{since:7.1f} s[/]  [{colour}]{sign}[/]  {what} [dim]({took:.1f} s)[/]")
