"""What a restore did, kept by privacy: for the audit when it starts again, and for people."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from libs.common.document import Document, Restored
from libs.common.privacy.annotations import Operational


class RestoreReport(Document):
    """One restore that came to its end.

    Args:     erased, frozen: people who left since the backup; hidden: who asked to be deleted since, and may still
              come back; lost: events by type that were published after the backup's moment and have no effect any
              more; certificates_lost: numbers of the chain that nobody has; keys_back: people's keys that came back,
              None where the vault has no backup of that moment; keyless: accounts whose person has no key;
              recorded: the audit was told.
    """

    collection: ClassVar[str] = "restores"
    restored: ClassVar[Restored] = Restored.KEPT

    id: Operational[str] = Field(alias="_id")
    backup: Operational[str]
    made_at: Operational[datetime]
    restored_at: Operational[datetime]
    rows: Operational[int]
    objects: Operational[int]
    erased: Operational[int]
    frozen: Operational[int]
    hidden: Operational[int] = 0
    lost: Operational[list[tuple[str, int]]]
    certificates_lost: Operational[list[int]]
    keys_back: Operational[int | None] = None
    keyless: Operational[int] = 0
    recorded: Operational[bool] = False
