"""Privacy on the real stack: its parts, events delivered by hand, and a data map of two small services."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from libs.common import logging
from libs.common.app import Parts, Platform
from libs.common.audit import Audit
from libs.common.bus.consumes import Subscription
from libs.common.bus.outbox import Outbox, OutboxRow
from libs.common.bus.process import BUS_DOCUMENTS
from libs.common.clock import new_id, now
from libs.common.events import PRODUCERS
from libs.common.events.auth import UserDeletedV1
from libs.common.events.base import Event
from libs.common.events.privacy import (
    ErasureCompletedV1,
    HoldingErasure,
    HoldingInventory,
    InventoryCompletedV1,
)
from libs.common.mailing.settings import MailSettings
from libs.common.mongo import Mongo
from libs.common.privacy.holder import Holder
from libs.common.privacy.holdings import OF_THE_BUS
from libs.common.privacy.tombstones import Tombstone, Tombstones
from libs.common.sealing import Sealing
from libs.common.settings import CommonSettings
from libs.common.storage import Storage
from libs.common.testing.tokens import JWKS
from libs.common.vault.keys import DataKeys
from libs.common.work import UnitOfWork
from services.privacy.main import compose
from services.privacy.models import Case
from services.privacy.privacy import HOLDINGS
from services.privacy.protocol import HOLDERS
from services.privacy.service import PrivacyService
from services.privacy.settings import PrivacySettings

BUCKET = "privacy-tests"
KEY = Ed25519PrivateKey.generate()
SIGNING_KEY = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
DATA_MAP = {
    "scan": [
        {"database": "auth", "collection": "users", "subject": "_id", "erase": "delete"},
        {"database": "gallery", "collection": "images", "subject": "user_id", "erase": "delete"},
        {"database": "gallery", "collection": "images", "subject": "shared.with", "erase": "delete"},
        {"database": "privacy", "collection": "exports", "subject": "user_id", "erase": "delete"},
        {"database": "privacy", "collection": "export_parts", "subject": "user_id", "erase": "delete"},
        {"database": "vault", "collection": "keys", "subject": "keyAltNames", "erase": "destroy"},
        *(
            {"database": "privacy", "collection": held.document.collection, "subject": held.subject}
            | {"erase": held.erase.kind}
            for held in HOLDINGS.collections
            if held not in OF_THE_BUS
        ),
        *(
            {"database": service, "collection": held.document.collection, "subject": held.subject}
            | {"erase": held.erase.kind}
            for service in PRODUCERS
            for held in OF_THE_BUS
        ),
    ],
    "items": [{"holding": "gallery.images", "called": "an image"}],
    "about_nobody": {
        "privacy": [document.collection for document in HOLDINGS.about_nobody],
        "gallery": ["styles"],
    },
}


@pytest.fixture(scope="module")
def privacy_settings(
    common_settings: CommonSettings, tmp_path_factory: pytest.TempPathFactory
) -> PrivacySettings:
    """Settings of a privacy that is not patient, and knows the data map of these tests."""
    data_map = tmp_path_factory.mktemp("privacy") / "data-map.json"
    data_map.write_text(json.dumps(DATA_MAP))
    return settings_with(common_settings, data_map)


def settings_with(common: CommonSettings, data_map: Path, **changes: Any) -> PrivacySettings:
    """Return privacy's settings on the stack."""
    own = {
        "jwks": JWKS,
        "certificate_signing_key": SIGNING_KEY,
        "case_token_key": "tests-case-token-key",
        "data_map": data_map,
        "erasure_setback_s": 0.05,
        "erasure_setbacks": 2,
        "smtp_port": MailSettings().smtp_port,
        "challenge_cost": 1,
        "challenge_rounds": 2,
    }
    return PrivacySettings.model_validate(common.model_dump() | own | changes)


