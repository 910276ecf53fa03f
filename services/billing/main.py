"""Billing's composition root: `create_app("api")`, `create_app("worker")` or `create_app("all")`."""

import asyncio
from functools import partial

from fastapi import FastAPI

from libs.common.app import Parts, Platform, create_process
from libs.common.bus.consumes import subscriptions
from libs.common.rebuild.rebuilds import Rebuilds
from libs.common.rebuild.routes import rebuild_routes
from services.billing import handlers, privacy
from services.billing.balances import Balances
from services.billing.credits import Credits
from services.billing.providers.sandbox.client import SandboxProvider
from services.billing.repository import (
    BalanceRepository,
    EntryRepository,
    PaymentRepository,
    ReceiptRepository,
    ReservationRepository,
)
from services.billing.routes import router, webhooks
from services.billing.service import BillingService
from services.billing.settings import BillingSettings


def create_app(role: str = "all", settings: BillingSettings | None = None) -> FastAPI:
    """Return one process of billing, with settings from the environment where none are given."""
    settings = settings or BillingSettings()
    return create_process(
        name="billing",
        role=role,
        settings=settings,
        holdings=privacy.HOLDINGS,
        routers=[router, webhooks, rebuild_routes("billing")],
        compose=partial(compose, settings),
    )


def compose(settings: BillingSettings, platform: Platform) -> Parts:
    """Put billing together."""
    provider = SandboxProvider(settings)
    platform.holder.outside.reach(privacy.PAYMENT_PROVIDER.name, provider.erase)
    entries, balances = EntryRepository(platform.mongo), BalanceRepository(platform.mongo)
    service = BillingService(
        work=platform.work,
        credits_=Credits(balances, entries, ReservationRepository(platform.mongo), platform.outbox),
        payments=PaymentRepository(platform.mongo),
        receipts=ReceiptRepository(platform.mongo),
        entries=entries,
        balances=balances,
        provider=provider,
        audit=platform.audit,
        suspensions=platform.suspensions,
        welcome_credits=settings.welcome_credits,
    )

    async def watch_books() -> None:
        """Add the books up again and again, for the alert on `pixera_ledger_imbalance`."""
        while True:
            if imbalance := await service.check_books():
                platform.log.error("ledger.imbalance", credits=imbalance)
            await asyncio.sleep(settings.ledger_check_s)

    rebuilds = Rebuilds(settings.kafka_bootstrap, platform.mongo, platform.work, platform.audit, [Balances()])
    return Parts(
        service=service,
        starting=[rebuilds.prepare],
        subscriptions=subscriptions(handlers, service),
        background=[watch_books, rebuilds.work_for_ever],
        rebuilds=rebuilds,
        closing=[provider.close],
    )
