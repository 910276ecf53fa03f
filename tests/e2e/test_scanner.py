"""How the scanner reads a store in which others go on writing and deleting."""

from collections.abc import Mapping
from uuid import uuid4

from demo.needles import of_text
from demo.scanner import Scanner
from libs.common.storage import Storage


async def test_what_is_deleted_after_it_was_listed_is_read_by_its_name(
    settings_env: Mapping[str, str], storage: Storage
) -> None:
    bucket, first, second = f"scanned-{uuid4().hex[:8]}", "1", "2-who-left"
    await storage.ensure_buckets(bucket)
    for name in (first, second):
        await storage.put(bucket, name, b"of " + name.encode(), "text/plain")
    read = (
        data
        for where, data in Scanner(settings_env, [*of_text("word", "who-left")])._objects()
        if bucket in where
    )

    assert next(read).endswith(b"of 1")
    await storage.delete(bucket, [second])
    assert next(read) == second.encode()
    assert next(read, None) is None
