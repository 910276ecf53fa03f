"""What every broker of ours must be told, wherever it runs."""

from pathlib import Path

import pytest
import yaml

from deploy.local.components import kafka
from deploy.local.home import ROOT
from libs.common.bus.topics import LONGEST_SEGMENT, event_topics

STRIMZI = ROOT / "deploy" / "k8s" / "components" / "strimzi" / "kafka.yaml"


def here() -> dict[str, str]:
    """Return the settings of `make run`'s broker."""
    lines = kafka.properties(Path("data"), 1, 2).splitlines()
    return dict(line.split("=", 1) for line in lines)


def on_kubernetes() -> dict[str, str]:
    """Return the settings that the operator gives each broker."""
    told = next(one for one in yaml.safe_load_all(STRIMZI.read_text()) if one["kind"] == "Kafka")
    return {name: str(value) for name, value in told["spec"]["kafka"]["config"].items()}


@pytest.mark.parametrize("settings", [here(), on_kubernetes()], ids=["local", "kubernetes"])
def test_a_group_that_was_away_finds_its_positions_for_as_long_as_there_are_records(
    settings: dict[str, str],
) -> None:
    longest = max(topic.retention for topic in event_topics()) + LONGEST_SEGMENT
    assert int(settings["offsets.retention.minutes"]) * 60 >= longest.total_seconds()
    assert int(settings["message.max.bytes"]) == kafka.MESSAGE_LIMIT
