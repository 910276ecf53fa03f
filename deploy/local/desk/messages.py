"""Reads captured e-mails back."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import lru_cache
from pathlib import Path

LIMIT = 500  # newest first; older ones stay in the folder


@dataclass(frozen=True)
class Message:
    """One captured e-mail."""

    id: str
    received: str
    sender: str
    to: str
    subject: str
    text: str
    html: str

    def as_json(self) -> dict[str, str]:
        """All of it, for tests and scripts."""
        return asdict(self)


def messages(folder: Path, to: str | None = None) -> Iterator[Message]:
    """The captured e-mails, newest first; with `to`, only those this address received."""
    for file in sorted(folder.glob("*.eml"), reverse=True)[:LIMIT]:
        message = read(file)
        if to is None or to.lower() in message.to.lower().split(", "):
            yield message


def find(folder: Path, message_id: str) -> Message | None:
    """One captured e-mail; None when there is none of that id."""
    file = folder / f"{message_id}.eml"
    return read(file) if message_id.isdecimal() and file.exists() else None


@lru_cache(maxsize=2 * LIMIT)
def read(file: Path) -> Message:
    """Parse one file, once: it never changes. Whoever waits for a mail looks again and again."""
    parsed = message_from_bytes(file.read_bytes(), policy=default)
    received = datetime.fromtimestamp(int(file.stem) / 1e9, UTC)
    return Message(
        id=file.stem,
        received=received.isoformat(timespec="seconds"),
        sender=str(parsed.get("From", "")),
        to=str(parsed.get("X-Envelope-To", parsed.get("To", ""))),
        subject=str(parsed.get("Subject", "")),
        text=_body(parsed, "plain"),
        html=_body(parsed, "html"),
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""