@dataclass
class Erasure:
    """One person's erasure as the events tell it: 40 images in gallery, payments that the law keeps, an account."""

    user_id: UUID = field(default_factory=uuid4)
    case_id: UUID = field(default_factory=new_id)
    found: dict[str, dict[str, int]] = field(
        default_factory=lambda: {
            "auth": {"auth.users": 1},
            "gallery": {"gallery.images": 40, "gallery.objects": 120},
            "generation": {"generation.jobs": 7},
            "billing": {"billing.payments": 5},
            "privacy": {},
        }
    )

    def deleted(self) -> UserDeletedV1:
        return UserDeletedV1(user_id=self.user_id, case_id=self.case_id, deleted_at=now())

    def inventory(self, holder: str) -> InventoryCompletedV1:
        held = [
            HoldingInventory(
                holding=name,
                kind="objects" if name.endswith("objects") else "collection",
                found=count,
                locator="ab" * 16 if name.endswith("objects") else None,
                bucket=BUCKET if name.endswith("objects") else None,
            )
            for name, count in self.found[holder].items()
        ]
        return InventoryCompletedV1.model_validate(self._base(holder) | {"holdings": held})

    def erasure(self, holder: str, attempt: int = 1, **erased: int) -> ErasureCompletedV1:
        """Return a holder's answer; `erased` changes a count, dots written as two underscores."""
        counts = self.found[holder] | {name.replace("__", "."): count for name, count in erased.items()}
        kept = {"erased": 0, "ground": "tax-law", "retained_until": "2033-11-23"}
        held = [
            HoldingErasure.model_validate(
                {"holding": name, "retained": count} | kept
                if name == "billing.payments"
                else {"holding": name, "erased": count}
            )
            for name, count in counts.items()
        ]
        return ErasureCompletedV1.model_validate(self._base(holder) | {"holdings": held, "attempt": attempt})

    def _base(self, holder: str) -> dict[str, Any]:
        return {"user_id": self.user_id, "case_id": self.case_id, "holder": holder}

    def honest_story(self) -> list[Event]:
        """Return what happens to a case where nothing goes wrong."""
        return [
            self.deleted(),
            *(self.inventory(holder) for holder in HOLDERS),
            *(self.erasure(holder) for holder in HOLDERS),
        ]


@dataclass
class Privacy:
    """Privacy without its process: what it is made of, and short ways to make things happen in it."""

    settings: PrivacySettings
    platform: Platform
    parts: Parts
    groups: dict[str, Subscription] = field(init=False)

    def __post_init__(self) -> None:
        self.groups = {each.group: each for each in self.parts.subscriptions}

    @property
    def mongo(self) -> Mongo:
        return self.platform.mongo

    @property
    def storage(self) -> Storage:
        return self.platform.storage

    @property
    def service(self) -> PrivacyService:
        assert isinstance(self.parts.service, PrivacyService)
        return self.parts.service

    async def deliver(self, *events: Event) -> None:
        """Run the handlers as the consumer does, each in a transaction, but without its inbox."""
        for event in events:
            group = "privacy.open-case" if isinstance(event, UserDeletedV1) else "privacy.collect"
            await self.platform.work.run(lambda: self.groups[group].handler(event))  # noqa: B023 - awaited here

    async def case(self, erasure: Erasure) -> Case:
        return await self.service.case(erasure.case_id)

    async def published(self, erasure: Erasure) -> list[str]:
        """Return the names of the events about somebody that wait in the outbox, in their order."""
        rows = await self.mongo.collection(OutboxRow).find({"key": str(erasure.user_id)}, sort=[("_id", 1)])
        return [row["topic"] for row in rows]


@pytest.fixture(scope="module")
async def privacy(privacy_settings: PrivacySettings) -> AsyncIterator[Privacy]:
    """Privacy on a database of the test module's own, without background loops."""
    settings = privacy_settings
    mongo, storage = Mongo.connect(settings, "privacy"), Storage(settings)
    await storage.ensure_buckets(BUCKET)
    await mongo.prepare([*BUS_DOCUMENTS, Tombstone, *HOLDINGS.documents])
    tombstones, outbox = Tombstones(mongo), Outbox(mongo, "privacy")
    keys = DataKeys(mongo, settings)
    await keys.prepare()
    sealing = mongo.seals = Sealing(settings, keys)
    platform = Platform(
        name="privacy",
        settings=settings,
        mongo=mongo,
        store=storage,
        outbox=outbox,
        audit=Audit(outbox, "privacy"),
        work=UnitOfWork(mongo, outbox, tombstones),
        tombstones=tombstones,
        holder=Holder(HOLDINGS, mongo, storage, tombstones, outbox, settings),
        log=logging.logger("privacy"),
        vault=sealing,
    )
    parts = compose(settings, platform)
    yield Privacy(settings, platform, parts)
    for close in parts.closing:
        await close()
    await sealing.close()
    await storage.close()
    await mongo.close()
