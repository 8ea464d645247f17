"""Appending: expectations, replays, conflicts, several streams; on every Postgres there is."""

from __future__ import annotations

import asyncio

import pytest
from mink_server.core.errors import EventIdConflictError, StreamDeletedError, WrongExpectedVersionError
from mink_server.core.events import StreamWrite
from mink_server.core.expectations import ANY, NO_STREAM, STREAM_EXISTS

from tests.storage.conftest import StoredLog, event


async def test_versions_and_positions_begin_at_one_and_have_no_hole(log: StoredLog) -> None:
    first = await log.append("A", event(), event(), expected=NO_STREAM)
    second = await log.append("B", event(), expected=0)
    third = await log.append("A", event(), expected=2)
    assert [(w.version, w.first_position, w.last_position) for r in (first, second, third) for w in r.writes] == [
        (2, 1, 2),
        (1, 3, 3),
        (3, 4, 4),
    ]


@pytest.mark.parametrize(
    ("events", "expected", "fits"),
    [
        (0, ANY, True), (0, NO_STREAM, True), (0, STREAM_EXISTS, False), (0, 0, True), (0, 1, False),
        (2, ANY, True), (2, NO_STREAM, False), (2, STREAM_EXISTS, True), (2, 0, False), (2, 1, False), (2, 2, True), (2, 3, False),
    ],
)  # fmt: skip
async def test_an_append_is_made_if_the_stream_is_as_expected(log: StoredLog, events: int, expected: int, fits: bool) -> None:
    if events:
        await log.append("A", *[event() for _ in range(events)])
    if fits:
        assert (await log.append("A", event(), expected=expected)).writes[0].version == events + 1
    else:
        with pytest.raises(WrongExpectedVersionError) as caught:
            await log.append("A", event(), expected=expected)
        violation = caught.value.violations[0]
        assert (violation.stream, violation.expected, violation.actual) == ("A", expected, events)
        assert (await log.reader.head()).position == events


@pytest.mark.parametrize("expected", [ANY, NO_STREAM, STREAM_EXISTS, 0, 2])
async def test_the_same_append_sent_again_is_a_replay_for_every_expectation(log: StoredLog, expected: int) -> None:
    if expected in (STREAM_EXISTS, 2):
        await log.append("A", event(), event())
    events = [event(), event()]
    first = await log.append("A", *events, expected=expected)
    again = await log.append("A", *events, expected=expected)
    await log.append("A", event())
    await log.append("B", event())
    later = await log.append("A", *events, expected=expected)
    assert not first.replayed
    assert again.replayed
    assert later.replayed
    assert first.writes == again.writes == later.writes


async def test_the_same_append_sent_twice_at_once_is_made_once(log: StoredLog) -> None:
    for _ in range(20):
        made = event()
        results = await asyncio.gather(*(log.append("A", made) for _ in range(5)))
        assert sorted(r.replayed for r in results) == [False, True, True, True, True]
        assert len({r.last_position for r in results}) == 1


async def test_ids_that_are_in_the_log_for_another_append_conflict(log: StoredLog) -> None:
    a, b, c = event(), event(), event()
    await log.append("A", a, b, c)
    for events, stream in (
        ((a,), "A"),
        ((a, b), "A"),
        ((b, c), "A"),
        ((b,), "A"),
        ((a, c, b), "A"),
        ((a, b, c), "B"),
        ((a, b, c, event()), "A"),
        ((event(), c), "A"),
    ):
        with pytest.raises(EventIdConflictError):
            await log.append(stream, *events)
    assert (await log.reader.head()).position == 3


async def test_neighbouring_appends_are_no_replay_of_one(log: StoredLog) -> None:
    a, b = event(), event()
    await log.append("A", a)
    await log.append("A", b)
    with pytest.raises(EventIdConflictError):
        await log.append("A", a, b)


async def test_a_conflict_fails_alone_in_its_batch(log: StoredLog) -> None:
    await log.append("A", event())
    results = await asyncio.gather(
        *(log.append(f"S{i}", event(), expected=NO_STREAM) for i in range(50)),
        *(log.append("A", event(), expected=NO_STREAM) for _ in range(50)),
        return_exceptions=True,
    )
    assert all(not isinstance(r, BaseException) for r in results[:50])
    assert all(isinstance(r, WrongExpectedVersionError) for r in results[50:])
    positions = sorted(r.last_position for r in results[:50])
    assert positions == list(range(2, 52))


async def test_appends_to_one_stream_in_one_batch_see_each_other(log: StoredLog) -> None:
    results = await asyncio.gather(*(log.append("A", event(), expected=i) for i in range(30)), return_exceptions=True)
    assert [r.writes[0].version for r in results] == list(range(1, 31))
    results = await asyncio.gather(*(log.append("B", event(), expected=NO_STREAM) for _ in range(30)), return_exceptions=True)
    assert [isinstance(r, WrongExpectedVersionError) for r in results] == [False] + [True] * 29


