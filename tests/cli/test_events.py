"""`pixera events`: somebody's timeline, and the log written into a file that is whole or is not there."""

import hashlib
import json
from pathlib import Path
from uuid import uuid4

import pytest
import typer

from cli.event_stream import Line, followed, write_file
from cli.output import UNKNOWN
from libs.common.bus.topics import ensure_topics
from tests.cli.conftest import pixera
from tests.privacy.conftest import Privacy
from tests.privacy.test_history import life_of, publish


@pytest.fixture
async def topics(privacy: Privacy) -> None:
    await ensure_topics(privacy.settings.kafka_bootstrap)


async def test_a_timeline_is_a_table_or_json(privacy: Privacy, api: dict[str, str], topics: None) -> None:
    me = uuid4()
    await publish(privacy, *life_of(me))
    ran = await pixera("events", "timeline", "--subject", str(me), **api)
    assert ran.code == 0, ran.err
    assert ran.out.index("user.registered.v1") < ran.out.index("credits.granted.v1")
    assert "sealed_caption=erased" in ran.out
    as_json = await pixera("events", "timeline", "--subject", str(me), "--json", **api)
    assert json.loads(as_json.out)[0]["topic"] == "user.registered"


async def test_a_replay_goes_to_stdout_or_a_file_with_a_manifest(
    privacy: Privacy,
    api: dict[str, str],
    topics: None,
    tmp_path: Path,
) -> None:
    me = uuid4()
    await publish(privacy, *life_of(me))
    mine = ("events", "replay", "--subject", str(me))
    ran = await pixera(*mine, "--json", "--type", "pixera.user.verified.v1", **api)
    assert ran.code == 0, ran.err
    assert [json.loads(line)["topic"] for line in ran.out.splitlines()] == ["user.verified"]
    file = tmp_path / "mine.jsonl"
    ran = await pixera(*mine, "--to", str(file), "--rate", "100", **api)
    assert ran.code == 0, ran.err
    *lines, last = file.read_bytes().splitlines(keepends=True)
    manifest = json.loads(last)
    assert (manifest["events"], manifest["malformed"], len(lines)) == (5, 0, 5)
    assert manifest["sha256"] == hashlib.sha256(b"".join(lines)).hexdigest()
    unknown = await pixera("events", "replay", "--type", "pixera.nothing.v1", "--to", str(file), **api)
    assert unknown.code == 2
    assert json.loads(file.read_bytes().splitlines()[-1]) == manifest


def test_a_stream_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    event: Line = {"kind": "event", "type": "pixera.user.verified.v1"}
    progress: Line = {"kind": "progress", "read": 1, "of": 2, "events": 1, "malformed": 0}
    for lines in ([event, progress], [event, progress | {"kind": "failed", "code": "log-unavailable"}]):
        with pytest.raises(typer.Exit) as raised, followed(iter(lines)) as records:
            write_file(file, records)
        assert raised.value.exit_code == UNKNOWN
        assert list(tmp_path.iterdir()) == []


def test_no_file_is_written_over(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text("before")
    with pytest.raises(typer.Exit) as raised:
        write_file(file, iter([]))
    assert (raised.value.exit_code, file.read_text()) == (UNKNOWN, "before")


async def test_what_makes_no_sense_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text("before")
    for arguments, said in (
        (("replay", "--to", "billing.grant-credits", "--yes"), "--to group:billing.grant-credits"),
        (("replay", "--to", str(file)), "exists already"),
        (("replay", "--to", "group:nobody.reads"), "begin with their service"),
        (("rebuild", "gallery.images", "--yes"), "--swap --yes"),
    ):
        ran = await pixera("events", *arguments, PIXERA_URL="http://127.0.0.1:9")
        assert (ran.code, said in ran.err) == (2, True), ran.err
