"""Streams: truncating, deleting, tombstones, and what is known of them; on every Postgres."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest
from mink_server.core.errors import InvalidRequestError, StreamDeletedError, StreamNotFoundError, WrongExpectedVersionError
from mink_server.core.expectations import ANY, NO_STREAM, STREAM_EXISTS
from mink_server.core.reading import Snapshot, StreamInfo

from tests.storage.conftest import StoredLog, event


async def versions(log: StoredLog, stream: str) -> list[int]:
    rows = await log.fetch(
        "select e.version from {schema}.events e join {schema}.streams s using (stream_id) where s.name = $1 order by 1", stream
    )
    return [row["version"] for row in rows]


async def rows_with(log: StoredLog, marker: bytes) -> list[str]:
    """The tables that have the marker anywhere, as text or in bytes."""
    tables = await log.fetch("select relname from pg_class where relkind = 'r' and relnamespace = '{schema}'::regnamespace")
    found = []
    for (table,) in tables:
        [(count,)] = await log.fetch(
            f"select count(*) from {{schema}}.{table} t where strpos(t::text, $1) > 0 or strpos(t::text, $2) > 0",
            marker.decode(),
            marker.hex(),
        )
        if count:
            found.append(table)
    return sorted(found)


async def listed(
    log: StoredLog, prefix: str = "", after: str = "", limit: int = 1000, *, include_deleted: bool = False
) -> list[str]:
    return [
        info.stream for info in await log.streams.list(prefix=prefix, after=after, limit=limit, include_deleted=include_deleted)
    ]


async def test_truncation_removes_what_is_before_a_version(log: StoredLog) -> None:
    await log.append("A", *[event() for _ in range(5)])
    await log.append("B", event())
    for before, removed, left in (
        (1, 0, [1, 2, 3, 4, 5]),
        (3, 2, [3, 4, 5]),
        (3, 0, [3, 4, 5]),
        (2, 0, [3, 4, 5]),
        (6, 3, []),
        (6, 0, []),
    ):
        removal = await log.streams.truncate("A", before)
        assert (removal.removed, removal.version) == (removed, 5)
        assert await versions(log, "A") == left
    assert await versions(log, "B") == [1]
    for expected in (NO_STREAM, 0, 4):
        with pytest.raises(WrongExpectedVersionError) as caught:
            await log.append("A", event(), expected=expected)
        assert caught.value.violations[0].actual == 5
    assert (await log.append("A", event(), expected=5)).writes[0].version == 6
    assert (await log.append("A", event(), expected=STREAM_EXISTS)).writes[0].version == 7


async def test_truncation_beyond_the_stream_is_refused(log: StoredLog) -> None:
    await log.append("A", event(), event())
    for before in (4, 2**62, 2**63 - 1):
        with pytest.raises(InvalidRequestError) as caught:
            await log.streams.truncate("A", before)
        assert [v.field for v in caught.value.violations] == ["before_version"]
    assert await versions(log, "A") == [1, 2]


async def test_what_is_not_there_cannot_be_removed(log: StoredLog) -> None:
    for work in (
        log.streams.truncate("A", 1),
        log.streams.delete("A", ANY, tombstone=False),
        log.streams.delete("A", ANY, tombstone=True),
    ):
        with pytest.raises(StreamNotFoundError):
            await work
    await log.append("A", event())
    await log.streams.delete("A", ANY, tombstone=False)
    for work in (log.streams.truncate("A", 1), log.streams.delete("A", ANY, tombstone=False)):
        with pytest.raises(StreamDeletedError) as caught:
            await work
        assert not caught.value.tombstoned


@pytest.mark.parametrize(
    ("expected", "fits"), [(ANY, True), (STREAM_EXISTS, True), (3, True), (NO_STREAM, False), (0, False), (2, False), (4, False)]
)
async def test_a_deletion_expects_too(log: StoredLog, expected: int, fits: bool) -> None:
    await log.append("A", event(), event(), event())
    if fits:
        removal = await log.streams.delete("A", expected, tombstone=False)
        assert (removal.removed, removal.version) == (3, 3)
        assert await versions(log, "A") == []
        return
    with pytest.raises(WrongExpectedVersionError) as caught:
        await log.streams.delete("A", expected, tombstone=True)
    assert [(v.stream, v.expected, v.actual) for v in caught.value.violations] == [("A", expected, 3)]
    assert await versions(log, "A") == [1, 2, 3]
    assert not (await log.streams.get("A")).tombstoned


async def test_a_tombstone_can_follow_a_deletion_and_is_for_good(log: StoredLog) -> None:
    await log.append("A", event(), event())
    await log.streams.delete("A", ANY, tombstone=False)
    removal = await log.streams.delete("A", ANY, tombstone=True)
    assert (removal.removed, removal.version) == (0, 2)
    for work in (
        log.streams.get("A"),
        log.streams.truncate("A", 1),
        log.streams.delete("A", ANY, tombstone=True),
        log.streams.delete("A", ANY, tombstone=False),
        log.append("A", event()),
        log.snapshots.save(Snapshot("A", 1, b"", False, {})),
        log.snapshots.load("A"),
    ):
        with pytest.raises(StreamDeletedError) as caught:
            await work
        assert caught.value.tombstoned


async def test_a_stream_that_began_again_can_be_removed_again(log: StoredLog) -> None:
    for i in range(3):
        await log.append("A", event(), event(), expected=NO_STREAM)
        assert await versions(log, "A") == [i * 2 + 1, i * 2 + 2]
        assert (await log.streams.truncate("A", i * 2 + 2)).removed == 1
        assert (await log.streams.delete("A", i * 2 + 2, tombstone=False)).removed == 1
    await log.append("A", event(), expected=0)
    info = await log.streams.get("A")
    assert (info.version, info.first_version, info.events, info.deleted) == (7, 7, 1, False)
    await log.streams.truncate("A", 8)
    assert (await log.streams.get("A")).version == 7  # truncated to nothing, it still exists
    await log.append("A", event(), expected=7)


async def test_positions_are_never_used_again(log: StoredLog) -> None:
    positions = []
    for i in range(6):
        positions += [w.last_position for w in (await log.append(f"S{i % 2}", event(), event())).writes]
        await log.streams.delete(f"S{i % 2}", ANY, tombstone=False)
        assert (await log.reader.head()).position == positions[-1]
    assert positions == [2, 4, 6, 8, 10, 12]
    assert await log.fetch("select from {schema}.events") == []
    assert (await log.append("S0", event())).last_position == 13
    await log.streams.truncate("S0", (await log.streams.get("S0")).version + 1)
    assert (await log.append("S1", event())).last_position == 14


async def test_what_is_removed_is_gone_from_every_table(log: StoredLog) -> None:
    marker = b"s3cr3t-m4rk3r"
    first, last = event(payload=b'"%s"' % marker, who=marker.decode()), event(marker.decode(), payload=b'"%s"' % marker)
    await log.append("A", first, last)
    await log.append("C", event())
    await log.snapshots.save(Snapshot("A", 2, marker, False, {"who": marker.decode()}))
    assert await rows_with(log, marker) == ["events", "snapshots"]
    await log.streams.truncate("A", 3)
    assert await rows_with(log, marker) == ["snapshots"]
    await log.append("A", event(payload=marker))
    await log.streams.delete("A", ANY, tombstone=False)
    assert await rows_with(log, marker) == []
    assert await rows_with(log, first.id.encode()) == []
    assert await versions(log, "C") == [1]
    # The id of what is gone is free again.
    assert not (await log.append("D", first)).replayed


async def test_a_large_removal_goes_step_by_step_while_others_append(log: StoredLog) -> None:
    for _ in range(5):
        await log.append("A", *[event() for _ in range(1000)])
    removing = asyncio.create_task(log.streams.truncate("A", 4001))
    others = 0
    while not removing.done():
        await log.append("B", event())
        others += 1
    removal = await removing
    assert (removal.removed, removal.version) == (4000, 5000)
    assert others > 1
    removal = await log.streams.delete("A", 5000, tombstone=False)
    assert removal.removed == 1000
    await log.append("A", *[event() for _ in range(4000)])
    await log.append("A", *[event() for _ in range(1000)])
    assert (await log.streams.delete("A", 10_000, tombstone=True)).removed == 5000
    assert await versions(log, "A") == []
    assert (await log.streams.get("B")).events == others


async def mark(log: StoredLog, stream: str, before: int | None, *, tombstone: bool = False) -> None:
    """A removal by a server that stopped in the middle: marked, and nothing removed."""
    await log.fetch("select * from {schema}.remove_v1($1, -1, $2, $3)", stream, before, tombstone)


async def test_an_interrupted_removal_is_finished(log: StoredLog) -> None:
    for name in ("A", "B", "C", "D"):
        await log.append(name, *[event() for _ in range(10)])
    await log.append("B", *[event() for _ in range(4000)])
    await mark(log, "A", 4)
    await mark(log, "B", None)
    await mark(log, "C", None, tombstone=True)
    assert await versions(log, "A") == list(range(1, 11))
    # Before it is finished, the stream is already as it will be.
    info = await log.streams.get("A")
    assert (info.first_version, info.events, info.version) == (4, 7, 10)
    with pytest.raises(StreamDeletedError):
        await log.streams.get("B")
    assert (await log.append("B", event(), expected=NO_STREAM)).writes[0].version == 4011
    pages = [page async for page in log.reader.read_stream("A")]
    assert sum(page.events for page in pages) == 7
    await log.streams.finish_removals()
    assert await versions(log, "A") == list(range(4, 11))
    assert await versions(log, "B") == [4011]
    assert await versions(log, "C") == []
    assert await versions(log, "D") == list(range(1, 11))
    await log.streams.finish_removals()


async def test_a_removal_whose_caller_leaves_is_finished_all_the_same(log: StoredLog) -> None:
    for name in ("A", "B"):
        await log.append(name, *[event() for _ in range(5000)])
    for name, work in (("A", log.streams.delete("A", ANY, tombstone=False)), ("B", log.streams.truncate("B", 5001))):
        removing = asyncio.create_task(work)
        while not await log.fetch("select from {schema}.streams where floor = 5000 and name = $1", name):  # noqa: ASYNC110
            await asyncio.sleep(0)
        removing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await removing
    left = 10_000
    for _ in range(50):
        left = (await log.fetch("select count(*) as n from {schema}.events"))[0]["n"]
        if left == 0:
            break
        await asyncio.sleep(0.1)
    assert left == 0, "marked as removed, and still in the log"


async def test_what_is_known_of_a_stream(log: StoredLog) -> None:
    await log.append("Order-1", event(), event())
    await log.append("Order-2", event())
    await log.append("Order-1", event())
    await log.snapshots.save(Snapshot("Order-1", 2, b"{}", True, {}))
    rows = await log.fetch("select recorded_at from {schema}.events where position in (1, 2, 4) order by position")
    first, second, last = (row["recorded_at"] for row in rows)
    whole = StreamInfo("Order-1", 3, 1, 3, 4, first, last, 2, False, False)
    assert await log.streams.get("Order-1") == whole
    assert (await log.streams.list(prefix="Order-1", after="", limit=10, include_deleted=False)) == [whole]
    await log.streams.truncate("Order-1", 2)
    assert await log.streams.get("Order-1") == StreamInfo("Order-1", 3, 2, 2, 4, second, last, 2, False, False)
    await log.streams.truncate("Order-1", 4)
    assert await log.streams.get("Order-1") == StreamInfo("Order-1", 3, 0, 0, 0, None, None, 2, False, False)
    await log.streams.delete("Order-1", ANY, tombstone=False)
    gone = await log.streams.list(prefix="Order-1", after="", limit=10, include_deleted=True)
    assert gone == [StreamInfo("Order-1", 3, 0, 0, 0, None, None, 0, True, False)]
    await log.streams.delete("Order-1", ANY, tombstone=True)
    gone = await log.streams.list(prefix="Order-1", after="", limit=10, include_deleted=True)
    assert gone == [StreamInfo("Order-1", 3, 0, 0, 0, None, None, 0, True, True)]
    with pytest.raises(StreamNotFoundError):
        await log.streams.get("Order-404")


async def test_streams_are_listed_by_name_page_by_page(log: StoredLog) -> None:
    names = [
        "a",
        "a%b",
        "aXb",
        "a_c",
        "a_",
        "A",
        "Order-1",
        "Order-10",
        "Order-2",
        "order-1",
        "ä",
        "z",
        "😀",
        "\uff5e",
        "\\",
        "a\\",
        "-",
    ]
    for name in names:
        await log.append(name, event())
    in_order = sorted(names)
    assert await listed(log) == in_order
    for prefix in ("a", "a%", "a_", "%", "_", "\\", "a\\", "Order-1", "Order-1x", "😀", "-", "zz"):
        assert await listed(log, prefix) == [name for name in in_order if name.startswith(prefix)], prefix
    for size in (1, 2, 5, 100):
        pages, after = [], ""
        while page := await listed(log, after=after, limit=size):
            pages += page
            after = page[-1]
        assert pages == in_order
    await log.streams.delete("z", ANY, tombstone=False)
    await log.streams.delete("a", ANY, tombstone=True)
    await log.streams.truncate("A", 2)
    assert await listed(log) == [name for name in in_order if name not in ("z", "a")]
    assert await listed(log, include_deleted=True) == in_order
    await log.append("z", event())
    assert "z" in await listed(log)


async def test_removals_and_appends_at_once_leave_a_stream_whole(log: StoredLog) -> None:
    async def append() -> None:
        for _ in range(30):
            await log.append("A", event(), event())

    async def remove() -> None:
        for i in itertools.count():
            if i == 15:
                return
            with contextlib.suppress(StreamNotFoundError, StreamDeletedError, InvalidRequestError):
                if i % 3 == 2:
                    await log.streams.delete("A", ANY, tombstone=False)
                else:
                    await log.streams.truncate("A", (await log.streams.get("A")).version)

    await asyncio.gather(append(), append(), remove(), remove())
    info = await log.streams.list(prefix="A", after="", limit=1, include_deleted=True)
    assert info[0].version == 120
    assert (await log.reader.head()).position == 120
    left = await versions(log, "A")
    assert left == list(range(121 - len(left), 121))
