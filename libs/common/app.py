"""The one builder of every process: what a service is made of, put together, started, watched and stopped."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from fastapi import APIRouter, FastAPI, Request
from structlog.stdlib import BoundLogger

from libs.common import logging, tracing
from libs.common.audit import Audit
from libs.common.backup.marker import Marker
from libs.common.blind_index import BlindIndexes
from libs.common.bus.archive import Reader
from libs.common.bus.consumes import Subscription
from libs.common.bus.letters.box import LetterBox
from libs.common.bus.letters.desk import Desk
from libs.common.bus.letters.routes import letter_routes
from libs.common.bus.outbox import Outbox
from libs.common.bus.process import BUS_DOCUMENTS, Bus
from libs.common.exporting.gathering import Gathering
from libs.common.exporting.handlers import export_subscriptions
from libs.common.exporting.parts import takes_part
from libs.common.identity import TokenVerifier
from libs.common.keys import PublishedKeys
from libs.common.mongo import Mongo
from libs.common.privacy.annotations import sealed_fields
from libs.common.privacy.handlers import privacy_loops, privacy_subscriptions
from libs.common.privacy.hold_handlers import hold_subscriptions
from libs.common.privacy.holder import Holder
from libs.common.privacy.holdings import Holdings
from libs.common.privacy.item_holds import ItemHold
from libs.common.privacy.retention.routes import retention_routes
from libs.common.privacy.retention.sweeps import Sweep
from libs.common.privacy.tombstones import Tombstone, Tombstones
from libs.common.privacy.writes import Write, Writes
from libs.common.probes import Check, probe_routes
from libs.common.rebuild.rebuilds import Rebuilds
from libs.common.replays.replays import Replays
from libs.common.replays.routes import replay_routes
from libs.common.replays.runs import ReplayRun
from libs.common.revocations import Revocations
from libs.common.sealing import Sealing
from libs.common.settings import CommonSettings, Role
from libs.common.status.report import Status
from libs.common.status.routes import status_routes
from libs.common.stopping import closes
from libs.common.storage import Storage
from libs.common.suspensions import Suspensions
from libs.common.tasks import Background, Loop, probe_loop_lag
from libs.common.vault.keys import DataKeys
from libs.common.web import Observed, answer_problems
from libs.common.work import UnitOfWork

S = TypeVar("S")


@dataclass(frozen=True)
class Platform:
    """What the builder hands to a service's composition root."""

    name: str
    settings: CommonSettings
    mongo: Mongo
    store: Storage | None
    outbox: Outbox
    audit: Audit
    work: UnitOfWork
    tombstones: Tombstones
    holder: Holder
    log: BoundLogger
    vault: Sealing | None = None

    @property
    def storage(self) -> Storage:
        """Return the object store. Raises TypeError: the service's holdings name no objects, so it has none."""
        if self.store is None:
            raise TypeError(f"{self.name} holds no objects and has no store")
        return self.store

    @property
    def sealing(self) -> Sealing:
        """Return what seals. Raises TypeError: the service was not told a master key."""
        if self.vault is None:
            raise TypeError(f"{self.name} seals, and was not told PIXERA_VAULT_MASTER_KEY")
        return self.vault

    @property
    def blind_indexes(self) -> BlindIndexes:
        """Return what makes blind indexes. Raises TypeError: the service was not told their key."""
        if self.settings.blind_index_key is None:
            raise TypeError(f"{self.name} looks for what is sealed, and was not told PIXERA_BLIND_INDEX_KEY")
        return BlindIndexes(self.settings.blind_index_key)

    @property
    def suspensions(self) -> Suspensions:
        """Return what knows whose data is not used for now."""
        return Suspensions(self.mongo)

    @property
    def writes(self) -> Writes:
        """Return what fences the objects of people."""
        return Writes(self.mongo, self.tombstones)


@dataclass(frozen=True)
class Parts:
    """What a service's composition root hands back.

    `starting` is done once before the process is ready, by each process anew: it must not matter how often;
    `starting_work` as well, by workers alone.
    `background` loops run in workers, `api_background` loops where HTTP is answered; `checks` hold back readiness.
    """

    service: object
    starting: list[Check] = field(default_factory=list)
    starting_work: list[Check] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    background: list[Loop] = field(default_factory=list)
    api_background: list[Loop] = field(default_factory=list)
    closing: list[Check] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    rebuilds: Rebuilds | None = None


Compose = Callable[[Platform], Parts]


def provided(kind: type[S]) -> Callable[[Request], Awaitable[S]]:
    """Return the dependency by which a route gets its service.

    It is asynchronous because FastAPI sends a plain function to a thread: a hop for every request.
    """

    async def of(request: Request) -> S:
        service = request.app.state.parts.service
        if not isinstance(service, kind):
            raise TypeError(f"this process serves {type(service).__name__}, not {kind.__name__}")
        return service

    return of


