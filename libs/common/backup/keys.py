"""The vault's backup: people's keys come back beside those that are there, but not what was destroyed since."""

from collections.abc import Iterator

from bson.raw_bson import RawBSONDocument

from libs.common.backup import rows
from libs.common.backup.rows import Counted
from libs.common.mongo import Mongo
from libs.common.vault.keys import DataKey


async def load(vault: Mongo, found: Iterator[RawBSONDocument], counted: Counted) -> int:
    """Add the keys and marks that the vault lacks; return how many keys came back.

    The mark of a destroyed key has the key's name, which is unique: so that key stays away. A key that was made since
    for somebody whose own was lost gives way: what comes back is sealed with the backup's.
    """
    await vault.prepare([DataKey])
    there, back = vault.collection(DataKey), 0
    async for batch in rows.batches(found):
        names = [name for row in batch for name in row["keyAltNames"]]
        others = {"keyAltNames": {"$in": names}, "_id": {"$nin": [row["_id"] for row in batch]}}
        await there.delete_many({**others, "destroyed_at": None})
        taken = {fault["index"] for fault in await rows.insert(vault, DataKey.collection, batch)}
        added = [row for number, row in enumerate(batch) if number not in taken]
        back += sum(row.get("destroyed_at") is None for row in added)
        await counted(len(batch))
    return back
