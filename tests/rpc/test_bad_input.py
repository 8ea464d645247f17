"""Bad input: each is refused by its field, changes nothing, and nothing of a payload comes out anywhere."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from mink.v1 import event_pb2
from mink.v1 import event_store_pb2 as pb
from mink.v1 import operations_pb2 as ops
from mink.v1 import snapshots_pb2 as snap
from mink.v1.expectation_pb2 import ANY, NO_STREAM

from tests.rpc.conftest import Client, Told, event, failure, new_id, new_name, to, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.servers import MinkProcess

MOST = 2**63 - 1
CHOICES = ("exact_version", "ANY", "NO_STREAM", "STREAM_EXISTS")


@pytest.fixture
async def marker(client: Client, server: MinkProcess) -> AsyncIterator[str]:
    """A word for payloads: the test leaves the log as it was, and does not bring the word into the server's output."""
    await client.append(new_name(), event())
    word = f"hush{uuid.uuid4().hex}"
    before, written = await client.head(), len(server.output)
    yield word
    assert await client.head() == before
    assert word not in server.output
    assert "Traceback" not in server.output[written:]


async def refused(client: Client, request: pb.AppendToStreamRequest | pb.AppendToStreamsRequest, marker: str) -> Told:
    """How an append is refused: by a call of its own as in a session."""
    to_stream = isinstance(request, pb.AppendToStreamRequest)
    alone = await failure(client.store.AppendToStream(request) if to_stream else client.store.AppendToStreams(request))
    results = await client.session(pb.SessionAppend(request_id=1, **{"to_stream" if to_stream else "to_streams": request}))
    assert Told.of(results[1].failure) == alone
    assert marker not in str(alone)
    return alone


async def test_two_wrong_fields_are_told_together(client: Client, marker: str) -> None:
    events = [event(json=f'{{"{marker}":', event_id="x"), event(kind="\n", json=f'"{marker}"')]
    error = await refused(client, to("a\tb", *events, exact_version=-1), marker)
    assert error.fields == ["stream", "exact_version", "events[0].id", "events[0].json", "events[1].type"]
    for field in error.fields:
        assert field in error.message
    part = pb.StreamAppend(stream="", events=[event(json=marker)])
    error = await refused(
        client, pb.AppendToStreamsRequest(appends=[pb.StreamAppend(stream="A", state=ANY, events=[event()]), part]), marker
    )
    assert set(error.fields) == {"appends[1].stream", "appends[1].expectation", "appends[1].events[0].json"}


@pytest.mark.parametrize(
    "wrong",
    [
        "1",
        "x" * 36,
        "01890a5d-ac96-774b-bcce-b302099a805",
        "01890a5d-ac96-774b-bcce-b302099a80577",
        "01890a5dac96774bbcceb302099a8057",
        "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
        " 1890a5d-ac96-774b-bcce-b302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a805g",
        "0_890a5d-ac96-774b-bcce-b302099a8057",
        "01890a5dac96774bbcceb302099a8057----",
        "0189-0a5dac96-774b-bcce-b302099a8057",
        "+1890a5d-ac96-774b-bcce-b302099a8057",
        "\uff101890a5d-ac96-774b-bcce-b302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a8057\n",
        "\x00" * 36,
    ],
)
async def test_ids_that_are_no_uuid(client: Client, marker: str, wrong: str) -> None:
    error = await refused(client, to("A", event(event_id=wrong, json=f'"{marker}"')), marker)
    assert error.fields == ["events[0].id"]
    assert "UUID" in error.message


NAMES = {
    "empty": "",
    "501": "x" * 501,
    "501 of four bytes": "😀" * 501,
    "long": "x" * 100_000,
    "U+0000": "a\x00b",
    "newline": "a\n",
    "tab": "\tb",
    "escape": "\x1b[31m",
    "delete": "a\x7f",
    "next line": "a\x85b",
    "C1": "\x9f",
}


