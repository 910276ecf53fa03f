"""Whose words nothing is drawn of for now, and the end of what was being drawn."""

from libs.common.bus.consumes import Once
from libs.common.events.auth import UserHiddenV1, UserRestrictedV1
from libs.common.suspensions import Changed, Suspensions
from libs.common.work import UnitOfWork
from services.generation.jobs import Jobs


class Suspending:
    """Follows who is hidden and who restricted the use of their data.

    The suspension is there before the jobs are looked for: a job that is asked for at the same moment is either
    found here, or finds the suspension when it looks again (`Jobs.submit`, and `Jobs.admit` for who dies before).
    """

    def __init__(self, suspensions: Suspensions, jobs: Jobs, work: UnitOfWork) -> None:
        self._suspensions, self._jobs, self._work = suspensions, jobs, work

    async def follow(self, event: Changed, once: Once) -> None:
        """Take a change in; where it suspends, end every job of the person that has not ended.

        Effects:  the suspension and the jobs, in transactions of their own that may be repeated; publishes
                  generation.failed for each job.
        """
        await self._work.run(lambda: self._suspensions.note(event), subject=event.user_id)
        suspension = await self._suspensions.of(event.user_id)
        if isinstance(event, UserHiddenV1 | UserRestrictedV1) and suspension and suspension.stops:
            await self._jobs.end_all(event.user_id)
        await once(_followed)


async def _followed() -> None:
    """What there was to write is written. Who may use everything again asks for it anew: credits came back."""
