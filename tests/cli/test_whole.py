"""What holds for every command: it says what it is for and how it ends, speaks JSON, and is given no secret."""

import re
from collections.abc import Iterator

import pytest
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from cli.app import app
from cli.output import EXIT_CODES
from tests.cli.conftest import ROOT, pixera

SECRETS = ("password", "passphrase", "secret", "token", "credential", "pem", "private")


def commands(group: TyperGroup, path: str = "pixera") -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    """Yield every command with the words that call it; a group that does something by itself is one too."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, TyperGroup):
            assert command.help, f"{path} {name} does not say what it is for"
            if command.invoke_without_command:
                yield f"{path} {name}", command
            yield from commands(command, f"{path} {name}")
        else:
            assert isinstance(command, TyperCommand)
            yield f"{path} {name}", command


def root() -> TyperGroup:
    command = get_command(app)
    assert isinstance(command, TyperGroup)
    return command


EVERY = dict(commands(root()))


@pytest.mark.parametrize("words", EVERY)
def test_a_command_says_what_it_does_and_how_it_ends(words: str) -> None:
    command = EVERY[words]
    assert command.help
    assert EXIT_CODES in (command.epilog or "")
    silent = [param.name for param in command.params if not getattr(param, "help", None)]
    assert not silent, f"{words}: {silent} have no help"


@pytest.mark.parametrize("words", EVERY)
def test_a_command_speaks_json(words: str) -> None:
    assert any("--json" in param.opts for param in EVERY[words].params)


@pytest.mark.parametrize("words", EVERY)
def test_a_command_takes_no_secret(words: str) -> None:
    """A command line is read by everyone on the machine, and kept in the shell's history."""
    for param in EVERY[words].params:
        names = " ".join(param.opts).lower()
        assert not any(word in names for word in SECRETS), f"{words} {names}"
        if isinstance(param, TyperOption) and "key" in names:
            assert "public key" in (param.help or ""), f"{words} {names}: whose key?"


def named() -> Iterator[str]:
    """Yield the commands that the page about the command names: a group once, then what is in it."""
    group = ""
    for cell in re.findall(r"^\| (`.+?) \|", (ROOT / "cli" / "README.md").read_text(), re.MULTILINE):
        for words in re.findall(r"`([a-z -]+)`", cell):
            *before, last = words.split()
            group = before[0] if before else group
            yield f"pixera {last}" if not before and f"pixera {last}" in EVERY else f"pixera {group} {last}"


def test_the_page_names_every_command() -> None:
    assert set(EVERY) - set(named()) == set()


def test_there_are_commands_to_look_at() -> None:
    assert {"pixera status", "pixera erasure hold", "pixera mail", "pixera backup"} <= set(EVERY)


async def test_the_command_is_installed_and_completes_itself() -> None:
    assert (ROOT / ".venv" / "bin" / "pixera").read_text() == (ROOT / "deploy/local/pixera.sh").read_text()
    script = await pixera("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "_pixera_completion pixera" in script.out
    words = {"_PIXERA_COMPLETE": "complete_bash", "COMP_WORDS": "pixera erasure re", "COMP_CWORD": "2"}
    completed = await pixera(**words)
    assert completed.out.split() == ["resend", "release"]


async def test_whatever_goes_wrong_is_said_without_a_trace() -> None:
    for arguments in (["erasure", "list"], ["status", "--watch", "--json"], ["mail"]):
        ran = await pixera(*arguments, PIXERA_URL="no-address", PIXERA_STAFF_PASSWORD="x")
        assert ran.code == 2, (arguments, ran.out)
        assert ran.err.strip()
        assert "Traceback" not in ran.err
    assert (await pixera("no-such-command")).code == 2