def create_process(
    *,
    name: str,
    role: Role | str,
    settings: CommonSettings,
    holdings: Holdings,
    routers: Sequence[APIRouter],
    compose: Compose,
) -> FastAPI:
    """Build one process of a service: its HTTP API, its worker, both, or what prepares for them.

    Effects:  none until the server starts the app; then it connects, makes missing indexes, and begins.
    """
    role = Role(role)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            closes(stack, tracing.flush, tracing.FLUSH_WITHIN_MS / 1_000)
            platform = await _connect(stack, name, settings, holdings)
            if platform.vault is not None:
                app.state.revocations.on_closed(platform.vault.forget)
            parts = compose(platform)
            platform.holder.outside.require_reachable()
            app.state.parts = parts
            for close in parts.closing:
                closes(stack, close)
            for begin in [*parts.starting, *(parts.starting_work if role.works else ())]:
                await begin()
            await _start(app, stack, role, platform, parts)
            platform.log.info("process.ready", role=role.value)
            yield
            platform.log.info("process.stopping", role=role.value)

    logging.configure(f"{name}-{role}", settings.log_level)
    tracing.configure(name, settings.otlp_endpoint, settings.traces_ratio)
    app = FastAPI(
        title=f"Pixera {name}",
        version="1",
        lifespan=lifespan,
        openapi_url=f"/api/{name}/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
        },  # Observed does it, at a third of the cost
    )
    _equip(app, name, settings)
    common = [status_routes(name), retention_routes(name), replay_routes(name), letter_routes(name)]
    for router in [*routers, *common] if role.serves else ():
        app.include_router(router)
    return app


def _equip(app: FastAPI, name: str, settings: CommonSettings) -> None:
    """Give the app what every process has: identity, problem documents, observation, probes."""
    app.state.settings = settings
    revocations = Revocations(settings)
    app.state.revocations = revocations
    app.state.verifier = TokenVerifier(settings, PublishedKeys(settings), revocations)
    app.add_middleware(Observed, service=name)
    answer_problems(app)
    app.include_router(probe_routes())


async def _connect(
    stack: AsyncExitStack, name: str, settings: CommonSettings, holdings: Holdings
) -> Platform:
    mongo = Mongo.connect(settings, name)
    closes(stack, mongo.close)
    await Marker(mongo, settings).refuse()
    store = Storage(settings) if holdings.objects or takes_part(holdings) else None
    if store is not None:
        closes(stack, store.close)
    await mongo.prepare([*BUS_DOCUMENTS, Tombstone, Write, ItemHold, Sweep, ReplayRun, *holdings.documents])
    tombstones, outbox = Tombstones(mongo), Outbox(mongo, name)
    keys = DataKeys(mongo, settings)
    sealing = None
    if settings.vault_master_key is None:
        _refuse_seals(name, holdings)
    else:
        await keys.prepare()
        sealing = mongo.seals = Sealing(settings, keys)
        closes(stack, sealing.close)
        await sealing.begin()
    return Platform(
        name=name,
        settings=settings,
        mongo=mongo,
        store=store,
        outbox=outbox,
        audit=Audit(outbox, name),
        work=UnitOfWork(mongo, outbox, tombstones),
        tombstones=tombstones,
        holder=Holder(holdings, mongo, store, tombstones, outbox, settings),
        log=logging.logger(name),
        vault=sealing,
    )


def _refuse_seals(name: str, holdings: Holdings) -> None:
    """Refuse to start where rows are sealed at rest that this process could not seal. Raises TypeError."""
    if sealed := [document.__name__ for document in holdings.documents if sealed_fields(document)]:
        raise TypeError(f"{name} seals {', '.join(sealed)}, and was not told PIXERA_VAULT_MASTER_KEY")


async def _start(app: FastAPI, stack: AsyncExitStack, role: Role, platform: Platform, parts: Parts) -> None:
    loops: list[Loop] = [probe_loop_lag]
    app.state.mongo = platform.mongo
    restored = Marker(platform.mongo, platform.settings)
    app.state.checks = [platform.mongo.ping, restored.refuse, *parts.checks]
    app.state.checks += [platform.vault.require_masters] if platform.vault else []
    app.state.bus = None
    app.state.suspensions = platform.suspensions
    gathering = _gathering(platform) if takes_part(platform.holder.holdings) else None
    subscriptions = [
        *parts.subscriptions,
        *privacy_subscriptions(platform.holder),
        *hold_subscriptions(platform.holder),
        *(export_subscriptions(gathering) if gathering else []),
    ]
    replays = app.state.replays = Replays(
        platform.settings.kafka_bootstrap, platform.mongo, platform.work, platform.audit, subscriptions
    )
    if role.serves:
        loops += [app.state.revocations.follow, *parts.api_background]
        app.state.checks.append(app.state.revocations.check)
        app.state.retention = platform.holder.standing
        app.state.desk = _desk(stack, platform, subscriptions)
        app.state.status = Status(
            platform.name, platform.settings, platform.mongo, subscriptions, app.state.checks
        )
    if role is Role.PREPARE:
        await _bus(platform, subscriptions).ensure_topics()
    if role.works:
        loops += [*platform.holder.loops(), *privacy_loops(platform.holder), *parts.background]
        loops += [gathering.work_for_ever] if gathering else []
        bus = app.state.bus = _bus(platform, subscriptions)
        app.state.checks.append(bus.none_halted)
        loops += [bus.measure, partial(replays.work_for_ever, bus.redeliveries)]
        await bus.start()
        closes(stack, bus.stop, bus.stops_within_s)
    background = Background(loops)
    background.start()
    closes(stack, background.stop)


def _gathering(platform: Platform) -> Gathering:
    return Gathering(
        platform.holder,
        platform.storage,
        platform.writes,
        platform.work,
        platform.sealing,
        platform.settings.pseudonym_key,
    )


def _bus(platform: Platform, subscriptions: Sequence[Subscription]) -> Bus:
    return Bus(
        platform.settings,
        platform.name,
        platform.mongo,
        platform.work,
        subscriptions,
        audit=platform.audit,
    )


def _desk(stack: AsyncExitStack, platform: Platform, subscriptions: Sequence[Subscription]) -> Desk:
    reader = Reader(platform.settings.kafka_bootstrap)
    closes(stack, reader.close)
    groups = {subscription.group for subscription in subscriptions}
    return Desk(LetterBox(platform.mongo, platform.audit), platform.mongo, reader, groups)
