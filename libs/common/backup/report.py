"""What a restore did, kept by privacy: for the audit when it starts again, and for people."""

from datetime import datetime
from typing import ClassVar

from pydantic import Field

from libs.common.document import Document, Restored
from libs.common.privacy.annotations import Operational


class RestoreReport(Document):
    """One restore that came to its end.

    Args:     erased, frozen: people who left since the backup; lost: events by type that were published after the
              backup's moment and have no effect any more; certificates_lost: numbers of the chain that nobody has;
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
    lost: Operational[list[tuple[str, int]]]
    certificates_lost: Operational[list[int]]
    recorded: Operational[bool] = False