@pytest.mark.parametrize("wrong", NAMES.values(), ids=NAMES.keys())
async def test_stream_names(client: Client, marker: str, wrong: str) -> None:
    assert (await refused(client, to(wrong, event(json=f'"{marker}"')), marker)).fields == ["stream"]
    several = pb.AppendToStreamsRequest(appends=[pb.StreamAppend(stream=wrong, state=ANY, events=[event()])])
    assert (await refused(client, several, marker)).fields == ["appends[0].stream"]
    calls = [
        client.store.ReadStream(pb.ReadStreamRequest(stream=wrong)),
        client.store.GetStream(pb.GetStreamRequest(stream=wrong)),
        client.store.TruncateStream(pb.TruncateStreamRequest(stream=wrong, before_version=1)),
        client.store.DeleteStream(pb.DeleteStreamRequest(stream=wrong, state=ANY)),
        client.snapshots.SaveSnapshot(snap.SaveSnapshotRequest(stream=wrong, version=1, json=f'"{marker}"')),
        client.snapshots.LoadSnapshot(snap.LoadSnapshotRequest(stream=wrong)),
        client.snapshots.DeleteSnapshot(snap.DeleteSnapshotRequest(stream=wrong)),
    ]
    for call in calls:
        assert (await failure(call)).fields == ["stream"]
    if wrong:
        assert (await failure(client.store.ListStreams(pb.ListStreamsRequest(prefix=wrong)))).fields == ["prefix"]
    for field in ("streams", "stream_prefixes", "categories"):
        where = pb.EventFilter(**{field: ["fine", wrong]})
        for call in (
            client.store.ReadAll(pb.ReadAllRequest(filter=where)),
            client.store.SubscribeAll(pb.SubscribeAllRequest(filter=where)),
        ):
            assert (await failure(call)).fields == [f"filter.{field}[1]"]


async def test_names_at_the_limit_are_taken(client: Client) -> None:
    for name in (new_name() + "x", new_name() + "😀"):
        full = name + name[-1] * (500 - len(name))
        assert len(full) == 500
        assert (await client.append(full, event(kind="T" * 255), event(kind="ü" * 255))).version == 2
        assert [e.stream for e in await client.read(full)] == [full] * 2
        info = (await client.store.GetStream(pb.GetStreamRequest(stream=full))).stream
        assert (info.stream, info.version) == (full, 2)
        assert [e.version for e in await client.read_all(filter=pb.EventFilter(streams=[full]))] == [1, 2]
        assert [e.version for e in await client.read_all(filter=pb.EventFilter(stream_prefixes=[full]))] == [1, 2]


@pytest.mark.parametrize("wrong", ["", "T" * 256, "a\x00", "a\nb", "\x7f"])
async def test_event_types(client: Client, marker: str, wrong: str) -> None:
    assert (await refused(client, to("A", event(kind=wrong, json=f'"{marker}"')), marker)).fields == ["events[0].type"]
    assert (await failure(client.store.ReadAll(pb.ReadAllRequest(filter=pb.EventFilter(types=[wrong]))))).fields == [
        "filter.types[0]"
    ]


async def test_an_append_without_an_expectation_is_told_the_choices(client: Client, marker: str) -> None:
    for request in (
        pb.AppendToStreamRequest(stream="A", events=[event(json=f'"{marker}"')]),
        pb.AppendToStreamRequest(stream="A", state=0, events=[event(json=f'"{marker}"')]),
        pb.AppendToStreamRequest(stream="A", state=99, events=[event(json=f'"{marker}"')]),
        pb.AppendToStreamRequest(stream="A", state=-1, events=[event(json=f'"{marker}"')]),
    ):
        error = await refused(client, request, marker)
        assert error.fields == ["expectation"]
        assert all(choice in error.message for choice in CHOICES)
    error = await refused(client, to("A", event(), exact_version=-1), marker)
    assert error.fields == ["exact_version"]
    error = await refused(client, to("A", event(), exact_version=-(2**63)), marker)
    assert error.fields == ["exact_version"]


async def test_a_deletion_that_expects_nothing_or_no_stream(client: Client) -> None:
    name = new_name()
    await client.append(name, event())
    for how in ({}, {"state": 0}, {"state": NO_STREAM}, {"exact_version": 0}, {"state": 77}):
        assert (await failure(client.store.DeleteStream(pb.DeleteStreamRequest(stream=name, **how)))).fields == ["expectation"]
    assert (await failure(client.store.DeleteStream(pb.DeleteStreamRequest(stream=name, exact_version=-1)))).fields == [
        "exact_version"
    ]
    assert (
        await failure(client.store.DeleteStream(pb.DeleteStreamRequest(stream=name, exact_version=MOST)))
    ).reason == "WRONG_EXPECTED_VERSION"
    assert len(await client.read(name)) == 1


