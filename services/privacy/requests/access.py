"""Who may see a request: the person it is about, signed in, or whoever has a link that was mailed to its address."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from libs.common.clock import now
from libs.common.identity import SignInAgain, User
from libs.common.identity_proof import ProofVerifier
from libs.common.secret_tokens import hash_of, new_secret
from libs.common.work import UnitOfWork
from services.privacy.errors import IdentityNeeded, RequestLinkExpired, RequestNotFound
from services.privacy.requests.models import PersonRequest, ProvenBy, RequestLink
from services.privacy.requests.rows import PersonRequests, RequestLinks

LINK_LASTS = timedelta(days=14)
FORGOTTEN_AFTER = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Args: link: the token of a mailed link; proof: an `identity+jwt` of auth's."""

    user: User | None = None
    link: str = field(default="", repr=False)
    proof: str | None = field(default=None, repr=False)


class Access:
    """Lets people in, and makes the links that do."""

    def __init__(
        self,
        *,
        work: UnitOfWork,
        requests: PersonRequests,
        links: RequestLinks,
        proofs: ProofVerifier,
        recent_s: float,
    ) -> None:
        self._work, self._requests, self._links, self._proofs = work, requests, links, proofs
        self._recent_s = recent_s

    async def case_for(self, request_id: UUID, caller: Caller) -> PersonRequest:
        """Return a request to who may see it.

        Raises:   RequestNotFound (404): absent, another's, or not its link; RequestLinkExpired (401).
        """
        if caller.link:
            return await self._by_link(request_id, caller.link)
        case = await self._requests.find(request_id)
        if case is None or caller.user is None or not case.has_account or case.user_id != caller.user.id:
            raise RequestNotFound
        return case

    async def proven(self, caller: Caller) -> tuple[UUID, ProvenBy]:
        """Return whose identity is proven, and how.

        Raises:   ProofInvalid (401); SignInAgain (401): the sign-in is too long ago; IdentityNeeded (403).
        """
        if caller.proof is not None:
            return await self._proofs.user_id(caller.proof), "code"
        if caller.user is None:
            raise IdentityNeeded
        if not self.is_recent(caller.user):
            raise SignInAgain("or prove by a code that it is you")
        return caller.user.id, "session"

    def is_recent(self, user: User) -> bool:
        """Tell whether a session proves by itself who asks."""
        return user.signed_in_within(self._recent_s)

    async def new_link(self, case: PersonRequest) -> tuple[str, str]:
        """Return the token of a new link, and its hash, which is stored before the mail leaves."""
        token, token_hash = new_secret()
        moment = now()
        link = RequestLink(
            id=token_hash,
            request_id=case.id,
            user_id=case.user_id,
            created_at=moment,
            expires_at=moment + LINK_LASTS,
            forgotten_at=moment + FORGOTTEN_AFTER,
        )
        await self._work.run(lambda: self._links.add(link), subject=case.user_id)
        return token, token_hash

    async def mark_sent(self, token_hash: str) -> None:
        """Note that the mail server took the mail with a link, in an open transaction."""
        await self._links.mark_sent(token_hash, now())

    async def _by_link(self, request_id: UUID, token: str) -> PersonRequest:
        link = await self._links.find(hash_of(token))
        if link is None or link.request_id != request_id:
            raise RequestNotFound
        if link.expires_at <= now():
            raise RequestLinkExpired
        return await self._requests.get(request_id)
