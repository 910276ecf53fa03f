"""The composition root of auth: `create_app(role)` builds its API, its worker, or both."""

from functools import partial

from fastapi import FastAPI

from libs.common.app import Parts, Platform, create_process
from libs.common.bus.consumes import subscriptions
from libs.common.bus.lease import Lease
from libs.common.consents import Consents
from libs.common.mailing.postman import Postman
from libs.common.pacing import Pacing
from libs.common.privacy.proofs import Proofs
from services.auth import handlers
from services.auth.accounts import Accounts
from services.auth.agreements import Agreements
from services.auth.consenting import Consenting
from services.auth.fulfilling import Fulfilling
from services.auth.housekeeping import Housekeeping
from services.auth.leaving import Leaving
from services.auth.look_ups import LookUps
from services.auth.mailing import Mailing
from services.auth.notifying import LEASE_S, Notifying
from services.auth.passwords import Passwords
from services.auth.privacy import HOLDINGS
from services.auth.proving import Proving
from services.auth.readdressing import Readdressing
from services.auth.registration import Registration
from services.auth.repository import Store
from services.auth.routes import ROUTERS
from services.auth.service import AuthService
from services.auth.sessions import SessionKeeper
from services.auth.settings import AuthSettings
from services.auth.staff import StaffKeeper
from services.auth.standing import Standing
from services.auth.throttling import Gates
from services.auth.tokens import AccessTokens


def create_app(role: str = "all") -> FastAPI:
    """Build one process of auth."""
    settings = AuthSettings()
    return create_process(
        name="auth",
        role=role,
        settings=settings,
        holdings=HOLDINGS,
        routers=ROUTERS,
        compose=partial(compose, settings),
    )


def compose(settings: AuthSettings, platform: Platform) -> Parts:
    """Put auth's parts together."""
    store, work = Store.of(platform.mongo, LookUps(platform.blind_indexes)), platform.work
    passwords, access_tokens = Passwords(settings), AccessTokens(settings)
    pacing = Pacing(platform.mongo, work, settings.pseudonym_key)
    gates = Gates(settings, store, pacing)
    proving = Proving(
        settings=settings, store=store, work=work, gates=gates, pacing=pacing, tokens=access_tokens
    )
    agreements = Agreements(settings, store, work)
    consenting = Consenting(store, work, Consents(platform.mongo), agreements)
    notifying = Notifying(
        store,
        work,
        agreements,
        Lease(platform.mongo, "policy-notices", LEASE_S),
        mails_per_s=settings.notice_mails_per_s,
    )
    standing = Standing(store, work, platform.suspensions, notifying)
    sessions = SessionKeeper(
        settings=settings,
        store=store,
        work=work,
        passwords=passwords,
        gates=gates,
        access_tokens=access_tokens,
        consenting=consenting,
        standing=standing,
    )
    leaving = Leaving(
        settings=settings,
        store=store,
        work=work,
        sessions=sessions,
        standing=standing,
        proofs=Proofs(HOLDINGS, platform.mongo, platform.tombstones),
    )
    accounts = Accounts(
        settings=settings,
        store=store,
        work=work,
        passwords=passwords,
        gates=gates,
        sessions=sessions,
        consenting=consenting,
        leaving=leaving,
        standing=standing,
    )
    staff = StaffKeeper(
        settings=settings,
        store=store,
        work=work,
        audit=platform.audit,
        passwords=passwords,
        gates=gates,
        access_tokens=access_tokens,
    )
    service = AuthService(
        settings=settings,
        registration=Registration(
            settings=settings,
            store=store,
            work=work,
            passwords=passwords,
            gates=gates,
            agreements=agreements,
            consenting=consenting,
            notifying=notifying,
        ),
        sessions=sessions,
        accounts=accounts,
        readdressing=Readdressing(
            settings=settings, store=store, work=work, gates=gates, accounts=accounts, leaving=leaving
        ),
        leaving=leaving,
        fulfilling=Fulfilling(store, work, leaving, standing, consenting),
        access_tokens=access_tokens,
        mailing=Mailing(settings, store, work, Postman(settings), proving),
        proving=proving,
        staff=staff,
        agreements=agreements,
        consenting=consenting,
        notifying=notifying,
    )
    return Parts(
        service=service,
        starting=[staff.ensure_first],
        subscriptions=subscriptions(handlers, service),
        background=[Housekeeping(leaving).run, notifying.run],
        closing=[passwords.close],
    )