async def test_appends_without_events(client: Client, marker: str) -> None:
    assert (await refused(client, to("A"), marker)).fields == ["events"]
    assert (await refused(client, pb.AppendToStreamsRequest(), marker)).fields == ["appends"]
    only_checks = pb.AppendToStreamsRequest(appends=[pb.StreamAppend(stream=n, state=ANY) for n in "AB"])
    assert (await refused(client, only_checks, marker)).fields == ["appends"]
    assert (await refused(client, pb.AppendToStreamRequest(), marker)).fields == ["stream", "expectation", "events"]


async def test_events_without_a_payload(client: Client, marker: str) -> None:
    error = await refused(client, to("A", event_pb2.NewEvent(type="T", metadata={"k": marker})), marker)
    assert error.fields == ["events[0].payload"]
    assert (await failure(client.snapshots.SaveSnapshot(snap.SaveSnapshotRequest(stream="A", version=1)))).fields == ["state"]


async def test_an_event_over_the_limit(client: Client, marker: str) -> None:
    limit = 1_048_576
    for large in (event(binary=marker.encode() * 40_000), event(json=f'"{marker * 40_000}"'), event(metadata=marker * 40_000)):
        error = await refused(client, to("A", large, event()), marker)
        assert (error.code, error.reason, error.detail.limit_bytes) == (grpc.StatusCode.INVALID_ARGUMENT, "EVENT_TOO_LARGE", limit)
        assert error.detail.size_bytes > limit


async def test_a_request_over_the_limit(client: Client, marker: str) -> None:
    part = event(binary=marker.encode() + bytes(1_000_000))
    error = await refused(client, to("A", *[part] * 5), marker)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_TOO_LARGE")
    assert (error.detail.limit_bytes, error.detail.size_bytes > 5_000_000) == (4_194_304, True)


async def test_more_events_than_an_append_takes(client: Client, marker: str) -> None:
    error = await refused(client, to("A", *[event(json="1")] * 10_001), marker)
    assert error.fields == ["events"] or error.fields == ["events", "events"]
    halves = [pb.StreamAppend(stream=n, state=ANY, events=[event(json="1")] * 5_001) for n in "AB"]
    assert set((await refused(client, pb.AppendToStreamsRequest(appends=halves), marker)).fields) == {"events"}