async def test_several_streams_are_appended_to_together(log: StoredLog) -> None:
    await log.append("C", event())
    result = await log.append_many(
        StreamWrite("A", NO_STREAM, [event(), event()]), StreamWrite("B", ANY, [event()]), StreamWrite("C", 1, [])
    )
    assert [(w.version, w.first_position, w.last_position) for w in result.writes] == [(2, 2, 3), (1, 4, 4), (1, 0, 0)]


async def test_if_one_of_several_streams_is_not_as_expected_none_is_appended_to(log: StoredLog) -> None:
    await log.append("C", event())
    with pytest.raises(WrongExpectedVersionError) as caught:
        await log.append_many(StreamWrite("A", NO_STREAM, [event()]), StreamWrite("B", 4, [event()]), StreamWrite("C", 7, []))
    assert [(v.stream, v.expected, v.actual) for v in caught.value.violations] == [("B", 4, 0), ("C", 7, 1)]
    assert (await log.reader.head()).position == 1
    # What failed leaves nothing behind for appends of the same batch.
    failing = [StreamWrite("A", NO_STREAM, [event()]), StreamWrite("B", 4, [event()])]
    results = await asyncio.gather(
        log.append_many(*failing),
        log.append("A", event(), expected=NO_STREAM),
        log.append("A", event(), expected=1),
        return_exceptions=True,
    )
    assert isinstance(results[0], WrongExpectedVersionError)
    assert [r.writes[0].version for r in results[1:]] == [1, 2]


async def test_several_streams_replay_together_or_conflict(log: StoredLog) -> None:
    writes = [
        StreamWrite("A", NO_STREAM, [event(), event()]),
        StreamWrite("X", NO_STREAM, []),
        StreamWrite("B", NO_STREAM, [event()]),
    ]
    first = await log.append_many(*writes)
    await log.append("A", event())
    again = await log.append_many(*writes)
    assert again.replayed
    assert [w.last_position for w in again.writes] == [w.last_position for w in first.writes]
    assert [w.version for w in again.writes] == [2, 0, 1]
    with pytest.raises(EventIdConflictError):
        await log.append_many(*reversed(writes))
    with pytest.raises(EventIdConflictError):
        await log.append_many(writes[0])


async def test_a_deleted_stream_begins_again_after_its_last_version(log: StoredLog) -> None:
    await log.append("A", event(), event(), event())
    removal = await log.streams.delete("A", 3, tombstone=False)
    assert (removal.removed, removal.version) == (3, 3)
    with pytest.raises(WrongExpectedVersionError) as caught:
        await log.append("A", event(), expected=3)
    assert caught.value.violations[0].actual == 0
    with pytest.raises(WrongExpectedVersionError):
        await log.append("A", event(), expected=STREAM_EXISTS)
    result = await log.append("A", event(), expected=NO_STREAM)
    assert (result.writes[0].version, result.writes[0].last_position) == (4, 4)
    assert (await log.append("A", event(), expected=4)).writes[0].version == 5


async def test_a_failed_append_to_a_deleted_stream_leaves_it_deleted_in_its_batch(log: StoredLog) -> None:
    await log.append("A", event(), event())
    await log.streams.delete("A", ANY, tombstone=False)
    results = await asyncio.gather(
        log.append_many(StreamWrite("A", NO_STREAM, [event()]), StreamWrite("B", 9, [event()])),
        log.append("A", event(), expected=NO_STREAM),
        return_exceptions=True,
    )
    assert isinstance(results[0], WrongExpectedVersionError)
    assert results[1].writes[0].version == 3


async def test_positions_of_removed_events_are_never_given_again(log: StoredLog) -> None:
    await log.append("A", event())
    await log.append("B", event(), event())
    await log.streams.delete("B", ANY, tombstone=False)
    assert (await log.reader.head()).position == 3
    assert (await log.append("C", event())).last_position == 4


async def test_nothing_can_be_appended_after_a_tombstone(log: StoredLog) -> None:
    await log.append("A", event())
    await log.streams.delete("A", ANY, tombstone=True)
    for expected in (ANY, NO_STREAM, STREAM_EXISTS, 0, 1):
        with pytest.raises(StreamDeletedError) as caught:
            await log.append("A", event(), expected=expected)
        assert caught.value.tombstoned


async def test_a_poisonous_append_does_not_fail_its_neighbours(log: StoredLog) -> None:
    # A stream name that the index cannot hold: past every check of the server, for the sake of the test.
    unfit = "x" * 100_000 + str(list(range(5000)))
    names = [*(f"S{i}" for i in range(10)), unfit, *(f"T{i}" for i in range(10))]
    results = await asyncio.gather(*(log.append(name, event()) for name in names), return_exceptions=True)
    assert [isinstance(r, BaseException) for r in results] == [False] * 10 + [True] + [False] * 10
    assert (await log.reader.head()).position == 20


async def test_the_same_ids_with_other_facts_are_no_replay(log: StoredLog) -> None:
    made = event("Placed", b'{"qty":1}')
    await log.append("A", made)
    for other in (event("Placed", b'{"qty":2}', made.id), event("Shipped", b'{"qty":1}', made.id)):
        with pytest.raises(EventIdConflictError):
            await log.append("A", other)
    assert (await log.append("A", event("Placed", b'{"qty":1}', made.id, traceparent="another"))).replayed
