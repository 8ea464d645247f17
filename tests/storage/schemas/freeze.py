"""Makes the files of a release: `python -m tests.storage.schemas.freeze 0.1.0`. See README.md beside it."""

from __future__ import annotations

import asyncio
import json
import random
import re
import subprocess
import sys

from mink_server.core.events import EventToAppend, StreamWrite
from mink_server.core.expectations import ANY, NO_STREAM
from mink_server.core.ids import uuid7
from mink_server.core.reading import Snapshot
from mink_server.storage.database import Database
from mink_server.storage.migrations import Migrations

from tests.storage.conftest import StoredLog
from tests.storage.schemas.frozen import FOLDER, NAME, what_is_there
from tests.support.databases import Postgres

# The oldest that the wheel has: what its pg_dump writes, newer ones read.
_POSTGRES = "16"


def _event(payload: bytes, event_type: str = "Happened", *, is_json: bool = True, **metadata: str) -> EventToAppend:
    return EventToAppend(uuid7(), event_type, payload, is_json, metadata or None, len(payload) + len(event_type))


async def _fill(log: StoredLog) -> None:
    """Some of everything that a log can hold."""
    chance = random.Random(1)
    # JSON that a parser would change, and bytes that are no text.
    kept = [
        _event(b'{"b": 1, "a": 2,  "a": 3, "n": 123456789012345678901234567890.10, "z": "\\u0000 \\ud800"}'),
        _event('{"ü": "😀"}'.encode(), "Ünï %_", **{"ключ": 'значение "\t', "": "", "traceparent": "00-" + "1" * 32}),
        _event(b'"a string"'),
        _event(bytes(range(256)), is_json=False),
        _event(b"", is_json=False),
        _event(chance.randbytes(9_000), is_json=False),  # lies outside of its row
        _event(b'{"text":"%s"}' % (b"x" * 20_000)),  # lies there compressed
    ]
    await log.append("Order-1", *kept, expected=NO_STREAM)
    for number in range(20):
        await log.append(f"Order-{number % 4}", _event(b'{"number":%d}' % number, "Counted"))
    # Several streams in one append, one of them only checked.
    await log.append_many(
        StreamWrite("Stock-1", NO_STREAM, [_event(b"{}", "Reserved"), _event(b"{}", "Reserved")]),
        StreamWrite("Order-2", 5, []),
        StreamWrite("Order", ANY, [_event(b"{}", "Reserved")]),
    )
    # Removed in each way that there is.
    for stream in ("Cut-1", "Cut-2", "Gone-1", "Again-1", "Never-1", "Last-1"):
        await log.append(stream, *[_event(b'{"n":%d}' % n) for n in range(5)])
    await log.snapshots.save(Snapshot("Gone-1", 3, b"{}", True, {}))
    await log.streams.truncate("Cut-1", 4)
    await log.streams.truncate("Cut-2", 6)
    for stream in ("Gone-1", "Again-1"):
        await log.streams.delete(stream, ANY, tombstone=False)
    await log.streams.delete("Never-1", ANY, tombstone=True)
    await log.append("Again-1", _event(b'{"again":true}'))
    await log.append("Cut-2", _event(b"{}"))
    await log.snapshots.save(Snapshot("Order-1", 7, b'{"b":1, "a":2}', True, {"revision": "1", "ü": ""}))
    await log.snapshots.save(Snapshot("Order-2", 1, bytes(range(256)), False, {}))
    # The newest events are gone: the head is known by nothing but the removal.
    await log.streams.delete("Last-1", ANY, tombstone=False)
    await log.append("Last-2", _event(b"{}"))
    await log.streams.delete("Last-2", ANY, tombstone=False)


async def _make(dsn: str) -> str:
    database = Database(dsn, pool_size=2)
    await database.open()
    await Migrations(database, NAME).up()
    log = StoredLog(database, NAME)
    await log.start()
    await _fill(log)
    found = json.dumps(await what_is_there(log), indent=1, ensure_ascii=False)
    await log.close()
    return found


def main(release: str) -> None:
    """Writes both files."""
    postgres = Postgres(_POSTGRES).start()
    try:
        found = asyncio.run(_make(postgres.dsn))
        assert postgres.embedded is not None
        options = ["--schema", NAME, "--inserts", "--rows-per-insert=100", "--no-owner", "--no-privileges"]
        dump = subprocess.run(
            [postgres.embedded.bin_dir / "pg_dump", "-d", postgres.dsn, *options],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout
    finally:
        postgres.stop()
    # What psql alone understands is left out: tests send this to Postgres as it is.
    dump = re.sub(r"^\\(un)?restrict .*\n", "", dump, flags=re.MULTILINE)
    head = f"-- A log as mink {release} made it. Written by freeze.py, never changed: see README.md.\n"
    (FOLDER / f"{release}.sql").write_text(head + dump)
    (FOLDER / f"{release}.json").write_text(found + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
