"""The audit ledger on a real database: what gets into it, what stands an erasure, and every kind of tampering."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.audit_ledger import Chain, Checkpoint, read_checkpoint, sign_checkpoint
from libs.common.audit_verify import Fault, LedgerCheck, Report
from libs.common.bus.outbox import OutboxRow
from libs.common.clock import now
from libs.common.events.privacy import ActionRecordedV1, Holder
from libs.common.mongo import Collection
from services.privacy.auditing.checking import Checking
from services.privacy.auditing.models import AuditCheckpoint, AuditEntry, AuditHead
from services.privacy.auditing.rows import AuditRows, chain_of
from services.privacy.metrics import AUDIT_BROKEN, AUDIT_VERIFIED
from services.privacy.proof import KEPT_AS_PROOF
from tests.common.test_audit_verify import changed, signing_key
from tests.privacy.conftest import Erasure, Privacy
from tests.privacy.test_cases import report as scan_report

STREAM: Holder = "gallery"


def action(stream: Holder = STREAM, **more: Any) -> ActionRecordedV1:
    told = {"action": "dead-letter.redriven", "actor": "staff:1", "ground": "mended", "at": now()}
    return ActionRecordedV1.model_validate({"stream": stream, **told, **more})


async def append(privacy: Privacy, *events: ActionRecordedV1) -> None:
    """Append as the consumer does: a batch, in a transaction."""
    await privacy.platform.work.run(lambda: privacy.groups["privacy.record-audit"].handler(list(events)))


def collection(privacy: Privacy, kind: Any) -> Collection:
    return privacy.mongo.collection(kind)


async def check(privacy: Privacy) -> Report:
    """The check that the worker makes by itself."""
    return await Checking(AuditRows(privacy.mongo), privacy.service.checkpoints, every_s=60).check()


async def exported(privacy: Privacy, *checkpoints: Checkpoint) -> Report:
    """The check that somebody else makes, from an export and checkpoints of their own."""
    looked, stream, sequence = LedgerCheck(checkpoints), "", 0
    while rows := await AuditRows(privacy.mongo).after(stream, sequence, 3):
        for row in rows:
            looked.take(row.entry)
        stream, sequence = rows[-1].stream, rows[-1].sequence
    return looked.report()


async def taken_away(privacy: Privacy) -> Checkpoint:
    """A checkpoint that somebody keeps elsewhere; what is here of it is gone."""
    made = await privacy.service.checkpoints.make()
    await collection(privacy, AuditCheckpoint).delete_many({})
    return read_checkpoint(made.signed, privacy.service.certificates.keys)


async def entry(privacy: Privacy, sequence: int) -> AuditEntry:
    row = await collection(privacy, AuditEntry).find_one({"stream": STREAM, "sequence": sequence})
    assert row
    return AuditEntry.from_mongo(row)


@pytest.fixture
async def ledger(privacy: Privacy) -> Privacy:
    """A ledger of two streams, `gallery` with six entries and `auth` with two."""
    for kind in (AuditEntry, AuditHead, AuditCheckpoint):
        await collection(privacy, kind).delete_many({})
    await append(privacy, *(action(count=number) for number in (1, 2, 3)), action("auth"))
    await append(privacy, action("auth"), *(action(count=number) for number in (4, 5, 6)))
    return privacy


async def test_entries_are_chained_by_stream_in_their_order(ledger: Privacy) -> None:
    rows = await AuditRows(ledger.mongo).after("", 0, 100)
    assert [(row.stream, row.sequence) for row in rows] == [
        ("auth", 1),
        ("auth", 2),
        *((STREAM, number) for number in range(1, 7)),
    ]
    bodies = [json.loads(row.entry) for row in rows if row.stream == STREAM]
    assert [body["count"] for body in bodies] == [1, 2, 3, 4, 5, 6]
    assert [body["previous_hash"] for body in bodies[1:]] == [
        row.hash for row in rows if row.stream == STREAM
    ][:-1]
    before = AUDIT_VERIFIED._value.get()
    checked = await check(ledger)
    assert (checked.holds, checked.entries) == (True, {"auth": 2, STREAM: 6})
    assert AUDIT_VERIFIED._value.get() > before


async def test_an_aborted_batch_leaves_no_gap(ledger: Privacy) -> None:
    async def fail() -> None:
        await ledger.groups["privacy.record-audit"].handler([action()])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ledger.platform.work.run(fail)
    await append(ledger, action())
    checked = await check(ledger)
    assert (checked.holds, checked.entries[STREAM]) == (True, 7)


async def test_workers_that_append_at_once_make_one_chain(privacy: Privacy, ledger: Privacy) -> None:
    """From nothing as well: the heads are made by whoever comes first."""
    streams: tuple[Holder, ...] = ("billing", STREAM, "privacy")

    async def worker(name: int) -> None:
        for _ in range(6):
            await append(privacy, *(action(stream, target=f"worker:{name}") for stream in streams * 3))

    await asyncio.gather(worker(1), worker(2))
    checked = await check(ledger)
    assert checked.holds, checked.faults
    assert checked.entries == {"auth": 2, "billing": 36, STREAM: 42, "privacy": 36}


async def test_the_person_is_a_pseudonym_and_an_erasure_changes_nothing(ledger: Privacy) -> None:
    erasure = Erasure()
    user_id = erasure.user_id
    await append(ledger, action(user_id=user_id, target=f"image:{uuid4()}"))
    kept = await taken_away(ledger)
    (before,) = await collection(ledger, AuditEntry).find({"subject": {"$ne": None}})
    assert not [needle for needle in (str(user_id), user_id.hex) if needle in str(before)]
    assert user_id.bytes not in before["entry"]
    await ledger.deliver(*erasure.honest_story())
    await ledger.platform.holder.inventory(user_id, erasure.case_id)
    await ledger.platform.holder.erase(user_id, erasure.case_id)
    verified = await ledger.service.finish_scan(erasure.case_id, 1, scan_report())
    assert verified.certificate is not None
    assert await collection(ledger, AuditEntry).find({"subject": {"$ne": None}}) == [before]
    assert (await exported(ledger, kept)).holds
    assert (await check(ledger)).holds
    assert before["subject"] == verified.subject, "the certificate names the same pseudonym"
    kept_as_proof = json.loads(await ledger.service.certificates.of_case(erasure.case_id))["kept_as_proof"]
    assert kept_as_proof == list(KEPT_AS_PROOF)
    assert "privacy.audit_entries" in [kept["where"] for kept in kept_as_proof]


async def test_privacys_own_actions_are_told_in_their_transactions(privacy: Privacy) -> None:
    erasure, operator = Erasure(), "staff:7"
    await privacy.deliver(*erasure.honest_story())
    await privacy.deliver(erasure.deleted())
    await privacy.service.resend(erasure.case_id, operator)
    await privacy.service.view(erasure.case_id, operator)
    await privacy.service.finish_scan(erasure.case_id, 2, scan_report())
    rows = await collection(privacy, OutboxRow).find(
        {"topic": ActionRecordedV1.topic, "key": "privacy"}, sort=[("_id", 1)]
    )
    told = [ActionRecordedV1.model_validate_json(row["body"]) for row in rows]
    mine = [each for each in told if each.target == str(erasure.case_id)]
    assert [(each.action, each.actor, each.user_id) for each in mine] == [
        ("erasure.opened", "system", erasure.user_id),
        ("erasure.resent", operator, erasure.user_id),
        ("case.viewed", operator, erasure.user_id),
        ("certificate.issued", "system", erasure.user_id),
        ("erasure.verified", "system", erasure.user_id),
    ]


# ---- tampering, by somebody who can write to the database


async def test_a_changed_byte_is_named(ledger: Privacy) -> None:
    kept = await taken_away(ledger)
    for sequence in (1, 3, 6):
        row = await entry(ledger, sequence)
        bent = row.entry.replace(b'"ground":"mended"', b'"ground":"mendee"')
        await _set(ledger, sequence, entry=bent)
        expected = [(STREAM, sequence)]
        assert [_place(fault) for fault in (await check(ledger)).faults] == expected
        assert [_place(fault) for fault in (await exported(ledger, kept)).faults] == expected
        await _set(ledger, sequence, entry=row.entry)
    assert (await check(ledger)).holds


async def test_a_row_that_says_otherwise_than_its_bytes_is_named(ledger: Privacy) -> None:
    """The columns are what lists are filtered by: a lie there would hide an entry, though the chain holds."""
    for column, lie in (("actor", "staff:2"), ("action", "x"), ("subject", "ab"), ("at", now())):
        row = (await collection(ledger, AuditEntry).find({"stream": STREAM, "sequence": 4}))[0]
        await _set(ledger, 4, **{column: lie})
        (fault,) = (await check(ledger)).faults
        assert (_place(fault), "its row" in fault.what) == ((STREAM, 4), True)
        await _set(ledger, 4, **{column: row[column]})


async def test_a_deleted_entry_is_named(ledger: Privacy) -> None:
    kept = await taken_away(ledger)
    for sequence in (1, 4, 6):
        row = await entry(ledger, sequence)
        await collection(ledger, AuditEntry).delete_one({"_id": row.id})
        for checked in (await check(ledger), await exported(ledger, kept)):
            assert [_place(fault) for fault in checked.faults] == [(STREAM, sequence)]
        await collection(ledger, AuditEntry).insert_one(row.to_mongo())


async def test_swapped_entries_are_named(ledger: Privacy) -> None:
    two, three = await entry(ledger, 2), await entry(ledger, 3)
    await _set(ledger, 2, entry=three.entry)
    await _set(ledger, 3, entry=two.entry)
    for checked in (await check(ledger), await exported(ledger)):
        assert _place(checked.faults[0]) == (STREAM, 2)


async def test_a_cut_off_end_is_named_though_the_head_was_moved_too(ledger: Privacy) -> None:
    kept = await taken_away(ledger)
    await collection(ledger, AuditEntry).delete_many({"stream": STREAM, "sequence": {"$gt": 4}})
    (fault,) = (await check(ledger)).faults
    assert _place(fault) == (STREAM, 5)
    await _rewrite_head(ledger)
    assert (await check(ledger)).holds, "whoever can write everything here can hide it here"
    (fault,) = (await exported(ledger, kept)).faults
    assert (_place(fault), "ends at 6" in fault.what) == ((STREAM, 5), True)


async def test_a_whole_stream_that_is_gone_is_named(ledger: Privacy) -> None:
    kept = await taken_away(ledger)
    await collection(ledger, AuditEntry).delete_many({"stream": "auth"})
    (fault,) = (await check(ledger)).faults
    assert _place(fault) == ("auth", 1)
    await collection(ledger, AuditHead).delete_many({"_id": "auth"})
    assert (await check(ledger)).holds
    (fault,) = (await exported(ledger, kept)).faults
    assert (_place(fault), "whole stream" in fault.what) == (("auth", 1), True)


async def test_a_ledger_made_anew_with_valid_hashes_is_told_by_an_old_checkpoint(ledger: Privacy) -> None:
    kept = await taken_away(ledger)
    rows = AuditRows(ledger.mongo)
    old = [row async for row in rows.stream(STREAM, None)]
    await collection(ledger, AuditEntry).delete_many({"stream": STREAM})
    await collection(ledger, AuditHead).delete_many({"_id": STREAM})
    for row in old:
        body = json.loads(row.entry)
        told = action(count=body["count"], ground="nothing-happened" if row.sequence == 3 else "mended")
        await append(ledger, told)
    assert (await check(ledger)).holds, "every hash of it is right"
    (fault,) = (await exported(ledger, kept)).faults
    assert (_place(fault), "rewritten" in fault.what) == ((STREAM, 1), True)


async def test_a_lost_head_and_a_bent_one_are_named(ledger: Privacy) -> None:
    head = await collection(ledger, AuditHead).find_one({"_id": STREAM})
    assert head
    await collection(ledger, AuditHead).update_one({"_id": STREAM}, {"$set": {"hash": "0" * 64}})
    assert [fault.stream for fault in (await check(ledger)).faults] == [STREAM]
    await collection(ledger, AuditHead).delete_one({"_id": STREAM})
    (fault,) = (await check(ledger)).faults
    assert (fault.stream, "head" in fault.what) == (STREAM, True)
    assert AUDIT_BROKEN._value.get() == 1
    await collection(ledger, AuditHead).insert_one(head)


async def test_a_forged_checkpoint_is_named(ledger: Privacy) -> None:
    made = await ledger.service.checkpoints.make()
    longer = changed(made.signed, size=9)
    await collection(ledger, AuditCheckpoint).update_one({"_id": made.id}, {"$set": {"signed": longer}})
    (fault,) = (await check(ledger)).faults
    assert (fault.stream, "signature" in fault.what) == ("checkpoint", True)
    foreign = signing_key(8)
    heads = [chain_of(head).head(head.id) for head in await AuditRows(ledger.mongo).heads()]
    forged = sign_checkpoint(foreign, heads, "2026-11-23T10:00:00.000Z")
    await collection(ledger, AuditCheckpoint).update_one({"_id": made.id}, {"$set": {"signed": forged}})
    (fault,) = (await check(ledger)).faults
    assert "key" in fault.what
    await collection(ledger, AuditCheckpoint).delete_many({})


async def test_checkpoints_are_made_when_due_and_not_otherwise(ledger: Privacy) -> None:
    checkpoints, rows = ledger.service.checkpoints, AuditRows(ledger.mongo)
    for every, count in ((timedelta(0), 1), (timedelta(0), 1), (timedelta(hours=1), 1)):
        await checkpoints.make_if_due(every)
        assert len(await rows.checkpoints(None, 10)) == count
    await append(ledger, action())
    await checkpoints.make_if_due(timedelta(hours=1))
    assert len(await rows.checkpoints(None, 10)) == 1
    await checkpoints.make_if_due(timedelta(0))
    last = await rows.last_checkpoint()
    assert last is not None
    assert (last.size, len(await rows.checkpoints(None, 10))) == (9, 2)
    assert (await check(ledger)).holds


async def test_the_audit_refuses_a_target_that_names_the_person(privacy: Privacy) -> None:
    person = UUID("01890000-0000-7000-8000-00000000000a")
    with pytest.raises(ValueError, match="pseudonym"):
        await privacy.platform.audit.record("x", ground="y", subject=person, target=f"user:{person}")


def _place(fault: Fault) -> tuple[str, int]:
    return fault.stream, fault.sequence


async def _set(privacy: Privacy, sequence: int, **fields: Any) -> None:
    which = {"stream": STREAM, "sequence": sequence}
    assert await collection(privacy, AuditEntry).update_one(which, {"$set": fields})


async def _rewrite_head(privacy: Privacy) -> None:
    """Make the head fit what is left, as a careful forger would."""
    chain = Chain()
    async for row in AuditRows(privacy.mongo).stream(STREAM, None):
        chain.extend(row.entry)
    moved = {"sequence": chain.sequence, "hash": chain.hash, "peaks": chain.tree.peaks}
    await collection(privacy, AuditHead).update_one({"_id": STREAM}, {"$set": moved})
