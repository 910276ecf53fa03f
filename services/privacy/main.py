"""Privacy's composition root: `create_app("api")`, `create_app("worker")` or `create_app("all")`."""

from datetime import timedelta
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import FastAPI

from libs.common.app import Parts, Platform, create_process
from libs.common.backup.maker import Maker
from libs.common.backup.settings import BackupSettings
from libs.common.bus.consumes import subscriptions
from libs.common.certificate import Signer
from libs.common.mongo import Mongo
from libs.common.privacy.removals import Removals
from libs.common.signing import SigningKey, load_public_key
from libs.common.storage import Storage
from libs.common.tasks import Loop
from libs.common.vault.keys import DataKeys
from services.privacy import backup_map, handlers, privacy
from services.privacy.auditing import routes as audit_routes
from services.privacy.auditing.checking import Checking
from services.privacy.auditing.checkpoints import Checkpoints
from services.privacy.auditing.ledger import AuditLedger
from services.privacy.auditing.rows import AuditRows
from services.privacy.backing_up import BackingUp
from services.privacy.backup_repository import BackupRepository, RemovalRepository, RestoreRepository
from services.privacy.backup_routes import router as backup_router
from services.privacy.backups import Backups
from services.privacy.casework import Casework
from services.privacy.certificates import Certificates
from services.privacy.exports import routes as export_routes
from services.privacy.exports.packing import Packing
from services.privacy.exports.rows import ExportRows
from services.privacy.exports.service import Exports
from services.privacy.history import History
from services.privacy.history_routes import router as history_router
from services.privacy.holds import routes as hold_routes
from services.privacy.holds.effects import HoldEffects
from services.privacy.holds.orders import HoldOrders
from services.privacy.holds.rows import HoldRows
from services.privacy.policies import routes as policy_routes
from services.privacy.policies.page import routes as page_routes
from services.privacy.policies.publishing import Policies
from services.privacy.policies.rows import PolicyRows
from services.privacy.repository import CaseRepository, CertificateRepository
from services.privacy.requests import routes as request_routes
from services.privacy.requests import staff_routes as request_staff_routes
from services.privacy.requests.page import routes as request_page_routes
from services.privacy.requests.requests import Requests
from services.privacy.requests.rows import PersonRequests
from services.privacy.resuming import Resuming
from services.privacy.retained import Retained
from services.privacy.routes import router
from services.privacy.scan_map import load
from services.privacy.scanner import Scanner
from services.privacy.scanning import Scanning
from services.privacy.service import PrivacyService
from services.privacy.settings import PrivacySettings
from services.privacy.subjects import Subjects
from services.privacy.vault import Rotation
from services.privacy.vault_routes import router as vault_router
from services.privacy.watching import Watching

END = "-----END PUBLIC KEY-----"


def create_app(role: str = "all", settings: PrivacySettings | None = None) -> FastAPI:
    """Return one process of privacy, with settings from the environment where none are given."""
    settings = settings or PrivacySettings()
    return create_process(
        name="privacy",
        role=role,
        settings=settings,
        holdings=privacy.HOLDINGS,
        routers=[
            router,
            history_router,
            audit_routes.router,
            vault_router,
            backup_router,
            policy_routes.router,
            page_routes.router,
            hold_routes.router,
            export_routes.router,
            request_routes.router,
            request_staff_routes.router,
            request_page_routes.router,
        ],
        compose=partial(compose, settings),
    )


