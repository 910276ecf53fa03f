"""All that is done with people's requests, put together."""

from dataclasses import dataclass
from typing import Self

from libs.common.app import Platform
from libs.common.identity_proof import ProofVerifier
from libs.common.keys import PublishedKeys
from libs.common.mailing.postman import Postman
from libs.common.pacing import Pacing
from libs.common.vault.keys import DataKeys
from services.privacy.requests.accepting import Accepting
from services.privacy.requests.access import Access
from services.privacy.requests.challenges import Challenges
from services.privacy.requests.conversing import Conversing
from services.privacy.requests.deadlines import Deadlines
from services.privacy.requests.desk import RequestDesk
from services.privacy.requests.intake import Intake
from services.privacy.requests.rows import PersonRequests, RequestLinks, RequestMessages, SpentChallenges
from services.privacy.requests.telling import Telling
from services.privacy.settings import PrivacySettings


@dataclass(frozen=True)
class Requests:
    """The parts, for routes and handlers."""

    challenges: Challenges
    intake: Intake
    conversing: Conversing
    accepting: Accepting
    telling: Telling
    desk: RequestDesk
    deadlines: Deadlines

    @classmethod
    def of(cls, settings: PrivacySettings, platform: Platform) -> Self:
        """Put the parts together."""
        work, audit, mongo = platform.work, platform.audit, platform.mongo
        requests, messages, links = PersonRequests(mongo), RequestMessages(mongo), RequestLinks(mongo)
        proofs = ProofVerifier(settings, PublishedKeys(settings))
        pacing, challenges = Pacing(mongo, work, settings.pseudonym_key), Challenges(settings)
        access = Access(
            work=work, requests=requests, links=links, proofs=proofs, recent_s=settings.recent_sign_in_s
        )
        telling = Telling(work, requests, access, Postman(settings), settings.public_url)
        accepting = Accepting(
            work=work,
            requests=requests,
            messages=messages,
            links=links,
            telling=telling,
            keys=DataKeys(mongo, settings),
        )
        return cls(
            challenges=challenges,
            intake=Intake(
                work=work,
                requests=requests,
                messages=messages,
                spent=SpentChallenges(mongo),
                access=access,
                accepting=accepting,
                challenges=challenges,
                pacing=pacing,
                telling=telling,
            ),
            conversing=Conversing(
                work=work,
                requests=requests,
                messages=messages,
                access=access,
                accepting=accepting,
                pacing=pacing,
                telling=telling,
            ),
            accepting=accepting,
            telling=telling,
            desk=RequestDesk(
                work=work,
                audit=audit,
                requests=requests,
                messages=messages,
                accepting=accepting,
                telling=telling,
            ),
            deadlines=Deadlines(work, requests, accepting, telling, every_s=settings.requests_every_s),
        )
