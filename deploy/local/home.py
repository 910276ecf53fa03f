"""Where one stack keeps its data, logs, e-mails, secrets and what it says about itself."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_HOME = ROOT / ".pixera"


@dataclass(frozen=True)
class Home:
    """One stack's folder; two stacks never share one."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def mail(self) -> Path:
        return self.root / "mail"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def backups(self) -> Path:
        return self.root / "backups"

    @property
    def vault_backups(self) -> Path:
        return self.root / "vault-backups"

    @property
    def stack_file(self) -> Path:
        """What runs where; `spawn.Stack` reads it."""
        return self.run / "stack.json"

    def log(self, name: str) -> Path:
        """The log of one process."""
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Effects: the folders exist, readable by this user only."""
        for folder in (
            *(self.root, self.data, self.logs, self.mail, self.run, self.secrets),
            *(self.backups, self.vault_backups),
        ):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)

    def keep_last_logs(self) -> None:
        """Effects: this run's logs start empty; the last run's are beside them as `<name>.1`."""
        for log in self.logs.iterdir():
            if log.suffix != ".1":
                log.replace(log.with_name(f"{log.name}.1"))

    def empty(self) -> None:
        """Effects: data, e-mails, logs, secrets and the backups they open are gone; nothing else is touched."""
        for folder in (self.data, self.mail, self.logs, self.secrets, self.backups, self.vault_backups):
            shutil.rmtree(folder, ignore_errors=True)


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log, for a person who must see why something died."""
    if not log.exists():
        return "(it wrote no log)"
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 8_192))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-count:]) or "(its log is empty)"
