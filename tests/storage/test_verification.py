"""Verifying the log: a sound one is found sound whatever was done to it through Mink, and every kind of fault is named."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

import pytest
from mink_server.core.errors import DatabaseUnavailableError, MinkError, OverloadedError
from mink_server.core.events import EventToAppend, StreamWrite
from mink_server.core.expectations import ANY
from mink_server.core.ids import uuid7
from mink_server.core.reading import Snapshot
from mink_server.core.verification import FaultKind, Progress, Verdict
from mink_server.storage.database import Database
from mink_server.storage.encoding import varint
from mink_server.storage.migrations import Migrations
from mink_server.storage.verification import Verification
from mink_server.storage.verification_events import EventChecker, _opening

from tests.storage.conftest import StoredLog, event

if TYPE_CHECKING:
    from tests.support.databases import Postgres


async def verify(log: StoredLog, seen: int = 0, patience: float = 0.3) -> Verdict:
    return await Verification(log.database, log.schema, lambda: seen, patience).run(lambda _: None)


async def fill(log: StoredLog) -> None:
    """Twelve positions: A-1 has 1, 2, 3, 7; B-1 has 4, 5, 6; C-1 had 8, 9 and has 10; D-1 had 11 and is deleted; E-1 has 12."""
    await log.append("A-1", event(), event(), event())
    await log.append("B-1", event(payload=b'{"a":1}'), event(payload=b"[]", user="7"), event())
    await log.append("A-1", event())
    await log.append("C-1", event(), event(), event())
    await log.append("D-1", event())
    await log.append("E-1", event())
    await log.snapshots.save(Snapshot("A-1", 2, b'{"n":2}', True, {"by": "me"}))
    await log.streams.truncate("C-1", 3)
    await log.streams.delete("D-1", ANY, tombstone=False)


async def test_a_sound_log_is_sound(log: StoredLog) -> None:
    assert await verify(log) == Verdict(0, 0, 0, 0, 0)
    await fill(log)
    assert await verify(log, seen=12) == Verdict(12, 9, 5, 1, 3)


async def test_streams_of_every_fate_are_sound(log: StoredLog) -> None:
    for name in ("truncated-1", "emptied-1", "deleted-1", "buried-1", "again-1", "again-2"):
        await log.append(name, *[event() for _ in range(5)])
        await log.snapshots.save(Snapshot(name, 5, b"\xff\x00", False, {}))
    await log.streams.truncate("truncated-1", 4)
    await log.streams.truncate("emptied-1", 6)
    await log.streams.delete("deleted-1", ANY, tombstone=False)
    await log.streams.delete("buried-1", ANY, tombstone=True)
    for name in ("again-1", "again-2"):
        await log.streams.delete(name, ANY, tombstone=False)
        await log.append(name, event(), event())
    await log.streams.delete("again-2", ANY, tombstone=False)
    await log.streams.delete("again-2", ANY, tombstone=True)
    verdict = await verify(log)
    assert (verdict.fault, verdict.events, verdict.removed) == (None, 4, 30)
    await log.append_many(*[StreamWrite(name, -1, [event(), event()]) for name in ("again-1", "emptied-1", "new", "truncated-1")])
    assert (await verify(log)).fault is None


async def test_events_of_every_shape_are_sound(log: StoredLog) -> None:
    def binary(payload: bytes) -> EventToAppend:
        return EventToAppend(uuid7(), "Raw", payload, False, None, len(payload))

    sizes = (0, 1, 20, 50, 100, 127, 128, 16_000, 16_300, 16_384, 300_000)
    await log.append("Ünï_%-1", *[binary(b"x" * size) for size in sizes])
    await log.append("Ünï_%-1", *[event(payload=b'"' + b"x" * size + b'"') for size in sizes])
    await log.append("-", event("T" * 255, rb'"\ud800\u0000"', a="", **{"ü" * 100: "\n" * 100}))
    await log.append("No category", event(payload=b"12345678901234567890.0"))
    verdict = await verify(log)
    assert (verdict.fault, verdict.events) == (None, 24)


async def test_more_than_a_page_of_everything_is_sound(log: StoredLog) -> None:
    await asyncio.gather(*[log.append(f"S-{i % 1_300}", event(), event()) for i in range(2_600)])
    for i in range(250):
        await log.snapshots.save(Snapshot(f"S-{i}", 4, b'"' + b"x" * 20_000 + b'"', True, {}))
    await asyncio.gather(*[log.streams.truncate(f"S-{i}", 3) for i in range(1_100)])
    seen: list[Progress] = []
    verdict = await Verification(log.database, log.schema).run(seen.append)
    assert verdict == Verdict(5_200, 3_000, 1_300, 250, 2_200)
    assert [p.step for p in seen if p.position == 0] == ["events", "streams", "snapshots", "removals"]
    events = [p for p in seen if p.step == "events"]
    assert len(events) > 5
    assert events[-1] == Progress("events", 5_200, 5_200)


async def test_versions_are_looked_up_when_they_are_forgotten(log: StoredLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mink_server.storage.verification.EventChecker", lambda: EventChecker(remembered=2))
    for _ in range(4):
        for i in range(10):
            await log.append(f"S-{i}", event())
    assert (await verify(log)).fault is None
    await log.fetch("delete from {schema}.events where position = 15")
    fault = (await verify(log)).fault
    assert (fault.kind, fault.stream, fault.version) == (FaultKind.MISSING_EVENT, "S-4", 2)


# What was done to the log that `fill` makes, the fault that it is, and the position, stream and version that it names.
FAULTS = {
    "an event in the middle of a stream": (
        "delete from {schema}.events where position = 2",
        (FaultKind.MISSING_EVENT, 0, "A-1", 2),
    ),
    "the first event of a stream": ("delete from {schema}.events where position = 1", (FaultKind.MISSING_EVENT, 0, "A-1", 1)),
    "the last event of a stream": ("delete from {schema}.events where position = 7", (FaultKind.MISSING_EVENT, 7, "", 0)),
    "the last event of an append": ("delete from {schema}.events where position = 6", (FaultKind.MISSING_EVENT, 6, "", 0)),
    "the last event of the log": ("delete from {schema}.events where position = 12", (FaultKind.MISSING_EVENT, 12, "E-1", 1)),
    "a whole stream": (
        "delete from {schema}.events where stream_id = 4",
        (FaultKind.MISSING_EVENT, 4, "B-1", 1),
    ),
    "a whole stream with its row": (
        "delete from {schema}.events where stream_id = 4; delete from {schema}.streams where stream_id = 4",
        (FaultKind.MISSING_EVENT, 4, "", 0),
    ),
    "an event after removed ones": ("delete from {schema}.events where position = 10", (FaultKind.MISSING_EVENT, 10, "", 0)),
    "a version that is another": (
        "update {schema}.events set version = 9 where position = 7",
        (FaultKind.CONTRADICTION, 7, "A-1", 9),
    ),
    "a position that is another": (
        "update {schema}.events set position = 40 where position = 7",
        (FaultKind.CONTRADICTION, 40, "A-1", 4),
    ),
    "a position below 1": ("update {schema}.events set position = -1 where position = 1", (FaultKind.CONTRADICTION, -1, "A-1", 1)),
    "an id that is another": (
        "update {schema}.events set event_id = gen_random_uuid() where position = 5",
        (FaultKind.CONTRADICTION, 5, "B-1", 2),
    ),
    "a type that is another": ("update {schema}.events set type = 'X' where position = 5", (FaultKind.CONTRADICTION, 5, "B-1", 2)),
    "a time that is another": (
        "update {schema}.events set recorded_at = recorded_at + '1us' where position = 5",
        (FaultKind.CONTRADICTION, 5, "B-1", 2),
    ),
    "a flag that says the payload is not JSON": (
        "update {schema}.events set flags = flags - 1 where position = 5",
        (FaultKind.CONTRADICTION, 5, "B-1", 2),
    ),
    "a flag that begins an append in one": (
        "update {schema}.events set flags = flags | 2 where position = 5",
        (FaultKind.CONTRADICTION, 5, "B-1", 2),
    ),
    "a flag that ends an append in one": (
        "update {schema}.events set flags = flags | 4 where position = 4",
        (FaultKind.CONTRADICTION, 5, "B-1", 2),
    ),
    "a log that ends in an append": (
        "update {schema}.events set flags = flags - 4 where position = 12",
        (FaultKind.MISSING_EVENT, 13, "", 0),
    ),
    "an event that went to another stream": (
        "update {schema}.events set stream_id = 12, version = 2 where position = 7",
        (FaultKind.CONTRADICTION, 7, "E-1", 2),
    ),
    "a bit of the envelope": (
        "update {schema}.events set envelope = set_byte(envelope, 0, 11) where position = 5",
        (FaultKind.BROKEN_EVENT, 5, "B-1", 2),
    ),
    "a bit of the position in the envelope": (
        "update {schema}.events set envelope = set_byte(envelope, 3, 77) where position = 5",
        (FaultKind.CONTRADICTION, 5, "B-1", 2),
    ),
    "a letter of the stream in the envelope": (
        "update {schema}.events set envelope = set_byte(envelope, position('B-1'::bytea in envelope) - 1, 255) where position = 5",
        (FaultKind.BROKEN_EVENT, 5, "B-1", 2),
    ),
    "an envelope that lost its end": (
        "update {schema}.events set envelope = substr(envelope, 1, length(envelope) - 1) where position = 5",
        (FaultKind.BROKEN_EVENT, 5, "B-1", 2),
    ),
    "an empty envelope": ("update {schema}.events set envelope = '' where position = 5", (FaultKind.BROKEN_EVENT, 5, "B-1", 2)),
    "a payload that lost its end": (
        "update {schema}.events set payload = '{' where position = 5",
        (FaultKind.BROKEN_EVENT, 5, "B-1", 2),
    ),
    "a payload that is no JSON": (
        "update {schema}.events set payload = '[}' where position = 5",
        (FaultKind.BROKEN_EVENT, 5, "B-1", 2),
    ),
    "a payload that is no text": (
        "update {schema}.events set payload = '\\x22ff' where position = 5",
        (FaultKind.BROKEN_EVENT, 5, "B-1", 2),
    ),
    "an event without a stream": (
        "update {schema}.streams set stream_id = 5 where stream_id = 4",
        (FaultKind.STRAY_EVENT, 4, "", 0),
    ),
    "no index of versions": (
        "alter table {schema}.events drop constraint events_stream_version",
        (FaultKind.WRONG_ORDER, 0, "", 0),
    ),
    "no index of ids": (
        "alter table {schema}.events drop constraint events_event_id",
        (FaultKind.WRONG_ORDER, 0, "", 0),
    ),
    "a stream with the row of another": (
        "update {schema}.streams set name = 'x' where name = 'A-1'; update {schema}.streams set name = 'A-1' where name = 'E-1'",
        (FaultKind.CONTRADICTION, 1, "x", 1),
    ),
    "a category that is another": (
        "update {schema}.streams set category = 'X' where name = 'E-1'",
        (FaultKind.WRONG_STREAM, 0, "E-1", 0),
    ),
    "a removal that is forgotten": (
        "update {schema}.streams set floor = 0 where name = 'C-1'",
        (FaultKind.MISSING_EVENT, 0, "C-1", 2),
    ),
    "a deletion that is forgotten": (
        "update {schema}.streams set floor = 0, deleted = false where name = 'D-1'",
        (FaultKind.MISSING_EVENT, 11, "D-1", 1),
    ),
    "a part of a removal that is forgotten": (
        "update {schema}.streams set floor = 1 where name = 'C-1'",
        (FaultKind.MISSING_EVENT, 0, "C-1", 2),
    ),
    "a removal of more than there was": (
        "update {schema}.streams set floor = 2 where name = 'D-1'",
        (FaultKind.WRONG_STREAM, 0, "", 0),
    ),
    "a removal beyond all removals": (
        "update {schema}.streams set floor = 9 where name = 'D-1'",
        (FaultKind.WRONG_STREAM, 0, "D-1", 0),
    ),
    "a deletion of nothing": (
        "update {schema}.streams set deleted = true where name = 'E-1'",
        (FaultKind.WRONG_STREAM, 0, "E-1", 0),
    ),
    "a tombstone over events": (
        "update {schema}.streams set deleted = true, tombstoned = true where name = 'C-1'",
        (FaultKind.WRONG_STREAM, 0, "C-1", 0),
    ),
    "a stream that never was": (
        "insert into {schema}.streams (stream_id, name, category) values (2, 'F-1', 'F')",
        (FaultKind.MISSING_EVENT, 2, "F-1", 1),
    ),
    "a head beyond the last event": ("update {schema}.removed set position = 14", (FaultKind.MISSING_EVENT, 13, "", 0)),
    "an event that was removed and is there": (
        "update {schema}.streams set floor = 3 where name = 'C-1'",
        (FaultKind.STRAY_EVENT, 10, "C-1", 3),
    ),
    "events that were removed and are there": (
        "update {schema}.streams set floor = 1 where name = 'A-1'",
        (FaultKind.STRAY_EVENT, 1, "A-1", 1),
    ),
    "a snapshot ahead of its stream": (
        "update {schema}.snapshots set version = 5",
        (FaultKind.WRONG_SNAPSHOT, 0, "A-1", 5),
    ),
    "a snapshot at version 0": ("update {schema}.snapshots set version = 0", (FaultKind.WRONG_SNAPSHOT, 0, "A-1", 0)),
    "a snapshot of a stream that was deleted": (
        "update {schema}.snapshots set stream_id = 11, version = 1",
        (FaultKind.WRONG_SNAPSHOT, 0, "D-1", 1),
    ),
    "a snapshot of no stream": (
        "alter table {schema}.snapshots drop constraint snapshots_stream_id_fkey; update {schema}.snapshots set stream_id = 2",
        (FaultKind.WRONG_SNAPSHOT, 0, "", 2),
    ),
    "a snapshot that is no JSON": ("update {schema}.snapshots set state = '{'", (FaultKind.WRONG_SNAPSHOT, 0, "A-1", 2)),
    "a snapshot with odd metadata": (
        """update {schema}.snapshots set metadata = '{"a": 1}'""",
        (FaultKind.WRONG_SNAPSHOT, 0, "A-1", 2),
    ),
}


@pytest.mark.parametrize("bent", FAULTS)
async def test_every_fault_is_named(log: StoredLog, bent: str) -> None:
    await fill(log)
    sql, expected = FAULTS[bent]
    async with log.database.connection() as connection:
        await connection.execute(sql.replace("{schema}", log.schema))
    fault = (await verify(log)).fault
    assert fault is not None
    assert (fault.kind, fault.position, fault.stream, fault.version) == expected, fault.message
    assert fault.message
    assert "\n" not in fault.message


async def test_versions_that_are_swapped_are_named_although_their_bytes_agree(log: StoredLog) -> None:
    await fill(log)
    for old, new in ((2, 100), (3, 2), (100, 3)):
        await log.fetch(
            "update {schema}.events set version = $2, envelope = overlay(envelope placing {schema}.fixed64($2) from 13 for 8)"
            " where stream_id = 1 and version = $1",
            old,
            new,
        )
    fault = (await verify(log)).fault
    assert (fault.kind, fault.position, fault.stream, fault.version) == (FaultKind.WRONG_ORDER, 2, "A-1", 3)


async def test_an_event_that_comes_back_after_its_removal_is_named(log: StoredLog) -> None:
    await log.append("A", event(), event(), event())
    await log.fetch("create table {schema}.kept as select * from {schema}.events where version = 1")
    await log.streams.truncate("A", 3)
    assert (await verify(log)).fault is None
    await log.fetch("insert into {schema}.events select * from {schema}.kept")
    fault = (await verify(log)).fault
    assert (fault.kind, fault.position, fault.stream, fault.version) == (FaultKind.STRAY_EVENT, 1, "A", 1)


async def test_a_missing_event_among_removed_ones_is_named_as_soon_as_it_is_certain(log: StoredLog) -> None:
    await asyncio.gather(*[log.append(f"S-{i}", event()) for i in range(6_000)])  # more than a page of positions
    for number in (10, 20, 30):
        await log.streams.delete(f"S-{number}", ANY, tombstone=False)
    [(position,)] = await log.fetch("delete from {schema}.streams where name = 'S-5500' returning stream_id")
    await log.fetch("delete from {schema}.events where position = $1", position)
    fault = (await verify(log)).fault
    assert (fault.kind, fault.position) == (FaultKind.MISSING_EVENT, position)
    assert fault.message.endswith(": 1")


async def test_a_log_that_ends_before_what_this_server_has_seen_has_lost_its_end(log: StoredLog) -> None:
    await log.append("A", event())
    await log.append("A", event())
    await log.fetch("delete from {schema}.events where position = 2")
    assert (await verify(log)).fault is None  # nothing in the database tells of it
    fault = (await verify(log, seen=2)).fault
    assert (fault.kind, fault.position) == (FaultKind.MISSING_EVENT, 2)


async def test_a_log_that_loses_its_end_meanwhile_is_not_sound(log: StoredLog) -> None:
    await log.append("A", event())
    await log.append("A", event())
    connection = log.database.connection

    @contextlib.asynccontextmanager
    async def losing():
        async with connection() as found:
            await found.execute(f"delete from {log.schema}.events where position = 2")
            yield found

    def report(progress: Progress) -> None:
        if progress.step == "streams":
            log.database.connection = losing  # type: ignore[method-assign]

    fault = (await Verification(log.database, log.schema).run(report)).fault
    assert (fault.kind, fault.position) == (FaultKind.MISSING_EVENT, 2)


async def test_a_log_without_removals_that_has_lost_a_stream_at_its_end_is_not_sound(log: StoredLog) -> None:
    await log.append("A", event())
    await log.append("B", event())
    await log.fetch("delete from {schema}.events where position = 2")
    fault = (await verify(log)).fault
    assert (fault.kind, fault.stream) == (FaultKind.WRONG_STREAM, "B")


async def test_a_removal_that_is_under_way_is_waited_for(log: StoredLog) -> None:
    await log.append("A", *[event() for _ in range(5)])
    await log.fetch("select * from {schema}.remove_v1('A', -1, 5, false)")  # marked, and not yet gone
    verifying = asyncio.create_task(verify(log, patience=10))
    for version in range(1, 5):
        await asyncio.sleep(0.05)
        assert not verifying.done()
        await log.fetch("delete from {schema}.events where version = $1", version)
    assert (await verifying).fault is None


async def test_a_log_is_sound_while_others_append_and_remove(log: StoredLog) -> None:
    stop = asyncio.Event()
    chance = random.Random(7)

    async def append() -> None:
        while not stop.is_set():
            names = {f"S-{chance.randrange(40)}" for _ in range(chance.randrange(1, 4))}
            with contextlib.suppress(MinkError):
                await log.append_many(*[StreamWrite(name, -1, [event() for _ in range(3)]) for name in names])

    async def remove() -> None:
        while not stop.is_set():
            name = f"S-{chance.randrange(40)}"
            with contextlib.suppress(MinkError):
                if chance.random() < 0.5:
                    await log.streams.delete(name, ANY, tombstone=chance.random() < 0.02)
                else:
                    await log.streams.truncate(name, (await log.streams.get(name)).version - 1)
            with contextlib.suppress(MinkError):
                await log.snapshots.save(Snapshot(name, 1, b"{}", True, {}))

    workers = [asyncio.create_task(append()) for _ in range(8)] + [asyncio.create_task(remove()) for _ in range(4)]
    try:
        await log.append("S-0", event())
        heads = []
        for _ in range(12):
            verdict = await verify(log, seen=log.tail.head, patience=20)
            assert verdict.fault is None, verdict
            heads.append(verdict.head)
    finally:
        stop.set()
        await asyncio.gather(*workers)
    assert heads == sorted(heads)
    assert heads[-1] > heads[0] > 0
    verdict = await verify(log)
    assert verdict.fault is None
    assert verdict.removed > 0


@pytest.mark.parametrize("seed", range(4))
async def test_a_random_history_is_sound_and_not_without_one_of_its_events(log: StoredLog, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        name = f"S-{chance.randrange(6)}"
        with contextlib.suppress(MinkError):
            match chance.randrange(8):
                case 0:
                    await log.streams.delete(name, ANY, tombstone=chance.random() < 0.1)
                case 1:
                    await log.streams.truncate(name, chance.randrange(1, 9))
                case 2:
                    await log.snapshots.save(Snapshot(name, chance.randrange(1, 9), b"1", True, {}))
                case _:
                    writes = [StreamWrite(name, -1, [event() for _ in range(chance.randrange(1, 4))])]
                    writes += [StreamWrite(f"S-{chance.randrange(6)}", -1, [event()]) for _ in range(chance.randrange(3))]
                    await log.append_many(*writes)
    assert (await verify(log)).fault is None
    rows = await log.fetch("select position from {schema}.events order by position")
    newest = (await log.reader.head()).position
    for (position,) in chance.sample(rows, min(5, len(rows))):
        async with log.database.connection() as connection:
            await connection.execute(
                f"create table {log.schema}.kept as select * from {log.schema}.events where position = {position}"
            )
            await connection.execute(f"delete from {log.schema}.events where position = {position}")
        fault = (await verify(log, seen=newest)).fault
        assert fault is not None, position
        async with log.database.connection() as connection:
            await connection.execute(f"insert into {log.schema}.events select * from {log.schema}.kept")
            await connection.execute(f"drop table {log.schema}.kept")
    assert (await verify(log)).fault is None


async def test_one_verification_at_a_time(log: StoredLog) -> None:
    await log.append("A", event())
    verification = Verification(log.database, log.schema)
    first = asyncio.create_task(verification.run(lambda _: None))
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await verification.run(lambda _: None)
    assert (await first).fault is None
    first = asyncio.create_task(verification.run(lambda _: None))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await verification.run(lambda _: None)).fault is None


async def test_no_transaction_is_open_while_events_are_read(log: StoredLog) -> None:
    for _ in range(3):
        await log.append("A", *[event() for _ in range(600)])
    open_ones: list[int] = []

    def report(progress: Progress) -> None:
        open_ones.append(sum(holder._con is not None and holder._con.is_in_transaction() for holder in log.database._pool._holders))

    assert (await Verification(log.database, log.schema).run(report)).fault is None
    assert open_ones[0] == 0


async def test_a_database_that_goes_ends_it_with_an_error_that_callers_know(own_postgres: Postgres) -> None:
    schema = own_postgres.new_schema()
    database = Database(own_postgres.dsn, pool_size=2, timeout=1)
    await database.open()
    await Migrations(database, schema).up()
    stored = StoredLog(database, schema)
    await stored.start()
    await stored.append("A", *[event() for _ in range(1_500)])
    await stored.writer.close()
    gone = False

    def report(progress: Progress) -> None:
        nonlocal gone
        if progress.position and not gone:
            gone = True
            own_postgres.halt()

    with pytest.raises(DatabaseUnavailableError):
        await asyncio.wait_for(Verification(database, schema).run(report), 60)
    assert gone
    await stored.close()


@pytest.mark.parametrize(
    "size", [*range(300), 16_380, 16_384, 16_385, 16_386, 16_387, 16_388, 16_389, 2_097_152, 2_097_156, 2_097_160]
)
def test_what_an_event_of_a_size_begins_with(size: int) -> None:
    expected = [b"\x0a" + varint(n) for n in range(max(0, size - 6), size) if 1 + len(varint(n)) + n == size]
    assert _opening(size) == (expected[0] if expected else b"\x00")


async def test_an_event_that_is_removed_before_it_is_looked_up_is_not_missed(
    log: StoredLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mink_server.storage.verification.EventChecker", lambda: EventChecker(remembered=1))
    for name in ("A", "B", "C", "D", "A", "A"):
        await log.append(name, event())
    fetch, removals = log.database.fetch, []

    async def removing(query: str, *args: object) -> list:
        if "events before events" in query:
            removals.append((await log.streams.truncate("A", 3)).removed)
        return await fetch(query, *args)

    log.database.fetch = removing  # type: ignore[method-assign]
    assert (await verify(log)).fault is None
    assert removals[0] == 2
