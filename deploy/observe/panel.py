"""What a panel and a dashboard are, and how they are written for Grafana."""

from collections.abc import Iterator
from dataclasses import dataclass

from grafana_foundation_sdk.builders.dashboard import Dashboard as Page
from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

WIDTH = 24
SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")


@dataclass(frozen=True)
class Panel:
    """One picture. Args: queries: each with its legend; unit: Grafana's name of it; wide: in twelfths of the page."""

    title: str
    what: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    wide: int = 6
    now: bool = False


@dataclass(frozen=True)
class Dashboard:
    """One page of panels, in rows."""

    name: str
    title: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]

    def panels(self) -> Iterator[Panel]:
        """Yield all panels."""
        for _, panels in self.rows:
            yield from panels

    def json(self) -> str:
        """Return it as Grafana imports it."""
        page = (
            Page(f"Pixera: {self.title}")
            .uid(f"pixera-{self.name}")
            .tags(["pixera"])
            .refresh("30s")
            .time("now-1h", "now")
            .timezone("utc")
            .with_variable(DatasourceVariable("source").label("Prometheus").type("prometheus"))
        )
        for title, panels in self.rows:
            page = page.with_row(Row(title))
            for panel in panels:
                page = page.with_panel(_drawn(panel))
        return JSONEncoder(sort_keys=True, indent=2).encode(page.build()) + "\n"


def _drawn(panel: Panel) -> Stat | Timeseries:
    drawn: Stat | Timeseries = Stat() if panel.now else Timeseries().fill_opacity(8).line_width(1.5)
    drawn = drawn.title(panel.title).description(panel.what).unit(panel.unit).datasource(SOURCE)
    drawn = drawn.span(panel.wide * 2).height(4 if panel.now else 8)
    for query, legend in panel.queries:
        drawn = drawn.with_target(Dataquery().expr(query).legend_format(legend))
    return drawn
