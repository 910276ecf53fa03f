"""Telling people what is new about their request: auth mails to accounts, privacy to addresses that were typed."""

from uuid import UUID

from libs.common.bus.consumes import Once
from libs.common.events.auth import MailRequestedV2
from libs.common.events.privacy import RequestUpdatedV1
from libs.common.mailing.postman import Postman
from libs.common.mailing.request_news import News, request_news
from libs.common.work import UnitOfWork
from services.privacy.requests.access import Access
from services.privacy.requests.models import PersonRequest
from services.privacy.requests.rows import PersonRequests


class Telling:
    """Has mails sent, after the commit of what they tell of."""

    def __init__(
        self, work: UnitOfWork, requests: PersonRequests, access: Access, postman: Postman, public_url: str
    ) -> None:
        self._work, self._requests, self._access = work, requests, access
        self._postman, self._public_url = postman, public_url

    async def tell(self, case: PersonRequest, news: News) -> None:
        """Have a mail sent about a request, in an open transaction.

        Effects:  mail.requested where the account's address is written to, else request.updated.
        """
        if case.email is None:
            await self.tell_account(case, news)
        else:
            await self._work.outbox.add(RequestUpdatedV1(request_id=case.id, news=news))

    async def tell_account(self, case: PersonRequest, news: News) -> None:
        """Have a mail sent to the address of the account that a request is about, in an open transaction.

        Effects:  publishes mail.requested: privacy never learns the address.
        """
        await self._work.outbox.add(
            MailRequestedV2(user_id=case.user_id, kind=news.value, request_id=case.id)
        )

    async def send(self, request_id: UUID, news: News, once: Once) -> None:
        """Send a mail to the address that was typed in a request, with a link of its own; nothing where it is erased.

        Raises:   Unavailable: retried, with another link.  MailRefused: dead letter.
        """
        case = await self._requests.find(request_id)
        if case is None or case.email is None:
            return
        token, token_hash = await self._access.new_link(case)
        link = f"{self._public_url}/requests/{case.id}#{token}"
        mail = request_news(news, case.language, request_id=case.id, link=link)
        await self._postman.send(case.email, mail, kind=news.value)
        await once(lambda: self._access.mark_sent(token_hash))
