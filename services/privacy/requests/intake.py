"""Receiving requests: the form is held to its limits, and a request that is made twice is one."""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from libs.common.clock import new_id, now
from libs.common.mailing.request_news import News, reference_of
from libs.common.pacing import Pace, Pacing
from libs.common.work import UnitOfWork
from services.privacy.errors import AddressNeeded, ChallengeFailed, MessageTooLong
from services.privacy.metrics import REQUESTS_FILED
from services.privacy.policies.texts import Language
from services.privacy.requests import kinds, state
from services.privacy.requests.accepting import Accepting
from services.privacy.requests.access import Access, Caller
from services.privacy.requests.challenges import Challenges
from services.privacy.requests.kinds import Kind
from services.privacy.requests.models import (
    PersonRequest,
    ProvenBy,
    RequestMessage,
    State,
)
from services.privacy.requests.rows import PersonRequests, RequestMessages, SpentChallenges
from services.privacy.requests.telling import Telling

MOST_CHARACTERS = 10_000
ADDRESS_PACE = Pace(free=3, first_delay_s=60, longest_delay_s=86_400)
NETWORK_PACE = Pace(free=20, first_delay_s=30, longest_delay_s=3_600)
PERSON_PACE = Pace(free=10, first_delay_s=60, longest_delay_s=3_600)


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody filled in. Args: solution: of a challenge, by who is not signed in. Personal: all of it."""

    kind: Kind
    text: str = field(repr=False)
    language: Language
    email: str | None = field(default=None, repr=False)
    for_another: bool = False
    solution: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Person:
    """Whose a new request is. Args: proven: how, where it is proven who asks."""

    id: UUID
    has_account: bool
    proven: ProvenBy | None


class Intake:
    """Takes requests in."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        requests: PersonRequests,
        messages: RequestMessages,
        spent: SpentChallenges,
        access: Access,
        accepting: Accepting,
        challenges: Challenges,
        pacing: Pacing,
        telling: Telling,
    ) -> None:
        self._work, self._requests, self._messages, self._spent = work, requests, messages, spent
        self._access, self._accepting, self._challenges = access, accepting, challenges
        self._pacing, self._telling = pacing, telling

    async def file(self, form: Form, caller: Caller, network: str) -> PersonRequest:
        """Take a request in; return its case, or the open one of the same kind that it was joined to.

        Raises:   MessageTooLong (413), AddressNeeded (422), ChallengeFailed (422), TooMany (429); ProofInvalid (401).
        Effects:  a case with a due date, a mail; request.accepted, where who asks is proven and has to be.
        """
        require_short(form.text)
        person = await self._person(form, caller)
        if form.email is None and not person.has_account:
            raise AddressNeeded
        await self._take_work(form, caller)
        await self._pace(form, person, network)

        async def write() -> PersonRequest:
            return await self._join(form, person) or await self._begin(form, person)

        case = await self._work.run(write, subject=person.id)
        REQUESTS_FILED.labels(form.kind.value, "yes" if person.has_account else "no").inc()
        return case

    async def _person(self, form: Form, caller: Caller) -> _Person:
        """Return whose the request is. A session that is too old to prove it still says who wrote.

        Who asks for somebody else is nobody yet: staff find out whose account it is about.
        """
        if form.for_another:
            return _Person(uuid4(), has_account=False, proven=None)
        if caller.proof is not None:
            user_id, by = await self._access.proven(caller)
            return _Person(user_id, has_account=True, proven=by)
        if caller.user is None:
            return _Person(uuid4(), has_account=False, proven=None)
        recent = self._access.is_recent(caller.user)
        return _Person(caller.user.id, has_account=True, proven="session" if recent else None)

    async def _take_work(self, form: Form, caller: Caller) -> None:
        """Use up a stranger's work, before anything is counted: nobody gets another's address blocked for nothing."""
        if caller.user is not None or caller.proof is not None:
            return
        if form.solution is None:
            raise ChallengeFailed
        spent = self._challenges.solved(form.solution)
        await self._work.run(lambda: self._spent.spend(spent))

    async def _pace(self, form: Form, person: _Person, network: str) -> None:
        """Count a form by who sent it, and from where: by keyed hashes that last for a day."""
        key = self._pacing.key
        if person.has_account:
            paces = {key("request", str(person.id)): PERSON_PACE}
        else:
            address = (form.email or "").strip().casefold()
            paces = {key("request", address): ADDRESS_PACE, key("request-network", network): NETWORK_PACE}
        await self._pacing.enter("request", paces, person.id if person.has_account else None)

    async def _join(self, form: Form, person: _Person) -> PersonRequest | None:
        """Add the form to an open request of the same kind of the same person, where there is one."""
        if form.kind.is_report or not person.has_account:
            return None
        case = await self._requests.open_of(person.id, form.kind)
        if case is None or case.for_another:
            return None
        await self._messages.add(written(case, form.text))
        if case.state is State.UNPROVEN and person.proven is not None:
            state.prove(case, person.proven, now())
            await self._accepting.accept(case)
        await self._requests.save(case)
        return case

    async def _begin(self, form: Form, person: _Person) -> PersonRequest:
        case = _case_of(form, person)
        await self._requests.add(case)
        await self._messages.add(written(case, form.text))
        await self._telling.tell(case, _first_news(case))
        if case.state is State.ACCEPTED:
            await self._accepting.publish(case)
        return case


def require_short(text: str) -> None:
    """Refuse a message that is too long. Raises MessageTooLong (413)."""
    if len(text) > MOST_CHARACTERS:
        raise MessageTooLong(f"at most {MOST_CHARACTERS} characters", most=MOST_CHARACTERS)


def written(case: PersonRequest, text: str, *, by: str | None = None) -> RequestMessage:
    """Return a message of a request. Args: by: the operator who wrote it; the person, if nobody is named."""
    return RequestMessage(
        id=new_id(),
        request_id=case.id,
        user_id=case.user_id,
        author="staff" if by else "person",
        by=by,
        text=text,
        created_at=now(),
    )


def _case_of(form: Form, person: _Person) -> PersonRequest:
    request_id, moment = new_id(), now()
    due = kinds.due_at(form.kind, moment)
    proven = person.proven if form.kind.right else None
    return PersonRequest(
        id=request_id,
        user_id=person.id,
        reference=reference_of(request_id),
        kind=form.kind,
        state=_first_state(form.kind, proven),
        language=form.language,
        email=None if person.has_account else form.email,
        has_account=person.has_account,
        for_another=form.for_another,
        proven_by=proven,
        proven_at=moment if proven else None,
        created_at=moment,
        due_at=due,
        remind_at=kinds.remind_at(moment, due),
    )


def _first_state(kind: Kind, proven: ProvenBy | None) -> State:
    if kind.right is None:
        return State.OPEN
    return State.ACCEPTED if proven else State.UNPROVEN


def _first_news(case: PersonRequest) -> News:
    return News.UNPROVEN if case.state is State.UNPROVEN else News.RECEIVED
