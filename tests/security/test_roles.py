"""Every RPC with every role, and what is left of it for somebody who does not reach all streams."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from mink.v1 import event_store_pb2 as pb
from mink.v1 import expectation_pb2, operations_pb2, projections_pb2, snapshots_pb2

from tests.security.conftest import Authority, Client, TokensFile, address_of, append_request, denied
from tests.support.servers import MinkProcess

REFUSED = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
# What the issue asks for, written down a second time.
NEEDED = {
    "AppendToStream": "append", "AppendToStreams": "append", "AppendSession": "append", "SaveSnapshot": "append",
    "ReadStream": "read", "ReadAll": "read", "SubscribeAll": "read", "GetStream": "read", "ListStreams": "read",
    "LoadSnapshot": "read", "GetStatistics": "read",
    "TruncateStream": "manage", "DeleteStream": "manage", "DeleteSnapshot": "manage",
    "Run": "read", "ListProjections": "read", "GetProjection": "read", "WatchProjections": "read", "ListParkedEvents": "read",
    "PauseProjection": "manage", "ResumeProjection": "manage", "RebuildProjection": "manage", "RestartProjection": "manage",
    "DeleteProjection": "manage", "ReplayParkedEvents": "manage", "DropParkedEvents": "manage",
    "Diagnose": "admin", "VerifyLog": "admin",
}  # fmt: skip
STREAM = "Roles-1"
REQUESTS: dict[str, Any] = {
    "AppendToStream": append_request(STREAM),
    "AppendToStreams": pb.AppendToStreamsRequest(
        appends=[pb.StreamAppend(stream=STREAM, state=expectation_pb2.ANY, events=append_request(STREAM).events)]
    ),
    "TruncateStream": pb.TruncateStreamRequest(stream=STREAM, before_version=1),
    "DeleteStream": pb.DeleteStreamRequest(stream="Roles-0", state=expectation_pb2.STREAM_EXISTS),
    "SaveSnapshot": snapshots_pb2.SaveSnapshotRequest(stream=STREAM, version=1, json="{}"),
}
SERVICES = [
    service
    for file in (pb, snapshots_pb2, projections_pb2, operations_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
]
METHODS = {method.name: method for service in SERVICES for method in service.methods}
ROLES = ["read", "append", "manage", "admin"]


@pytest.fixture(scope="module")
def shared(postgres, tmp_path_factory):
    """One server for the whole table, with a token for each role."""
    folder = tmp_path_factory.mktemp("roles")
    authority, tokens = Authority(folder), TokensFile(folder / "tokens.json")
    texts = {role: tokens.add(role, role) for role in ROLES}
    texts["limited"] = tokens.add("limited", *ROLES[:3], prefixes=("Mine-", "Ours-"))
    texts["all"] = tokens.add("all", *ROLES)
    cert, key = authority.server_files()
    schema = postgres.new_schema()
    server = MinkProcess(
        DATABASE_URL=postgres.dsn, DATABASE_SCHEMA=schema, MINK_MIGRATE="true", MINK_LISTEN="0.0.0.0:0",
        MINK_TLS_CERT_FILE=str(cert), MINK_TLS_KEY_FILE=str(key), MINK_TOKENS_FILE=str(tokens.path), MINK_CHANNELZ="true",
    )  # fmt: skip
    server.start()
    yield server, authority, texts
    server.stop()
    postgres.drop(schema)


@pytest.fixture
def as_(shared, connect):
    """A client with the token of a role."""
    server, authority, texts = shared
    return lambda role: connect(address_of(server), authority.roots, texts.get(role, role) if role else None)


async def code_of(client: Client, method: Any, request: Any) -> tuple[grpc.StatusCode, Any]:
    """How a call of any method goes; one that streams counts as fine when its first message is there."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    kind = ("stream" if method.client_streaming else "unary") + "_" + ("stream" if method.server_streaming else "unary")
    multi = getattr(client.channel, kind)(path, request_serializer=lambda m: m.SerializeToString())
    given = [iter([request])] if method.client_streaming else [request]
    call = multi(*given, metadata=client.metadata, timeout=20)
    try:
        await (call.read() if method.server_streaming else call)
    except grpc.aio.AioRpcError as error:
        if method.client_streaming and error.code() is grpc.StatusCode.INTERNAL and not error.trailing_metadata():
            return await code_of(client, method, request)  # grpc/grpc#36066: a status that comes during a write may be lost
        return error.code(), denied(error)
    finally:
        call.cancel()
    return grpc.StatusCode.OK, None


