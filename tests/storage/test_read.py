"""Reading: pages, directions, filters, what a frame carries, the view, and changes in the middle of a read; on every Postgres."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from mink.v1.event_store_pb2 import ReadAllResponse, ReadStreamResponse
from mink_server.core.errors import StreamDeletedError, StreamNotFoundError
from mink_server.core.events import EventToAppend, StreamWrite
from mink_server.core.expectations import ANY
from mink_server.core.filters import EventFilter, Partition
from mink_server.core.reading import Page, Snapshot
from mink_server.storage.reader import PAGE_BYTES, PAGE_EVENTS

from tests.storage.conftest import StoredLog, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mink.v1.event_pb2 import RecordedEvent

# Four of these fill a page: the fourth begins in it and passes the bound.
LARGE = b'"' + b"x" * (PAGE_BYTES * 2 // 7) + b'"'


async def pages_of(pages: AsyncIterator[Any]) -> list[Any]:
    return [page async for page in pages]


def events_in(pages: list[Any]) -> list[RecordedEvent]:
    """The events of pages, which say how many they have."""
    found = []
    for page in pages:
        events = ReadAllResponse.FromString(page.frames).events
        assert len(events) == page.events
        found += events
    return found


async def read_log(
    log: StoredLog, after: int = 0, upto: int | None = None, limit: int = 0, where: EventFilter | None = None
) -> list[Page]:
    if upto is None:
        upto = (await log.reader.head()).position
    return await pages_of(log.reader.read_all(after=after, upto=upto, limit=limit, where=where))


async def versions(log: StoredLog, stream: str, **how: Any) -> list[int]:
    return [e.version for e in events_in(await pages_of(log.reader.read_stream(stream, **how)))]


async def append_large(log: StoredLog, stream: str, count: int) -> None:
    for _ in range(count):
        await log.append(stream, event(payload=LARGE))


async def test_pages_are_bounded_by_count(log: StoredLog) -> None:
    total = PAGE_EVENTS * 2 + 100
    for _ in range(2):
        await log.append("A", *[event() for _ in range(total // 2)])
    forwards = await read_log(log)
    backwards = await pages_of(log.reader.read_all_backwards(before=total + 1))
    stream = await pages_of(log.reader.read_stream("A"))
    stream_back = await pages_of(log.reader.read_stream("A", backwards=True))
    for pages in (forwards, backwards, stream, stream_back):
        assert [page.events for page in pages] == [PAGE_EVENTS, PAGE_EVENTS, 100]
    assert [e.position for e in events_in(forwards)] == list(range(1, total + 1))
    assert [e.version for e in events_in(stream)] == list(range(1, total + 1))
    assert [e.position for e in events_in(backwards)] == list(range(total, 0, -1))
    assert [e.version for e in events_in(stream_back)] == list(range(total, 0, -1))
    assert [page.position for page in forwards] == [PAGE_EVENTS, PAGE_EVENTS * 2, total]
    assert [page.position for page in backwards] == [PAGE_EVENTS + 101, 101, 1]
    assert {page.version for page in stream} == {total}


async def test_pages_are_bounded_by_bytes(log: StoredLog) -> None:
    await append_large(log, "A", 10)
    for pages in (
        await read_log(log),
        await pages_of(log.reader.read_all_backwards(before=11)),
        await pages_of(log.reader.read_stream("A")),
        await pages_of(log.reader.read_stream("A", backwards=True)),
        await read_log(log, where=EventFilter(types=frozenset(["Happened"]))),
        await read_log(log, where=EventFilter(stream_prefixes=("A",))),
    ):
        assert [page.events for page in pages] == [4, 4, 2]
        assert all(len(page.frames) < PAGE_BYTES + len(LARGE) + 1000 for page in pages)
        assert sorted(e.position for e in events_in(pages)) == list(range(1, 11))


async def test_an_event_larger_than_a_page_is_a_page(log: StoredLog) -> None:
    huge = bytes(PAGE_BYTES * 2 + 17)
    await log.append("A", EventToAppend(str(uuid.uuid4()), "Huge", huge, False, None, len(huge)), event())
    await log.append("A", event(), EventToAppend(str(uuid.uuid4()), "Huge", huge, False, None, len(huge)))
    for pages in (
        await read_log(log),
        await pages_of(log.reader.read_stream("A")),
        await pages_of(log.reader.read_all_backwards(before=5)),
        await pages_of(log.reader.read_stream("A", backwards=True)),
    ):
        assert [page.events for page in pages] == [1, 3]
        assert [e.binary == huge for e in events_in(pages)] in ([True, False, False, True],)


async def test_a_stream_is_read_from_a_version_with_a_limit_both_ways(log: StoredLog) -> None:
    for i in range(10):
        await log.append("other", event())
        await log.append("A", event(payload=LARGE if i % 2 else b"{}"))
    for first, limit, backwards in itertools.product((0, 1, 4, 10, 11, 99, 2**63 - 1), (0, 1, 3, 10, 99, 2**63 - 1), (False, True)):
        wanted = [v for v in range(1, 11) if v >= first]
        if backwards:
            wanted = [v for v in range(10, 0, -1) if first == 0 or v <= first]
        wanted = wanted[:limit] if limit else wanted
        assert await versions(log, "A", from_version=first, limit=limit, backwards=backwards) == wanted, (first, limit, backwards)


async def test_the_log_is_read_between_positions_with_a_limit_both_ways(log: StoredLog) -> None:
    for i in range(12):
        await log.append("gone" if i in (0, 3, 4, 11) else "A", event(payload=LARGE if i % 2 else b"{}"))
    await log.streams.delete("gone", ANY, tombstone=False)
    there = [2, 3, 6, 7, 8, 9, 10, 11]
    assert (await log.reader.head()).position == 12
    for after, upto, limit in itertools.product((0, 1, 4, 11, 12), (1, 8, 12), (0, 1, 3, 99)):
        pages = await read_log(log, after, upto, limit)
        wanted = [p for p in there if after < p <= upto]
        assert [e.position for e in events_in(pages)] == (wanted[:limit] if limit else wanted), (after, upto, limit)
        if pages and not (limit and len(wanted) >= limit):
            assert pages[-1].position == upto
    for before, limit in itertools.product((1, 2, 5, 12, 13), (0, 1, 3, 99)):
        pages = await pages_of(log.reader.read_all_backwards(before=before, limit=limit))
        wanted = [p for p in reversed(there) if p < before]
        assert [e.position for e in events_in(pages)] == (wanted[:limit] if limit else wanted), (before, limit)
        if pages and not (limit and len(wanted) >= limit):
            assert pages[-1].position == 1


async def test_an_empty_log_has_no_pages(log: StoredLog) -> None:
    assert (await log.reader.head()).position == 0
    assert events_in(await read_log(log)) == []
    assert events_in(await pages_of(log.reader.read_all_backwards(before=1))) == []


async def test_streams_that_are_not_there_say_which_way(log: StoredLog) -> None:
    with pytest.raises(StreamNotFoundError):
        await versions(log, "never")
    await log.append("deleted", event())
    await log.streams.delete("deleted", ANY, tombstone=False)
    with pytest.raises(StreamDeletedError) as caught:
        await versions(log, "deleted", backwards=True)
    assert not caught.value.tombstoned
    await log.streams.delete("deleted", ANY, tombstone=True)
    with pytest.raises(StreamDeletedError) as caught:
        await versions(log, "deleted", since_snapshot=True)
    assert caught.value.tombstoned


async def test_a_stream_without_events_left_is_one_empty_page(log: StoredLog) -> None:
    await log.append("A", event(), event())
    await log.streams.truncate("A", 3)
    for backwards in (False, True):
        pages = await pages_of(log.reader.read_stream("A", backwards=backwards))
        assert [(page.frames, page.events, page.version, page.snapshot) for page in pages] == [(b"", 0, 2, None)]
    await log.append("A", event(), expected=2)
    assert await versions(log, "A", from_version=1) == [3]


async def test_since_the_newest_snapshot(log: StoredLog) -> None:
    await append_large(log, "A", 8)
    assert await versions(log, "A", since_snapshot=True) == list(range(1, 9))
    for at in (1, 4, 8):
        await log.snapshots.save(Snapshot("A", at, b'{"n": %d}' % at, True, {"by": "tëst", "": "ok"}))
        pages = await pages_of(log.reader.read_stream("A", since_snapshot=True))
        assert [e.version for e in events_in(pages)] == list(range(at + 1, 9))
        assert pages[0].version == 8
        assert (pages[0].snapshot.version, pages[0].snapshot.state) == (at, b'{"n": %d}' % at)
        assert pages[0].snapshot.metadata == {"by": "tëst", "": "ok"}
        assert all(page.snapshot is None for page in pages[1:])
        assert await versions(log, "A", since_snapshot=True, limit=2) == list(range(at + 1, 9))[:2]
    assert (await pages_of(log.reader.read_stream("A")))[0].snapshot is None
    await log.streams.truncate("A", 9)
    pages = await pages_of(log.reader.read_stream("A", since_snapshot=True))
    assert (len(pages), pages[0].snapshot.version, pages[0].frames) == (1, 8, b"")


STREAMS = (
    "Order-1",
    "Order-2",
    "Order",
    "Order%",
    "Order_",
    "Order_1-7",
    "OrderX1-7",
    "Order\\1",
    "order-1",
    "Ord",
    "-x",
    "%",
    "_",
    "a%b-1",
    "aXb-1",
    "Ünï-1",
    "Ünï",
    "U",
    "😀-1",
    "\\",
    "O'Brien-1",
    "a\\%b",
    "'; drop table events; --",
)
FILTERS = [
    EventFilter(streams=frozenset(["Order-1"])),
    EventFilter(streams=frozenset(["Order-1", "nowhere", "%", "_"])),
    EventFilter(streams=frozenset(["'; drop table events; --", "O'Brien-1"])),
    EventFilter(stream_prefixes=("Order",)),
    EventFilter(stream_prefixes=("Order_",)),
    EventFilter(stream_prefixes=("Order%", "a%b", "\\")),
    EventFilter(stream_prefixes=("%",)),
    EventFilter(stream_prefixes=("_", "a\\")),
    EventFilter(stream_prefixes=("Ün", "😀")),
    EventFilter(categories=frozenset(["Order"])),
    EventFilter(categories=frozenset(["Ünï", "😀", "a%b", "Order_1"])),
    EventFilter(categories=frozenset(["%", "_", "Order%"])),
    EventFilter(types=frozenset(["B"])),
    EventFilter(types=frozenset(["A", "none"])),
    EventFilter(types=frozenset(["%"])),
    EventFilter(types=frozenset(["B", "%"]), categories=frozenset(["Order"])),
    EventFilter(streams=frozenset(["U"]), stream_prefixes=("aX",), categories=frozenset(["order"])),
    EventFilter(streams=frozenset(["U"]), stream_prefixes=("Order_",), categories=frozenset(["order"]), types=frozenset(["B"])),
    EventFilter(streams=frozenset(["nowhere"])),
    EventFilter(types=frozenset(["nothing"])),
]


async def test_filters_choose_in_the_database_what_they_choose_in_memory(log: StoredLog) -> None:
    appended = []
    for stream, kind in itertools.product(STREAMS, ("A", "B", "%")):
        appended.append((stream, kind, await log.append(stream, event(kind))))
    for where in FILTERS:
        wanted = [result.last_position for stream, kind, result in appended if where.matches(stream, kind)]
        pages = await read_log(log, where=where)
        assert [e.position for e in events_in(pages)] == wanted, where
        assert pages[-1].position == len(appended)
        back = await pages_of(log.reader.read_all_backwards(before=len(appended) + 1, where=where))
        assert [e.position for e in events_in(back)] == wanted[::-1], where
        assert [e.position for e in events_in(await read_log(log, after=9, upto=40, limit=3, where=where))] == [
            p for p in wanted if 9 < p <= 40
        ][:3]


async def test_partitions_share_in_the_database_what_they_share_in_memory(log: StoredLog) -> None:
    appended = []
    for stream, kind in itertools.product(STREAMS, ("A", "B", "%")):
        appended.append((stream, kind, await log.append(stream, event(kind))))
    for where in (EventFilter(), *FILTERS):
        found = []
        for number in range(3):
            part = dataclasses.replace(where, partition=Partition(number, 3))
            wanted = [result.last_position for stream, kind, result in appended if part.matches(stream, kind)]
            pages = await read_log(log, where=part)
            assert [e.position for e in events_in(pages)] == wanted, part
            assert pages[-1].position == len(appended)
            found += wanted
        assert sorted(found) == [result.last_position for stream, kind, result in appended if where.matches(stream, kind)]


async def test_pages_of_a_partition_are_bounded(log: StoredLog) -> None:
    name = next(name for name in map("Large-{}".format, itertools.count()) if Partition(1, 4).has(name))
    await append_large(log, name, 9)
    await log.append(name, *[event() for _ in range(PAGE_EVENTS + 1)])
    pages = await read_log(log, where=EventFilter(partition=Partition(1, 4)))
    assert [page.events for page in pages] == [4, 4, PAGE_EVENTS, 2]
    assert [page.position for page in pages] == [4, 8, 8 + PAGE_EVENTS, 10 + PAGE_EVENTS]


async def test_sparse_filters_cover_the_whole_log_step_by_step(log: StoredLog) -> None:
    needles = (1, 7_000, 11_999, 14_001)
    position = 0
    for needle in (*needles, 0):
        while position < (needle - 1 if needle else 14_500):
            count = min(2_000, (needle - 1 if needle else 14_500) - position)
            position = (await log.append("hay", *[event() for _ in range(count)])).last_position
        if needle:
            position = (await log.append("needle-1", event("Needle"))).last_position
            assert position == needle
    for where in (
        EventFilter(types=frozenset(["Needle"])),
        EventFilter(categories=frozenset(["needle"])),
        EventFilter(stream_prefixes=("need",), types=frozenset(["Needle"])),
    ):
        pages = await read_log(log, where=where)
        sent: list[int] = []
        for page in pages:
            sent += [e.position for e in events_in([page])]
            assert sent == [n for n in needles if n <= page.position], "a page says that it covers what it does not"
        assert len(pages) > 1
        assert pages[-1].position == 14_500
        sent = []
        back = await pages_of(log.reader.read_all_backwards(before=14_501, where=where))
        for page in back:
            sent += [e.position for e in events_in([page])]
            assert sent == [n for n in reversed(needles) if n >= page.position]
        assert back[-1].position == 1
        assert [e.position for e in events_in(await read_log(log, limit=2, where=where))] == [1, 7_000]
        assert [
            e.position for e in events_in(await pages_of(log.reader.read_all_backwards(before=14_501, limit=2, where=where)))
        ] == [14_001, 11_999]
        assert [e.position for e in events_in(await read_log(log, after=1, upto=11_998, where=where))] == [7_000]
    nothing = await read_log(log, where=EventFilter(types=frozenset(["Nothing"])))
    assert [page.events for page in nothing] == [0] * len(nothing)
    assert nothing[-1].position == 14_500


def raw(event_type: str, payload: bytes, *, is_json: bool, metadata: dict[str, str] | None = None) -> EventToAppend:
    return EventToAppend(str(uuid.uuid4()), event_type, payload, is_json, metadata, len(payload))


async def test_frames_carry_exactly_what_was_appended(log: StoredLog) -> None:
    metadata: list[dict[str, str] | None] = [
        None,
        {},
        {"": ""},
        {"empty": ""},
        {"ключ": "значение 😀", "tab": "a\tb\n"},
        {f"k{i}": "v" * i for i in range(200)},
        {"big": "x" * 70_000},
    ]
    payloads = [
        b"",
        b"{}",
        b'"\\u0000"',
        '"ü😀"'.encode(),
        b'{"a":1, "a":2}',
        b"1" * 127,
        b'"' + b"x" * 125 + b'"',
        b'"' + b"x" * 126 + b'"',
        b'"' + b"x" * 16_384 + b'"',
    ]
    events = [
        raw(f"Type{'ü' * i}", payload, is_json=payload != b"", metadata=metadata[i % len(metadata)])
        for i, payload in enumerate(payloads)
    ]
    events += [raw("Bytes", bytes(range(256)), is_json=False, metadata=extra) for extra in metadata]
    events += [raw("T" * 255, b"", is_json=False), raw("T" * 128, b"null", is_json=True)]
    given = []
    for i, one in enumerate(events):
        stream = ("S", "Ströme-😀", "s" * 127, "s" * 128, "😀" * 500)[i % 5]
        result = await log.append(stream, one)
        given.append((stream, result.writes[0].version, one))
    read = events_in(await read_log(log))
    rows = await log.fetch("select position, recorded_at, event_id, type from {schema}.events order by position")
    for position, (found, (stream, version, one), row) in enumerate(zip(read, given, rows, strict=True), 1):
        assert (found.position, found.version, found.id, found.stream, found.type) == (position, version, one.id, stream, one.type)
        assert dict(found.metadata) == (one.metadata or {})
        assert found.WhichOneof("payload") == ("json" if one.is_json else "binary")
        assert (found.json.encode() if one.is_json else found.binary) == one.payload
        assert found.recorded_at.ToMicroseconds() == round(row["recorded_at"].timestamp() * 1_000_000)
        assert found.recorded_at.nanos % 1000 == 0
        assert (str(row["event_id"]), row["type"], row["position"]) == (one.id, one.type, position)
    for stream in {stream for stream, _, _ in given}:
        pages = await pages_of(log.reader.read_stream(stream))
        again = [e for page in pages for e in ReadStreamResponse.FromString(page.frames).events]
        assert again == [e for e in read if e.stream == stream]


async def test_the_tail_has_the_same_bytes_as_the_database(log: StoredLog) -> None:
    await log.append("A", event(), event(a="b"))
    await asyncio.gather(*(log.append(f"S{i % 3}", event(payload=b"%d" % i), event()) for i in range(50)))
    await log.append_many(StreamWrite("A", ANY, [event()]), StreamWrite("S0", ANY, []), StreamWrite("B", ANY, [event(), event()]))
    chunks = log.tail.since(0, 10**9)
    assert chunks is not None
    assert b"".join(frame for chunk in chunks for frame in chunk.frames) == b"".join(page.frames for page in await read_log(log))
    assert [key for chunk in chunks for key in chunk.keys] == [(e.stream, e.type) for e in events_in(await read_log(log))]


async def test_the_view_shows_events_to_people(log: StoredLog) -> None:
    texts = [
        b'{"b": 1, "a": [true, null]}',
        b'{"a": "\\u0000"}',
        b"1e999999",
        b'"\\ud800"',
        b"[" * 500 + b"]" * 500,
        b"null",
        '"ü"'.encode(),
    ]
    await log.append("Order-1", *[raw("Json", text, is_json=True, metadata={"ключ": "значение", "e": ""}) for text in texts])
    await log.append(
        "Order",
        raw("Bytes", bytes(range(256)), is_json=False),
        raw("Empty", b"", is_json=False, metadata={"x" * 300: "y" * 20_000}),
    )
    rows = await log.fetch("select * from {schema}.event_log order by position")
    assert [row["position"] for row in rows] == list(range(1, 10))
    assert [(row["stream"], row["category"], row["version"]) for row in rows] == [("Order-1", "Order", i) for i in range(1, 8)] + [
        ("Order", "Order", 1),
        ("Order", "Order", 2),
    ]
    assert [row["json_text"] for row in rows[:7]] == [text.decode() for text in texts]
    assert json.loads(rows[0]["json"]) == {"a": [True, None], "b": 1}
    assert [row["json"] is None for row in rows[:4]] == [False, True, True, True]
    assert (rows[5]["json"], rows[6]["json"]) == ("null", '"ü"')
    assert [json.loads(row["metadata"]) for row in rows[:7]] == [{"ключ": "значение", "e": ""}] * 7
    assert [row["payload"] for row in rows[:7]] == [None] * 7
    assert [(row["json"], row["json_text"], row["payload"]) for row in rows[7:]] == [
        (None, None, bytes(range(256))),
        (None, None, b""),
    ]
    assert [json.loads(row["metadata"]) for row in rows[7:]] == [{}, {"x" * 300: "y" * 20_000}]
    columns = await log.fetch("select position, event_id, recorded_at from {schema}.events order by position")
    assert [(row["position"], row["id"], row["recorded_at"]) for row in rows] == [tuple(row) for row in columns]


async def test_an_event_the_view_cannot_show_as_jsonb_hides_no_other(log: StoredLog) -> None:
    await log.append("A", raw("Deep", b"[" * 200_000 + b"]" * 200_000, is_json=True), raw("Fine", b"7", is_json=True))
    rows = await log.fetch("select json from {schema}.event_log order by position")
    assert [row["json"] for row in rows] == [None, "7"]


async def reading(pages: AsyncIterator[Any]) -> Any:
    """The first page, when the next one has been fetched ahead."""
    page = await anext(pages)
    await asyncio.sleep(0.2)
    return page


async def test_a_stream_deleted_in_the_middle_of_a_read(log: StoredLog) -> None:
    for backwards in (False, True):
        name = f"A{backwards}"
        await append_large(log, name, 13)
        pages = log.reader.read_stream(name, backwards=backwards)
        first = await reading(pages)
        assert first.events == 4
        await log.streams.delete(name, ANY, tombstone=backwards)
        with pytest.raises(StreamDeletedError) as caught:
            await pages_of(pages)
        assert caught.value.tombstoned == backwards


async def test_a_stream_truncated_in_the_middle_of_a_read(log: StoredLog) -> None:
    await append_large(log, "A", 13)
    pages = log.reader.read_stream("A")
    found = events_in([await reading(pages)])
    await log.streams.truncate("A", 12)
    found += events_in(await pages_of(pages))
    read = [e.version for e in found]
    assert read[:4] == [1, 2, 3, 4]
    assert read[-2:] == [12, 13]
    assert read == sorted(set(read))
    pages = log.reader.read_stream("A", backwards=True, limit=3)
    assert [e.version for e in events_in(await pages_of(pages))] == [13, 12]
    await append_large(log, "B", 13)
    pages = log.reader.read_stream("B", backwards=True)
    found = events_in([await reading(pages)])
    await log.streams.truncate("B", 14)
    found += events_in(await pages_of(pages))
    assert [e.version for e in found] in ([13, 12, 11, 10], [13, 12, 11, 10, 9, 8, 7, 6])


async def test_appends_during_a_read_are_left_out(log: StoredLog) -> None:
    await append_large(log, "A", 9)
    head = (await log.reader.head()).position
    stream, whole = log.reader.read_stream("A"), log.reader.read_all(after=0, upto=head)
    found, found_log = events_in([await anext(stream)]), events_in([await anext(whole)])
    await append_large(log, "A", 3)
    pages = await pages_of(stream)
    assert {page.version for page in pages} == {9}
    assert [e.version for e in found + events_in(pages)] == list(range(1, 10))
    assert [e.position for e in found_log + events_in(await pages_of(whole))] == list(range(1, 10))


async def test_what_is_appended_after_a_truncation_in_the_middle_of_a_read_is_left_out(log: StoredLog) -> None:
    await append_large(log, "A", 13)
    pages = log.reader.read_stream("A")
    found = events_in([await reading(pages)])
    await log.streams.truncate("A", 14)
    await log.append("A", event(), event())
    found += events_in(await pages_of(pages))
    assert max(e.version for e in found) <= 13, "the read gave versions that came after it began"


async def test_the_log_read_while_events_are_removed(log: StoredLog) -> None:
    for i in range(13):
        await log.append(f"S{i}", event(payload=LARGE))
    pages = log.reader.read_all(after=0, upto=13)
    first = await reading(pages)
    for i in (9, 10, 12):
        await log.streams.delete(f"S{i}", ANY, tombstone=False)
    rest = await pages_of(pages)
    assert [e.position for e in events_in([first, *rest])] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 12]
    assert rest[-1].position == 13


async def test_a_read_given_up_leaves_nothing_behind(log: StoredLog) -> None:
    await append_large(log, "A", 13)
    for _ in range(20):
        for pages in (log.reader.read_stream("A"), log.reader.read_all(after=0, upto=13)):
            await anext(pages)
            await pages.aclose()
    assert await versions(log, "A") == list(range(1, 14))
