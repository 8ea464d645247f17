"""The tail: what other servers commit, lost connections, removals, bounds, and a database that was replaced; on every Postgres."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from mink_server.core.expectations import ANY
from mink_server.core.reading import Head
from mink_server.storage.batch import Chunk
from mink_server.storage.database import Database
from mink_server.storage.tail import Tail

from tests.storage.conftest import StoredLog, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.support.databases import Postgres


@pytest.fixture
async def other(log: StoredLog, any_postgres: Postgres) -> AsyncIterator[StoredLog]:
    """A second server on the log."""
    database = Database(any_postgres.dsn, pool_size=4)
    await database.open()
    stored = StoredLog(database, log.schema)
    await stored.start()
    yield stored
    await stored.close()


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.01)


async def listening(log: StoredLog) -> int:
    """Waits until a server hears of others; answers with the process that serves its connection."""
    own = log.connection
    await until(lambda: own._connection is not None and not own._connection.is_closed())
    return own._connection.get_server_pid()


async def terminate_listener(log: StoredLog) -> None:
    pid = await listening(log)
    connection = log.connection._connection
    assert [row[0] for row in await log.fetch("select pg_terminate_backend($1)", pid)] == [True]
    await until(connection.is_closed)


class Follower:
    """A subscriber: from memory, and from the database where memory has no more."""

    def __init__(self, log: StoredLog) -> None:
        self.log = log
        self.position = log.tail.head
        self.frames: list[bytes] = []
        self.misses = 0
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            chunks = self.log.tail.since(self.position, 10_000)
            if chunks is None:
                self.misses += 1
                async for page in self.log.reader.read_all(after=self.position, upto=self.log.tail.head):
                    self.frames.append(page.frames)
                    self.position = page.position
                continue
            for chunk in chunks:
                assert chunk.first == self.position + 1, "a hole, or twice"
                self.frames += chunk.frames
                self.position = chunk.last
            if not chunks:
                await self.log.tail.wait(0.5)

    async def reach(self, position: int) -> bytes:
        await until(lambda: self.task.done() or self.position >= position)
        if self.task.done():
            self.task.result()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        return b"".join(self.frames)


async def whole(log: StoredLog) -> bytes:
    head = await log.reader.head()
    return b"".join([page.frames async for page in log.reader.read_all(after=0, upto=head.position)])


async def test_two_servers_tails_have_all_events_in_order_without_a_hole(log: StoredLog, other: StoredLog) -> None:
    followers = [Follower(stored) for stored in (log, log, other, other)]

    async def write(stored: StoredLog, name: str) -> None:
        for i in range(40):
            await stored.append(f"{name}{i % 3}", *[event() for _ in range(1 + i % 4)])

    await asyncio.gather(*(write(stored, f"{n}-{i}-") for i in range(4) for n, stored in enumerate((log, other))))
    head = (await log.reader.head()).position
    assert head == 8 * 100
    found = [await follower.reach(head) for follower in followers]
    assert set(found) == {await whole(log)}
    assert log.tail.head == other.tail.head == head
    assert sum(follower.misses for follower in followers) == 0


async def test_what_others_commit_arrives_at_once(log: StoredLog, other: StoredLog) -> None:
    await listening(other)
    for i in range(1, 6):
        await log.append("A", event())
        began = time.monotonic()
        await until(lambda i=i: other.tail.head == i)
        assert time.monotonic() - began < 2, "the notification did not come; the safety net did"
    assert other.tail.log_id == log.tail.log_id


async def test_a_lost_listener_comes_back_and_nothing_is_missed(log: StoredLog, other: StoredLog) -> None:
    follower = Follower(other)
    for i in range(3):
        await terminate_listener(other)
        await log.append("A", event(), event())
        await until(lambda i=i: other.tail.head == 2 * (i + 1))
    await listening(other)
    await log.append("A", event())
    assert await follower.reach(7) == await whole(log)
    assert other.tail.head == 7


async def test_a_removal_makes_every_tail_forget(log: StoredLog, other: StoredLog) -> None:
    await listening(other)
    await log.append("A", event(payload=b'"marker"'))
    await log.append("B", event())
    await until(lambda: other.tail.head == 2)
    assert other.tail.since(0, 10**6)
    await log.streams.delete("A", ANY, tombstone=False)
    assert log.tail.since(0, 10**6) is None
    await until(lambda: other.tail.since(0, 10**6) is None)
    assert log.tail.head == other.tail.head == 2
    await log.append("B", event())
    await until(lambda: other.tail.head == 3)
    for stored in (log, other):
        assert stored.tail.since(0, 10**6) is None
        chunks = stored.tail.since(2, 10**6)
        assert [chunk.first for chunk in chunks] == [3]


async def test_a_tail_goes_past_events_that_were_removed_before_it_read_them(log: StoredLog, other: StoredLog) -> None:
    follower = Follower(other)
    await log.append("A", event(), event(), event())
    await log.append("B", event())
    await log.streams.delete("A", ANY, tombstone=False)
    await log.streams.delete("B", ANY, tombstone=False)
    await until(lambda: other.tail.head == 4)
    await log.append("C", event())
    await until(lambda: other.tail.head == 5)
    assert (await follower.reach(5)).endswith(await whole(log))


def chunk(first: int, *sizes: int) -> Chunk:
    return Chunk(
        first,
        [b"%d" % (first + i) + b"." * (size - len(b"%d" % (first + i))) for i, size in enumerate(sizes)],
        [("S", "T")] * len(sizes),
    )


def commit(tail: Tail, made: Chunk) -> None:
    tail.committed(made, tail.head)


async def own_tail(log: StoredLog, max_bytes: int) -> Tail:
    tail = Tail(log.database, log.schema, log.reader, max_bytes=max_bytes)
    tail.start(Head(0, "id"))
    return tail


async def test_since_gives_chunks_from_a_position_on_up_to_some_bytes(log: StoredLog) -> None:
    tail = await own_tail(log, 10**6)
    for first in range(1, 100, 3):
        commit(tail, chunk(first, 10, 10, 10))
    try:
        assert tail.head == 99
        assert tail.since(99, 100) == ()
        assert tail.since(1000, 100) == ()
        for position in range(99):
            for most in (1, 30, 45, 10**6):
                chunks = tail.since(position, most)
                assert chunks
                assert chunks[0].first == position + 1
                numbers = [int(frame.rstrip(b".")) for part in chunks for frame in part.frames]
                assert numbers == list(range(position + 1, position + 1 + len(numbers)))
                assert chunks[-1].last == numbers[-1]
                assert all(len(part.keys) == len(part.frames) for part in chunks)
                assert sum(len(frame) for part in chunks[:-1] for frame in part.frames) < most
                if most == 10**6:
                    assert numbers[-1] == 99
    finally:
        await tail.close()


async def test_the_tails_memory_is_bounded(log: StoredLog) -> None:
    tail = await own_tail(log, 10_000)
    try:
        for first in range(1, 2001, 2):
            commit(tail, chunk(first, 400, 400))
            assert tail._bytes <= 10_000
        assert tail.head == 2000
        assert tail.since(0, 10**9) is None
        kept = next(position for position in range(2000) if tail.since(position, 10**9) is not None)
        assert 2000 - kept <= 25
        commit(tail, chunk(2001, 20_000))
        assert tail.head == 2001
        assert tail._bytes == 0
        assert tail.since(2000, 10**9) is None
        assert tail.since(2001, 10**9) == ()
        commit(tail, chunk(2002, 5))
        assert [part.first for part in tail.since(2001, 10**9)] == [2002]
    finally:
        await tail.close()


async def test_a_tail_without_memory_still_knows_the_head(log: StoredLog) -> None:
    tail = await own_tail(log, 0)
    try:
        for first in (1, 2, 3):
            commit(tail, chunk(first, 10))
        assert tail.head == 3
        assert tail.since(0, 10) is None
        assert tail.since(3, 10) == ()
    finally:
        await tail.close()


async def test_a_waiting_subscriber_is_woken_by_a_commit(log: StoredLog) -> None:
    waiting = [asyncio.create_task(log.tail.wait(20)) for _ in range(5)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting)
    await log.append("A", event())
    await asyncio.wait_for(asyncio.gather(*waiting), 2)
    began = time.monotonic()
    await log.tail.wait(0.05)
    assert 0.04 < time.monotonic() - began < 2


async def test_a_writer_that_loses_its_connection_loses_no_append_and_makes_none_twice(log: StoredLog, other: StoredLog) -> None:
    followers = [Follower(log), Follower(other)]

    async def write(name: str) -> None:
        for version in range(40):
            result = await log.append(name, event(), expected=version)
            assert result.writes[0].version == version + 1

    writers = asyncio.gather(*(write(f"S{i}") for i in range(8)))
    for _ in range(4):
        await asyncio.sleep(0.05)
        await terminate_listener(log)
    await writers
    everything = await whole(log)
    assert (await log.reader.head()).position == 320
    for follower in followers:
        assert await follower.reach(320) == everything


async def test_a_tail_that_is_asked_for_a_position_reads_up_to_it(log: StoredLog, other: StoredLog) -> None:
    await terminate_listener(other)
    await log.append("A", event(), event(), event())
    await asyncio.wait_for(other.tail.reach(3), 5)
    assert other.tail.head == 3


async def test_a_database_replaced_by_another_log_starts_the_tail_anew(log: StoredLog) -> None:
    await log.append("A", *[event() for _ in range(5)])
    old = log.tail.log_id
    await listening(log)
    async with log.database.connection() as connection, connection.transaction():
        await connection.execute(
            f"truncate {log.schema}.events, {log.schema}.streams, {log.schema}.snapshots;"
            f"update {log.schema}.removed set position = 0;"
            f"update {log.schema}.log set id = gen_random_uuid()"
        )
    waiting = asyncio.create_task(log.tail.wait(20))
    await terminate_listener(log)
    await asyncio.wait_for(waiting, 15)
    await until(lambda: log.tail.log_id != old)
    assert log.tail.head == 0
    assert (await log.reader.head()).log_id == log.tail.log_id
    assert log.tail.since(0, 10**6) == ()
    assert (await log.append("A", event(), expected=0)).last_position == 1
    assert log.tail.head == 1
    assert [part.first for part in log.tail.since(0, 10**6)] == [1]


async def test_a_log_that_lost_its_end_starts_the_tail_anew(log: StoredLog) -> None:
    for _ in range(5):
        await log.append("A", event())
    old = log.tail.log_id
    await log.fetch("delete from {schema}.events where position > 3")
    await terminate_listener(log)
    await until(lambda: log.tail.head == 3)
    assert log.tail.log_id == old
    assert log.tail.since(2, 10**6) is None
    assert (await log.append("A", event(), expected=3)).last_position == 4
    assert b"".join(log.tail.since(3, 10**6)[0].frames) in await whole(log)