def request_for(method: Any) -> Any:
    if method.name in REQUESTS:
        return REQUESTS[method.name]
    request = method.input_type._concrete_class()
    if "stream" in method.input_type.fields_by_name:
        request.stream = STREAM
    return request


def test_the_table_has_every_method():
    assert set(NEEDED) == set(METHODS)


@pytest.mark.parametrize("role", [*ROLES, None, "mink_000000000000_0"])
@pytest.mark.parametrize("name", NEEDED)
async def test_a_method_lets_in_who_has_its_role(as_, name, role):
    method = METHODS[name]
    code, error = await code_of(as_(role), method, request_for(method))
    if role in (NEEDED[name], "admin"):
        assert code not in REFUSED, error
        return
    assert error.role == NEEDED[name]
    assert error.stream == ""
    if role in ROLES:
        assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
        assert error.message == f"this takes the role {NEEDED[name]}, which {role} does not have"
    else:
        assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "bearer mink_", "Bearer " + "x" * 4000, ""])
async def test_what_is_no_token_is_refused(as_, header):
    client = as_(None)
    client.metadata = (("authorization", header),)
    assert await client.statistics_code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("second", ["all", "read", "nonsense"])
async def test_two_authorizations_are_refused_whatever_they_are(as_, shared, second):
    client = as_("read")
    client.metadata += (("authorization", f"Bearer {shared[2].get(second, second)}"),)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await client.events.GetStream(pb.GetStreamRequest(stream="Nobody-1"), metadata=client.metadata, timeout=20)
    assert (failed.value.code(), "several" in failed.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, True)


async def test_a_secret_with_another_id_or_a_bit_changed_is_refused(as_, shared):
    text = shared[2]["read"]
    head, token_id, secret = text.split("_")
    last = "0" if secret[-1] != "0" else "1"
    others = [f"{head}_{shared[2]['all'].split('_')[1]}_{secret}", text[:-1] + last, text[:-1], text + "0", secret, text.upper()]
    assert await as_(text).statistics_code() is grpc.StatusCode.NOT_FOUND
    for other in others:
        assert await as_(other).statistics_code() is grpc.StatusCode.UNAUTHENTICATED, other
    assert token_id not in secret


async def test_health_is_open_and_channelz_is_for_admins(as_):
    nobody = as_(None)
    answer = await health_pb2_grpc.HealthStub(nobody.channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    codes = {}
    for role in (None, "manage", "admin"):
        client = as_(role)
        servers = client.channel.unary_unary("/grpc.channelz.v1.Channelz/GetServers")
        try:
            await servers(b"", metadata=client.metadata, timeout=20)
            codes[role] = grpc.StatusCode.OK
        except grpc.aio.AioRpcError as error:
            codes[role] = error.code()
    assert codes == {
        None: grpc.StatusCode.UNAUTHENTICATED, "manage": grpc.StatusCode.PERMISSION_DENIED, "admin": grpc.StatusCode.OK,
    }  # fmt: skip


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if "stream" in m.input_type.fields_by_name])
async def test_somebody_limited_calls_methods_of_one_stream_inside_only(as_, name):
    method = METHODS[name]
    client = as_("limited")
    request = type(request_for(method)).FromString(request_for(method).SerializeToString())
    for stream in ("Mine", "mine-1", "Roles-1", " Mine-1", ""):
        request.stream = stream
        code, error = await code_of(client, method, request)
        assert (code, error.stream, error.role) == (grpc.StatusCode.PERMISSION_DENIED, stream, NEEDED[name])
    request.stream = f"Mine-{name}"
    code, error = await code_of(client, method, request)
    assert code not in REFUSED, error


async def test_an_append_to_several_streams_must_reach_all_also_those_that_are_only_checked(as_):
    client = as_("limited")
    inside = pb.StreamAppend(stream="Mine-1", state=expectation_pb2.ANY, events=append_request("").events)
    outside = pb.StreamAppend(stream="Other-1", state=expectation_pb2.ANY)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await client.events.AppendToStreams(
            pb.AppendToStreamsRequest(appends=[inside, outside]), metadata=client.metadata, timeout=20
        )
    assert denied(failed.value).stream == "Other-1"
    await client.events.AppendToStreams(pb.AppendToStreamsRequest(appends=[inside]), metadata=client.metadata, timeout=20)


