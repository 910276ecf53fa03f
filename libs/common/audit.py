"""What an auditor may ask about: said in the transaction in which it is done, kept by privacy's audit ledger."""

from typing import get_args
from uuid import UUID

from libs.common.bus.outbox import Outbox
from libs.common.clock import now
from libs.common.events.privacy import ActionRecordedV1, Holder

SYSTEM = "system"


def staff_actor(staff_id: UUID) -> str:
    """Return how the ledger names a member of staff."""
    return f"staff:{staff_id}"


class Audit:
    """Records one service's actions. Args: service: its name, which is the ledger's stream."""

    def __init__(self, outbox: Outbox, service: str) -> None:
        self._outbox = outbox
        self._stream: Holder = next(name for name in get_args(Holder) if name == service)

    async def record(
        self,
        action: str,
        *,
        ground: str,
        actor: str = SYSTEM,
        subject: UUID | None = None,
        target: str | None = None,
        count: int | None = None,
    ) -> None:
        """Record an action if, and only if, the open transaction commits.

        Args:     action: what was done, such as `dead-letter.redriven`; ground: the reason as a code, no free text;
                  actor: `staff_actor(...)` or the platform itself; subject: the person concerned; target: the id of
                  what it was done to; count: of how many.
        Raises:   NoTransaction: called outside of one.  ValueError: the target is, or names, the person: a bug.
        Effects:  publishes action.recorded.
        """
        if subject is not None and target is not None and str(subject) in target:
            raise ValueError(f"{action}: the ledger keeps the person under a pseudonym, not as the target")
        action_recorded = ActionRecordedV1(
            stream=self._stream,
            action=action,
            actor=actor,
            ground=ground,
            user_id=subject,
            target=target,
            count=count,
            at=now(),
        )
        await self._outbox.add(action_recorded)
