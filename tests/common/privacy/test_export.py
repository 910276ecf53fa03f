"""The export: every personal field that is declared, and every object."""

from typing import Any
from uuid import UUID

from libs.common.privacy.exported import WITHHELD
from libs.common.privacy.holder import ExportedObject, ExportedRow
from tests.common.privacy.studio import BUCKET, HOLDINGS, Studio


async def export(studio: Studio, user_id: UUID) -> tuple[list[ExportedRow], list[ExportedObject]]:
    items = [item async for item in studio.holder.export(user_id)]
    rows = [item for item in items if isinstance(item, ExportedRow)]
    return rows, [item for item in items if isinstance(item, ExportedObject)]


def leaves(value: Any, prefix: str = "") -> set[str]:
    if isinstance(value, dict):
        return {
            path for name, inner in value.items() for path in leaves(inner, f"{prefix}.{name}".lstrip("."))
        }
    if isinstance(value, list):
        return {path for inner in value for path in leaves(inner, prefix)}
    return {prefix}


async def test_every_declared_personal_field_is_in_it(studio: Studio) -> None:
    person = await studio.settle()
    rows, _ = await export(studio, person)
    for holding in HOLDINGS.collections:
        name = HOLDINGS.name_of(holding)
        exported = {path for row in rows if row.holding == name for path in leaves(row.row)}
        assert holding.personal.keys() <= exported, name
        assert exported <= {*holding.personal, "_id", "created_at"}, (
            f"{name}: what is not personal is not exported"
        )


async def test_secrets_are_told_by_their_presence_only(studio: Studio) -> None:
    rows, _ = await export(studio, await studio.settle())
    values = {row.holding: row.row for row in rows}
    assert values["gallery.accounts"]["password_hash"] == WITHHELD
    assert values["gallery.codes"]["_id"] == WITHHELD
    assert values["gallery.accounts"]["email"].endswith("@example.org")


async def test_it_holds_the_persons_objects_and_nothing_of_another(studio: Studio) -> None:
    person, other = await studio.settle(pictures=3), await studio.settle()
    await studio.put(person, ["picture-0"])
    rows, objects = await export(studio, person)
    assert {each.name for each in objects} == {
        studio.prefix(person) + f"picture-{index}" for index in range(3)
    }
    assert {each.bucket for each in objects} == {BUCKET}
    assert len(objects) == 3
    assert str(other) not in str(rows)
    assert {row.row.get("user_id", person) for row in rows} == {person}