async def test_a_session_lets_each_append_fail_alone(as_):
    client = as_("limited")

    async def requests() -> Any:
        several = pb.AppendToStreamsRequest(
            appends=[pb.StreamAppend(stream="Other-2", state=expectation_pb2.ANY, events=append_request("").events)]
        )
        yield pb.AppendSessionRequest(
            appends=[
                pb.SessionAppend(request_id=1, to_stream=append_request("Mine-7")),
                pb.SessionAppend(request_id=2, to_stream=append_request("Other-1")),
                pb.SessionAppend(request_id=3, to_streams=several),
            ]
        )

    results = {}
    async for message in client.events.AppendSession(requests(), metadata=client.metadata, timeout=20):
        results.update({result.request_id: result for result in message.results})
    assert results[1].WhichOneof("result") == "to_stream"
    assert [results[i].failure.code for i in (2, 3)] == [grpc.StatusCode.PERMISSION_DENIED.value[0]] * 2


async def streams_read(client: Client, **where: Any) -> set[str]:
    request = pb.ReadAllRequest(filter=pb.EventFilter(**where) if where else None)
    found = set()
    async for message in client.events.ReadAll(request, metadata=client.metadata, timeout=20):
        found |= {event.stream for event in message.events}
    return found


async def test_somebody_limited_reads_of_the_log_what_they_reach(as_):
    everything = as_("all")
    streams = {"Mine-a", "Ours-a", "Mines-a", "Mine", "Theirs-a"}
    for stream in streams:
        await everything.append(stream)
    assert streams <= await streams_read(everything)
    client = as_("limited")
    seen = await streams_read(client)
    assert {"Mine-a", "Ours-a"} <= seen
    assert all(s.startswith(("Mine-", "Ours-")) for s in seen)
    assert await streams_read(client, streams=["Mine-a"]) == {"Mine-a"}
    assert await streams_read(client, types=["Nothing"]) == set()
    assert "Mine" not in await streams_read(client, categories=["Mine"])
    assert "Mine-a" in await streams_read(client, categories=["Mine"])
    assert all(s.startswith("Mine-") for s in await streams_read(client, stream_prefixes=["M"]))
    for where in ({"streams": ["Theirs-a"]}, {"stream_prefixes": ["Theirs-"]}, {"categories": ["Mine", "Theirs"]}):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await streams_read(client, **where)
        assert denied(failed.value).stream.startswith("Theirs")


async def test_somebody_limited_follows_what_they_reach(as_):
    everything, client = as_("all"), as_("limited")
    subscription = await client.subscribe(from_end=True)
    for stream in ("Theirs-b", "Mine-b", "Theirs-b", "Ours-b"):
        await everything.append(stream)
    seen: list[str] = []
    while len(seen) < 2:
        seen += [event.stream for event in (await subscription.read()).events.events]
    subscription.cancel()
    assert seen == ["Mine-b", "Ours-b"]


async def test_a_listing_is_narrowed_or_asks_which(as_):
    client = as_("limited")
    await client.append("Mine-list")

    async def listed(prefix: str) -> set[str]:
        answer = await client.events.ListStreams(pb.ListStreamsRequest(prefix=prefix), metadata=client.metadata, timeout=20)
        return {info.stream for info in answer.streams}

    assert {s for s in await listed("M") if not s.startswith("Mine-")} == set()
    assert "Mine-list" in await listed("Mine-l")
    for prefix, said in (("", "say which prefix"), ("Theirs", "lies outside")):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await listed(prefix)
        assert said in denied(failed.value).message


@pytest.mark.parametrize("size", [501, 20_000, 3_000_000])
@pytest.mark.parametrize("character", ["x", "\U0001f600", "\u0001"])
async def test_however_long_a_name_is_that_is_refused_the_answer_arrives_with_its_details(as_, size, character):
    stream = character * min(size, 3_000_000 // len(character.encode()))
    for role in ("limited", "all"):
        client = as_(role)
        for request in (append_request(stream), pb.GetStreamRequest(stream=stream), pb.ListStreamsRequest(prefix=stream)):
            name = type(request).__name__.removesuffix("Request")
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await getattr(client.events, name)(request, metadata=client.metadata, timeout=20)
            error = denied(failed.value)
            assert error.reason in ("PERMISSION_DENIED", "INVALID_REQUEST"), (error.code, error.message[:200])
            assert len(error.stream) <= 501
            wire = sum(len(key) + len(value) for key, value in failed.value.trailing_metadata())
            assert wire < 6000
