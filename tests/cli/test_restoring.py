"""What a restore that did not come to its end says: whether anything was changed, and what to do now."""

import pytest
import typer

from cli.restoring import give_up
from libs.common.backup.errors import BackupKeyWrong, BackupNotFound, LogLost, ProofDiverged, StillThere
from libs.common.bus.replay import LogUnavailable
from tests.cli.conftest import pixera

REFUSED, UNCHANGED, LOCKED = "Refused: ", "Nothing was changed", "No service starts before it is"


@pytest.mark.parametrize("error", [BackupNotFound(), BackupKeyWrong(), LogLost(), ProofDiverged()], ids=repr)
def test_a_refusal_says_that_nothing_was_changed(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(error, locked=False) == 1
    said = capsys.readouterr().err
    assert (REFUSED in said, UNCHANGED in said, LOCKED in said) == (True, True, False)


@pytest.mark.parametrize("error", [LogUnavailable(), OSError(), RuntimeError()], ids=repr)
def test_what_fails_before_the_mark_changed_nothing_either(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(error, locked=False) == 2
    said = capsys.readouterr().err
    assert (REFUSED in said, UNCHANGED in said, LOCKED in said) == (False, True, False)


@pytest.mark.parametrize(
    "error", [BackupKeyWrong(), ProofDiverged(), StillThere(), OSError(), KeyError("x")], ids=repr
)
def test_whatever_ends_it_after_the_mark_says_that_services_are_locked_out(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(error, locked=True) == 2
    said = capsys.readouterr().err
    assert (REFUSED in said, UNCHANGED in said, LOCKED in said) == (False, False, True)
    assert "docs/runbooks/restore.md" in said


async def test_settings_that_are_missing_are_named() -> None:
    ran = await pixera("restore", "20261126t080000z-abcdef", "--yes", PIXERA_HOME="/nowhere")
    assert ran.code == 2
    assert "Settings are missing or wrong: PIXERA_" in ran.err


def ended(error: Exception, *, locked: bool) -> int:
    """Return the exit code that an error ends the command with."""
    with pytest.raises(typer.Exit) as ending:
        give_up(error, locked=locked)
    return ending.value.exit_code
