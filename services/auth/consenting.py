"""What people decide about the purposes they are asked about: kept as evidence, and followed at once."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from uuid import UUID

from libs.common.clock import new_id, now
from libs.common.consents import Consents, Standing, allowed
from libs.common.errors import Unauthenticated
from libs.common.events.auth import ConsentChangedV1
from libs.common.events.privacy import RequestOutcome
from libs.common.privacy.annotations import ChosenPurpose
from libs.common.privacy.purposes import DECLARED, Decision
from libs.common.work import UnitOfWork
from services.auth.agreement_models import ConsentDecision
from services.auth.agreements import Agreements
from services.auth.errors import ConsentNeeded, DecisionUnfit
from services.auth.metrics import DECISIONS
from services.auth.models import NO_TASTE
from services.auth.repository import Store

Source = Literal["registration", "account", "request"]


class Consenting:
    """Takes decisions, and stops in auth what they stop."""

    def __init__(self, store: Store, work: UnitOfWork, consents: Consents, agreements: Agreements) -> None:
        self._store, self._work = store, work
        self._consents, self._agreements = consents, agreements

    async def decide(self, user_id: UUID, purpose: ChosenPurpose, state: Decision) -> None:
        """Take a decision of a signed-in person; the same one again changes nothing.

        Raises:   DecisionUnfit (422): one withdraws consent and objects to legitimate interests.
                  Unauthenticated (401): the account is closed.
        Effects:  the decision; what was kept for the purpose goes where it is a no; consent.changed.
        """
        if state not in (Decision.GIVEN, DECLARED[purpose].refusal):
            raise DecisionUnfit(f"send `given` or `{DECLARED[purpose].refusal}`", purpose=purpose.value)
        version = (await self._agreements.in_force()).policy
        changed = await self._work.run(
            lambda: self.enter(user_id, [purpose], state, version, "account"), subject=user_id
        )
        DECISIONS.labels(purpose, state).inc(changed)

    async def enter(
        self,
        user_id: UUID,
        purposes: Iterable[ChosenPurpose],
        state: Decision,
        policy_version: str,
        source: Source,
    ) -> int:
        """Enter a decision about purposes in an open transaction; return how many were decided otherwise before.

        Raises:   Unauthenticated (401): the account is closed.
        Effects:  a row of the history and consent.changed for each purpose that was decided otherwise.
        """
        standings, moment = await self._consents.standings(user_id), now()
        changed = [each for each in purposes if not _is(standings.get(each), state)]
        if changed and not await self._store.users.change(user_id, decided_at=moment):
            raise Unauthenticated("this account is closed")
        for purpose in changed:
            sequence = standings[purpose].sequence + 1 if purpose in standings else 1
            event = ConsentChangedV1(
                user_id=user_id,
                purpose=purpose,
                state=state,
                policy_version=policy_version,
                sequence=sequence,
                changed_at=moment,
            )
            await self._keep(event, source)
        return len(changed)

    async def refuse_all(self, user_id: UUID, kind: Literal["objection", "withdrawal"]) -> RequestOutcome:
        """Withdraw every consent, or object to all that can be objected to, in an open transaction.

        Who wants to say no to one thing only does so in the account; a request by form names none.

        Returns:  what came of it, as a code.
        Effects:  decisions; consent.changed for each.
        """
        no = Decision.WITHDRAWN if kind == "withdrawal" else Decision.OBJECTED
        standings = await self._consents.standings(user_id)
        followed = [
            each.name for each in DECLARED.values() if each.refusal is no and allowed(standings, each.name)
        ]
        version = (await self._agreements.in_force()).policy
        try:
            stopped = await self.enter(user_id, followed, no, version, "request")
        except Unauthenticated:
            return "account-closed"
        return "stopped" if stopped else "nothing-to-stop"

    async def standings(self, user_id: UUID) -> dict[ChosenPurpose, Standing]:
        """Return a person's last word about each purpose that they said something about."""
        return await self._consents.standings(user_id)

    async def history(self, user_id: UUID, after: UUID | None, limit: int) -> list[ConsentDecision]:
        """Return a person's decisions, the latest first."""
        return await self._store.decisions.page(user_id, after, limit)

    async def require(self, user_id: UUID, purpose: ChosenPurpose) -> None:
        """Refuse to use a person's data for a purpose that they did not consent to. Raises ConsentNeeded (409)."""
        if not await self._consents.allows(user_id, purpose):
            raise ConsentNeeded(f"consent to `{purpose}` first", purpose=purpose.value)

    async def allows(self, user_id: UUID, purpose: ChosenPurpose) -> bool:
        """Tell whether a person's data may be used for a purpose, now."""
        return await self._consents.allows(user_id, purpose)

    async def _keep(self, event: ConsentChangedV1, source: Source) -> None:
        await self._store.decisions.add(_decision(event, source, event.changed_at))
        await self._consents.note(event)
        await self._work.outbox.add(event)
        if event.state is not Decision.GIVEN:
            await self._stop(event.user_id, event.purpose)

    async def _stop(self, user_id: UUID, purpose: ChosenPurpose) -> None:
        """Remove what auth keeps for a purpose. Other services hear of it and do their part."""
        if purpose is ChosenPurpose.PERSONALISATION:
            await self._store.users.change(user_id, **NO_TASTE)
        if purpose is ChosenPurpose.SESSION_DEVICES:
            await self._store.sessions.forget_devices(user_id)


def _is(standing: Standing | None, state: Decision) -> bool:
    return standing is not None and standing.decision is state


def _decision(event: ConsentChangedV1, source: Source, moment: datetime) -> ConsentDecision:
    return ConsentDecision(
        id=new_id(),
        user_id=event.user_id,
        purpose=event.purpose,
        state=event.state,
        policy_version=event.policy_version,
        sequence=event.sequence,
        source=source,
        created_at=moment,
    )
