"""Auth's collections: the only place that reads and writes them."""

from dataclasses import dataclass
from typing import Self

from libs.common.mongo import Mongo
from services.auth.look_ups import LookUps
from services.auth.rows.consents import ConsentDecisions
from services.auth.rows.email_changes import EmailChanges
from services.auth.rows.identity_codes import IdentityCodes
from services.auth.rows.policies import NoticeRuns, PolicyNotices, PolicyVersions
from services.auth.rows.refused import RefusedAddresses
from services.auth.rows.sessions import RefreshTokens, Sessions
from services.auth.rows.staff import StaffAccounts, StaffSessions
from services.auth.rows.users import (
    Acceptances,
    PendingRegistrations,
    Usernames,
    Users,
    VerificationTokens,
)


@dataclass(frozen=True)
class Store:
    """Every collection of auth, and the keys that people are found by in them."""

    look_ups: LookUps
    users: Users
    usernames: Usernames
    acceptances: Acceptances
    registrations: PendingRegistrations
    verification_tokens: VerificationTokens
    sessions: Sessions
    refresh_tokens: RefreshTokens
    staff: StaffAccounts
    staff_sessions: StaffSessions
    decisions: ConsentDecisions
    policy_versions: PolicyVersions
    notice_runs: NoticeRuns
    notices: PolicyNotices
    refused_addresses: RefusedAddresses
    email_changes: EmailChanges
    identity_codes: IdentityCodes

    @classmethod
    def of(cls, mongo: Mongo, look_ups: LookUps) -> Self:
        """Return auth's collections in a database."""
        return cls(
            look_ups,
            Users(mongo, look_ups),
            Usernames(mongo),
            Acceptances(mongo),
            PendingRegistrations(mongo),
            VerificationTokens(mongo),
            Sessions(mongo, look_ups),
            RefreshTokens(mongo),
            StaffAccounts(mongo),
            StaffSessions(mongo),
            ConsentDecisions(mongo),
            PolicyVersions(mongo),
            NoticeRuns(mongo),
            PolicyNotices(mongo),
            RefusedAddresses(mongo, look_ups),
            EmailChanges(mongo),
            IdentityCodes(mongo),
        )