def compose(settings: PrivacySettings, platform: Platform) -> Parts:
    """Put privacy together. The scanner has clients of its own: it shares nothing with the erasure."""
    cases, audit_rows = CaseRepository(platform.mongo), AuditRows(platform.mongo)
    subjects = Subjects(settings.pseudonym_key)
    signing_key = settings.certificate_signing_key.get_secret_value()
    previous = previous_keys(settings.certificate_previous_keys)
    checkpoints = Checkpoints(audit_rows, platform.work, platform.audit, SigningKey(signing_key), previous)
    certificates = Certificates(CertificateRepository(platform.mongo), Signer(signing_key), previous)
    hold_rows = HoldRows(platform.mongo)
    casework = Casework(
        work=platform.work,
        audit=platform.audit,
        cases=cases,
        certificates=certificates,
        holds=hold_rows,
        subjects=subjects,
        policy=settings.policy,
    )
    requests = Requests.of(settings, platform)
    policies = Policies(PolicyRows(platform.mongo), platform.work, platform.audit)
    exports, packing = exporting_of(settings, platform)
    service = PrivacyService(
        work=platform.work,
        audit=platform.audit,
        cases=cases,
        certificates=certificates,
        ledger=AuditLedger(audit_rows, platform.work, platform.audit, subjects),
        checkpoints=checkpoints,
        history=History(
            settings.kafka_bootstrap, platform.work, platform.audit, DataKeys(platform.mongo, settings)
        ),
        backups=Backups(BackupRepository(platform.mongo), platform.work, platform.audit, BackupSettings()),
        policies=policies,
        exports=exports,
        vault=Rotation(platform.sealing, platform.work, platform.audit),
        casework=casework,
        holds=holding_of(settings, platform, cases, casework, hold_rows),
        requests=requests,
        token_key=settings.case_token_key,
    )
    scan_client, scan_storage = Mongo.connect(settings, platform.name), Storage(settings)
    scanner = Scanner(scan_client, scan_storage, settings)
    scanning = Scanning(cases, service, scanner, lease_s=settings.erasure_scan_lease_s)
    retained = Retained(cases, service, scanner, platform.mongo)
    watching = Watching(cases, service, every_s=settings.erasure_tick_s)
    checking = Checking(audit_rows, checkpoints, every_s=settings.audit_check_every_s)
    auditing: list[Loop] = [checking.run, partial(checkpoints.run, settings.audit_checkpoint_every_s)]
    backing_up = backing_up_of(settings, platform, scan_client, scan_storage)
    resuming = Resuming(PersonRequests(platform.mongo), exports, platform.work)
    return Parts(
        service=service,
        starting=[policies.ensure_first],
        subscriptions=subscriptions(handlers, service),
        background=[
            scanning.run,
            scanning.follow,
            watching.tick,
            watching.gauge,
            watching.settle,
            retained.run,
            *auditing,
            requests.deadlines.run,
            backing_up.run,
            packing.run,
            resuming.run,
        ],
        closing=[scan_client.close, scan_storage.close],
    )


def holding_of(
    settings: PrivacySettings, platform: Platform, cases: CaseRepository, casework: Casework, rows: HoldRows
) -> HoldOrders:
    """Put together what holds are ordered by."""
    subjects = Subjects(settings.pseudonym_key)
    effects = HoldEffects(
        work=platform.work,
        audit=platform.audit,
        rows=rows,
        cases=cases,
        casework=casework,
        subjects=subjects,
    )
    return HoldOrders(
        work=platform.work,
        rows=rows,
        effects=effects,
        cases=cases,
        casework=casework,
        subjects=subjects,
        items=lambda: load(settings.data_map).items,
        policy=settings.policy,
    )


def backing_up_of(
    settings: PrivacySettings, platform: Platform, client: Mongo, storage: Storage
) -> BackingUp:
    """Put together what makes backups. Args: client, storage: which read every service's."""
    backups, contents = BackupSettings(), partial(backup_map.contents, settings.data_map)
    return BackingUp(
        BackupRepository(platform.mongo),
        RestoreRepository(platform.mongo),
        RemovalRepository(platform.mongo),
        Maker(client, storage, settings, backups, contents),
        platform.work,
        platform.audit,
        backups,
        platform.mongo,
    )


def exporting_of(settings: PrivacySettings, platform: Platform) -> tuple[Exports, Packing]:
    """Put together what exports are made by."""
    rows = ExportRows(platform.mongo)
    removals = Removals(
        privacy.HOLDINGS, privacy.ARCHIVES, platform.mongo, platform.storage, platform.tombstones
    )
    exports = Exports(
        rows,
        platform.work,
        platform.audit,
        platform.sealing,
        platform.storage,
        removals,
        settings.pseudonym_key,
        timedelta(hours=settings.export_every_h),
    )
    packing = Packing(
        exports,
        rows,
        platform.work,
        platform.audit,
        platform.sealing,
        platform.storage,
        platform.writes,
        removals,
        timedelta(days=settings.export_days),
        settings.export_sweep_every_s,
    )
    return exports, packing


def previous_keys(pems: str) -> tuple[Ed25519PublicKey, ...]:
    """Return the public keys of PEMs that are written one after the other."""
    parts = [part.strip() for part in pems.split(END)]
    return tuple(load_public_key(f"{part}\n{END}\n") for part in parts if part)