async def test_a_message_over_grpcs_own_limit(client: Client, marker: str) -> None:
    error = await failure(client.store.AppendToStream(to("A", event(binary=marker.encode() + bytes(17_000_000)))))
    assert error.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    call = client.store.AppendSession()
    await call.write(
        pb.AppendSessionRequest(appends=[pb.SessionAppend(request_id=1, to_stream=to("A", event(binary=bytes(17_000_000))))])
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert told(caught.value).code == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("count", [-1, -(2**63)])
async def test_negative_numbers(client: Client, marker: str, count: int) -> None:
    name = new_name()
    small = max(count, -(2**31))
    calls: list[tuple[Any, list[str]]] = [
        (client.store.ReadStream(pb.ReadStreamRequest(stream=name, from_version=count, limit=count)), ["from_version", "limit"]),
        (client.store.ReadAll(pb.ReadAllRequest(after_position=count, limit=count)), ["after_position", "limit"]),
        (client.store.ReadAll(pb.ReadAllRequest(before_position=count, direction=pb.BACKWARDS)), ["before_position"]),
        (client.store.SubscribeAll(pb.SubscribeAllRequest(after_position=count)), ["after_position"]),
        (client.store.TruncateStream(pb.TruncateStreamRequest(stream=name, before_version=count)), ["before_version"]),
        (client.store.ListStreams(pb.ListStreamsRequest(page_size=small)), ["page_size"]),
        (client.snapshots.SaveSnapshot(snap.SaveSnapshotRequest(stream=name, version=count, json=f'"{marker}"')), ["version"]),
        (client.operations.GetStatistics(ops.GetStatisticsRequest(top_types=small)), ["top_types"]),
    ]
    for call, fields in calls:
        error = await failure(call)
        assert set(fields) <= set(error.fields)
        assert marker not in str(error)


async def test_zeros_and_numbers_that_are_too_large(client: Client) -> None:
    name = new_name()
    for call, field in (
        (client.store.TruncateStream(pb.TruncateStreamRequest(stream=name)), "before_version"),
        (client.snapshots.SaveSnapshot(snap.SaveSnapshotRequest(stream=name, json="{}")), "version"),
        (client.store.ListStreams(pb.ListStreamsRequest(page_size=1001)), "page_size"),
        (client.store.ListStreams(pb.ListStreamsRequest(page_size=2**31 - 1)), "page_size"),
        (client.operations.GetStatistics(ops.GetStatisticsRequest(top_types=1001)), "top_types"),
    ):
        assert (await failure(call)).fields == [field]


async def test_absurd_numbers_that_mean_something_are_taken(client: Client) -> None:
    name = new_name()
    await client.append(name, event(), event())
    assert len(await client.read(name, limit=MOST)) == 2
    assert await client.read(name, from_version=MOST, limit=MOST) == []
    assert [e.version for e in await client.read(name, from_version=MOST, direction=pb.BACKWARDS)] == [2, 1]
    assert [e.version for e in await client.read(name, from_version=2**31, direction=pb.BACKWARDS)] == [2, 1]
    assert len(await client.read_all(limit=MOST, filter=pb.EventFilter(streams=[name]))) == 2
    assert len(await client.read_all(limit=MOST, direction=pb.BACKWARDS, filter=pb.EventFilter(streams=[name]))) == 2
    assert (await failure(client.store.AppendToStream(to(name, event(), exact_version=MOST)))).detail.violations[
        0
    ].exact_version == MOST
    assert (await failure(client.store.TruncateStream(pb.TruncateStreamRequest(stream=name, before_version=MOST)))).fields == [
        "before_version"
    ]
    assert (
        await failure(client.snapshots.SaveSnapshot(snap.SaveSnapshotRequest(stream=name, version=MOST, json="{}")))
    ).fields == ["version"]
    assert len(await client.read(name)) == 2


async def test_directions(client: Client) -> None:
    for wrong in (3, 99, -1):
        assert (await failure(client.store.ReadStream(pb.ReadStreamRequest(stream="A", direction=wrong)))).fields == ["direction"]
        assert (await failure(client.store.ReadAll(pb.ReadAllRequest(direction=wrong)))).fields == ["direction"]
    assert (await failure(client.store.ReadAll(pb.ReadAllRequest(direction=pb.BACKWARDS, after_position=1)))).fields == [
        "after_position"
    ]
    assert (await failure(client.store.ReadAll(pb.ReadAllRequest(before_position=1)))).fields == ["before_position"]
    for how in ({"from_version": 1}, {"direction": pb.BACKWARDS}):
        assert (await failure(client.store.ReadStream(pb.ReadStreamRequest(stream="A", since_snapshot=True, **how)))).fields == [
            "since_snapshot"
        ]


async def test_ids_twice_in_one_append(client: Client, marker: str) -> None:
    twice = new_id()
    error = await refused(client, to("A", event(event_id=twice), event(), event(event_id=twice.upper())), marker)
    assert error.fields == ["events"]
    several = pb.AppendToStreamsRequest(
        appends=[pb.StreamAppend(stream=n, state=ANY, events=[event(event_id=twice)]) for n in "AB"]
    )
    assert (await refused(client, several, marker)).fields == ["events"]


async def test_streams_of_an_append_to_several(client: Client, marker: str) -> None:
    twice = pb.AppendToStreamsRequest(appends=[pb.StreamAppend(stream=n, state=ANY, events=[event()]) for n in ("A", "B", "A")])
    assert (await refused(client, twice, marker)).fields == ["appends"]
    many = [pb.StreamAppend(stream=new_name(), state=ANY, events=[event()]) for _ in range(101)]
    assert (await refused(client, pb.AppendToStreamsRequest(appends=many), marker)).fields == ["appends"]


async def test_a_hundred_streams_are_taken(client: Client) -> None:
    many = [pb.StreamAppend(stream=new_name(), state=NO_STREAM, events=[event()]) for _ in range(100)]
    done = await client.store.AppendToStreams(pb.AppendToStreamsRequest(appends=many))
    assert [(part.stream, part.version) for part in done.streams] == [(part.stream, 1) for part in many]
    assert done.last_position - done.first_position == 99


INVALID_JSON = [
    "",
    " ",
    "{",
    "}",
    "[1,]",
    '{"a":1,}',
    '{"a"}',
    '{"a":}',
    "{a:1}",
    "{'a':1}",
    "{1:2}",
    "01",
    "+1",
    "-",
    ".5",
    "1.",
    "1e",
    "0x1",
    "NaN",
    "Infinity",
    "-Infinity",
    "nul",
    "True",
    "undefined",
    '"\t"',
    '"\n"',
    '"a\x00"',
    '"\\x"',
    '"\\u12"',
    '"\\uzzzz"',
    '"open',
    "{}{}",
    "1 2",
    "[1 2]",
    "/* */ {}",
    "{} // c",
    "\ufeff{}",
    '\ufeff{"a":"\\u0041"}',
    '\ufeff"\\ud800"',
    '[NaN, "\\ud800"]',
    '["\\ud800",]',
    '"\\ud800',
    '"\\ud800\t"',
    "\u00a0{}",
    "[" * 100_000,
]


@pytest.mark.parametrize("text", INVALID_JSON, ids=lambda text: ascii(text)[:30])
async def test_json_that_is_none(client: Client, marker: str, text: str) -> None:
    assert (await refused(client, to("A", event(json=f'"{marker}"'), event(json=text)), marker)).fields == ["events[1].json"]
    error = await failure(client.snapshots.SaveSnapshot(snap.SaveSnapshotRequest(stream="A", version=1, json=text)))
    assert error.fields == ["json"]


async def test_where_a_subscription_begins(client: Client) -> None:
    assert (await failure(client.store.SubscribeAll(pb.SubscribeAllRequest(from_end=False)))).fields == ["from_end"]


@pytest.mark.parametrize(
    "token", ["garbage", "!!!!", "@@@@", "ü", "😀", "AA", "====", "\x00\x01", "gICA", "AAAA", "eA==eA==", "e A = ="]
)
async def test_page_tokens(client: Client, marker: str, token: str) -> None:
    error = await failure(client.store.ListStreams(pb.ListStreamsRequest(page_token=token)))
    assert error.fields == ["page_token"]


async def test_filters_with_too_many_entries(client: Client) -> None:
    fits = pb.EventFilter(
        streams=[f"s{i}" for i in range(400)], types=["T"] * 300, categories=["c"] * 200, stream_prefixes=["p"] * 100
    )
    assert await client.read_all(filter=fits) == []
    fits.types.append("one more")
    for call in (
        client.store.ReadAll(pb.ReadAllRequest(filter=fits)),
        client.store.SubscribeAll(pb.SubscribeAllRequest(filter=fits)),
    ):
        assert (await failure(call)).fields == ["filter"]


@pytest.mark.parametrize(
    "metadata",
    [{"": "x"}, {"k" * 256: "x"}, {"a\nb": "x"}, {"a\x00": "x"}, {"a": "x\x00y"}, {f"k{i}": "" for i in range(101)}],
    ids=["empty key", "long key", "newline", "U+0000 in key", "U+0000 in value", "101"],
)
async def test_metadata(client: Client, marker: str, metadata: dict[str, str]) -> None:
    wrong = event_pb2.NewEvent(
        type="T", json=f'"{marker}"', metadata={**metadata, "secret": marker} if len(metadata) < 100 else metadata
    )
    assert set((await refused(client, to("A", wrong), marker)).fields) == {"events[0].metadata"}
    error = await failure(
        client.snapshots.SaveSnapshot(snap.SaveSnapshotRequest(stream="A", version=1, json="{}", metadata=metadata))
    )
    assert set(error.fields) == {"metadata"}


async def test_metadata_at_its_bounds_is_taken(client: Client) -> None:
    name = new_name()
    metadata = {("k" if i else "ü") * 200 + f"{i:055}": "\n\tü😀" * i for i in range(100)}
    assert {len(key) for key in metadata} == {255}
    await client.append(name, event_pb2.NewEvent(type="T", json="{}", metadata=metadata))
    assert dict((await client.read(name))[0].metadata) == metadata


async def test_bytes_that_are_no_message_are_refused_and_the_server_lives(client: Client, server: MinkProcess) -> None:
    for path in ("AppendToStream", "GetStream"):
        call = client.channel.unary_unary(f"/mink.v1.EventStore/{path}")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff\xff\xff hush-hush")
        assert caught.value.code() in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INVALID_ARGUMENT)
        assert "hush-hush" not in (caught.value.details() or "")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.channel.unary_unary("/mink.v1.EventStore/Nothing")(b"")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "hush-hush" not in server.output
    assert (await client.append(new_name(), event())).version == 1
