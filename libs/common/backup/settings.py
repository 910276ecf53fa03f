"""Where backups go, what encrypts them, and how long they are kept (`PIXERA_BACKUP_…`)."""

import base64
import binascii
from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.common.backup.errors import BackupsOff
from libs.common.bus.topics import RETENTION

KEY_BYTES = 32


class BackupSettings(BaseSettings):
    """The platform's backups, and apart from them, those of the keys of people.

    A backup older than the event log could not be restored: nobody would know who was erased since.
    """

    model_config = SettingsConfigDict(env_prefix="PIXERA_BACKUP_", extra="ignore", frozen=True)

    dir: Path | None = Field(None, description="where backups go; none are made where it is not given")
    vault_dir: Path | None = Field(
        None, description="where backups of people's keys go: never beside the others"
    )
    key: SecretStr | None = Field(None, description="base64 of the 32 bytes that encrypt backups")
    vault_key: SecretStr | None = Field(
        None, description="base64 of the 32 bytes that encrypt the vault's backups"
    )
    days: float = Field(14, gt=0, description="how long a backup is kept; less than the event log is")
    vault_days: float = Field(
        3, gt=0, description="how long a backup of the vault is kept; not longer than `days`"
    )
    sweep_every_s: float = Field(60.0, description="how often expired ones are looked for")

    @field_validator("key", "vault_key")
    @classmethod
    def _has_the_right_size(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _decoded(value)
        return value

    @model_validator(mode="after")
    def _ends_before_the_log(self) -> "BackupSettings":
        if not self.vault_kept <= self.kept < RETENTION:
            raise ValueError(
                f"backups are kept for less than the {RETENTION.days} days of the event log, and the vault's for no "
                f"longer than the others: without the log, nobody knows who was erased since"
            )
        if (
            self.dir is not None
            and self.vault_dir is not None
            and self.dir.resolve() == self.vault_dir.resolve()
        ):
            raise ValueError("backups of the vault never lie beside the others: PIXERA_BACKUP_VAULT_DIR")
        return self

    @property
    def kept(self) -> timedelta:
        """Return how long a backup is kept."""
        return timedelta(days=self.days)

    @property
    def vault_kept(self) -> timedelta:
        """Return how long a backup of the vault is kept."""
        return timedelta(days=self.vault_days)

    @property
    def on(self) -> bool:
        """Tell whether backups can be made."""
        return None not in (self.dir, self.vault_dir, self.key, self.vault_key)

    def place(self, *, vault: bool = False) -> tuple[Path, bytes]:
        """Return the folder and the key of one kind of backup. Raises BackupsOff (409)."""
        folder, key = (self.vault_dir, self.vault_key) if vault else (self.dir, self.key)
        if folder is None or key is None:
            raise BackupsOff
        return folder, _decoded(key)


def _decoded(key: SecretStr) -> bytes:
    try:
        raw = base64.b64decode(key.get_secret_value(), validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ValueError(f"a backup key is base64 of {KEY_BYTES} bytes")
    return raw
