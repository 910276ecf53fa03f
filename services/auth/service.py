"""All that auth does, for its routes and handlers."""

from dataclasses import dataclass

from services.auth.accounts import Accounts
from services.auth.agreements import Agreements
from services.auth.consenting import Consenting
from services.auth.fulfilling import Fulfilling
from services.auth.leaving import Leaving
from services.auth.mailing import Mailing
from services.auth.notifying import Notifying
from services.auth.proving import Proving
from services.auth.readdressing import Readdressing
from services.auth.registration import Registration
from services.auth.sessions import SessionKeeper
from services.auth.settings import AuthSettings
from services.auth.staff import StaffKeeper
from services.auth.tokens import AccessTokens


@dataclass(frozen=True)
class AuthService:
    """Auth's parts, put together by `main.py`."""

    settings: AuthSettings
    registration: Registration
    sessions: SessionKeeper
    accounts: Accounts
    readdressing: Readdressing
    leaving: Leaving
    fulfilling: Fulfilling
    access_tokens: AccessTokens
    mailing: Mailing
    proving: Proving
    staff: StaffKeeper
    agreements: Agreements
    consenting: Consenting
    notifying: Notifying
