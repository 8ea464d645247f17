"""Payloads come back byte for byte, whichever way they go in and out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from mink.v1 import event_pb2
from mink.v1 import event_store_pb2 as pb
from mink.v1 import snapshots_pb2 as snap
from mink.v1.expectation_pb2 import ANY

from tests.rpc.conftest import Client, event, new_id, new_name, to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAYLOADS: dict[str, str | bytes] = {
    "duplicate keys": '{"b":1,"a":2,"b":3,"a":{"a":1,"a":2}}',
    "order and whitespace": ' {\t"z" : 1 ,\r\n "a":[ 1,2 , 3 ] }\n',
    "U+0000 escaped": '{"a":"\\u0000","\\u0000":1}',
    "thirty digits": "[123456789012345678901234567890, 0.123456789012345678901234567890, 1.10, 1e-400, 1E+400, -0, 1e1000000]",
    "lone surrogates": '["\\ud800", "\\udfff", "\\ud83d", "\\ude00\\ud83d"]',
    "escapes that need not be": '"\\u0041\\/\\u00e4\\ud83d\\ude00"',
    "unicode": '"äöü 😀 \u2028 \ufffd e\u0301 \U0010ffff"',
    "deep": "[" * 200 + "]" * 200,
    "a number": "7",
    "null": "null",
    "an empty string": '""',
    "five thousand digits": "9" * 5000,
    "large JSON": '"' + "x😀" * 180_000 + '"',
    "empty": b"",
    "every byte": bytes(range(256)),
    "bytes that look like JSON": b'{"a": 1}',
    "bytes that are no UTF-8": b"\xff\xfe\x00\xc0\x80",
    "900 kB": bytes(range(256)) * 3516,
}


def new_event(payload: str | bytes) -> event_pb2.NewEvent:
    return event(binary=payload) if isinstance(payload, bytes) else event(json=payload)


def payload_of(message: event_pb2.RecordedEvent) -> str | bytes:
    kind = message.WhichOneof("payload")
    assert kind is not None
    return getattr(message, kind)


@pytest.fixture(params=["AppendToStream", "AppendToStreams", "AppendSession"])
def way(request: pytest.FixtureRequest) -> str:
    return request.param


async def append(client: Client, way: str, stream: str, given: event_pb2.NewEvent) -> int:
    several = pb.AppendToStreamsRequest(appends=[pb.StreamAppend(stream=stream, state=ANY, events=[given])])
    if way == "AppendToStream":
        return (await client.store.AppendToStream(to(stream, given))).last_position
    if way == "AppendToStreams":
        return (await client.store.AppendToStreams(several)).last_position
    result = (await client.session(pb.SessionAppend(request_id=1, to_stream=to(stream, given))))[1]
    assert result.WhichOneof("result") == "to_stream", result
    return result.to_stream.last_position


async def test_payloads_come_back_as_sent(client: Client, way: str) -> None:
    stream = new_name()
    live = client.store.SubscribeAll(pb.SubscribeAllRequest(from_end=True, filter=pb.EventFilter(streams=[stream])))
    while not (await live.read()).HasField("caught_up"):
        pass
    for payload in PAYLOADS.values():
        await append(client, way, stream, new_event(payload))
    wanted = list(PAYLOADS.values())

    async def subscribed(call: AsyncIterator) -> list[str | bytes]:
        found: list[str | bytes] = []
        while len(found) < len(wanted):
            found += [payload_of(e) for e in (await call.read()).events.events]
        call.cancel()
        return found

    where = pb.EventFilter(streams=[stream])
    catching_up = client.store.SubscribeAll(pb.SubscribeAllRequest(filter=where))
    found = {
        "ReadStream": [payload_of(e) for e in await client.read(stream)],
        "ReadStream, backwards": [payload_of(e) for e in await client.read(stream, direction=pb.BACKWARDS)][::-1],
        "ReadAll": [payload_of(e) for e in await client.read_all(filter=where)],
        "ReadAll, backwards": [payload_of(e) for e in await client.read_all(filter=where, direction=pb.BACKWARDS)][::-1],
        "SubscribeAll, live": await asyncio.wait_for(subscribed(live), 30),
        "SubscribeAll, catching up": await asyncio.wait_for(subscribed(catching_up), 30),
    }
    for how, payloads in found.items():
        for name, sent, back in zip(PAYLOADS, wanted, payloads, strict=True):
            assert type(sent) is type(back), f"{how}: {name}"
            assert sent == back, f"{how}: {name}"


async def test_events_are_the_same_whichever_way_they_come(client: Client) -> None:
    stream = "😀" * 480 + new_name("-")
    live = client.store.SubscribeAll(pb.SubscribeAllRequest(from_end=True, filter=pb.EventFilter(streams=[stream])))
    while not (await live.read()).HasField("caught_up"):
        pass
    event_id = new_id()
    given = [
        event_pb2.NewEvent(type="Tÿpe😀", json="{}", metadata={"ключ": "", "k": "значение\n"}),
        event(binary=b"", event_id=event_id.upper()),
    ]
    done = await client.append(stream, *given)
    read = await client.read(stream)
    assert [(e.position, e.version, e.stream) for e in read] == [(done.first_position, 1, stream), (done.last_position, 2, stream)]
    assert read[1].id == event_id
    assert read[0].id[14] == "7", "the server makes a UUIDv7"
    assert (read[0].type, dict(read[0].metadata)) == ("Tÿpe😀", {"ключ": "", "k": "значение\n"})
    assert await client.read_all(filter=pb.EventFilter(categories=[stream.partition("-")[0]])) == read
    message = await live.read()
    while not message.HasField("events"):
        message = await live.read()
    assert list(message.events.events) == read
    live.cancel()


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
async def test_snapshots_come_back_as_saved(client: Client, payload: str | bytes) -> None:
    stream = new_name()
    await client.append(stream, event(), event())
    state = {"binary": payload} if isinstance(payload, bytes) else {"json": payload}
    metadata = {"ключ": "", "k": "a\nb"}
    done = await client.snapshots.SaveSnapshot(snap.SaveSnapshotRequest(stream=stream, version=1, metadata=metadata, **state))
    assert (done.saved, done.version) == (True, 1)
    loaded = (await client.snapshots.LoadSnapshot(snap.LoadSnapshotRequest(stream=stream))).snapshot
    pages = [page async for page in client.store.ReadStream(pb.ReadStreamRequest(stream=stream, since_snapshot=True))]
    assert [e.version for page in pages for e in page.events] == [2]
    assert pages[0].stream_version == 2
    for found in (loaded, pages[0].snapshot):
        assert (found.stream, found.version, dict(found.metadata)) == (stream, 1, metadata)
        kind = found.WhichOneof("state")
        assert kind == next(iter(state))
        assert getattr(found, kind) == payload
    assert loaded == pages[0].snapshot


async def test_snapshots_answer_with_the_version_that_is_kept(client: Client) -> None:
    stream = new_name()
    await client.append(stream, event(), event(), event())
    for version, saved, kept in ((2, True, 2), (1, False, 2), (2, True, 2), (3, True, 3), (2, False, 3)):
        done = await client.snapshots.SaveSnapshot(snap.SaveSnapshotRequest(stream=stream, version=version, json="{}"))
        assert (done.saved, done.version) == (saved, kept)
    assert (await client.snapshots.DeleteSnapshot(snap.DeleteSnapshotRequest(stream=stream))).version == 3
