"""What operators and balancers ask: health, reflection, metrics; and how a server says that it cannot start."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from mink.v1 import event_store_pb2 as pb
from mink.v1 import operations_pb2 as ops
from mink_server.version import VERSION

from tests.rpc.conftest import Client, connected, event, failure, http, metric, new_name, serve, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.databases import Postgres
    from tests.support.servers import MinkProcess

SERVICES = ("mink.v1.EventStore", "mink.v1.Snapshots", "mink.v1.Projections", "mink.v1.Operations")
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


async def test_grpc_health_check(client: Client) -> None:
    stub = health_pb2_grpc.HealthStub(client.channel)
    for name in ("", *SERVICES):
        assert (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status == SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(health_pb2.HealthCheckRequest(service="mink.v1.Nothing"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_reflection_lists_the_services_and_knows_their_files(client: Client) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    call = stub.ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    names = {service.name for service in (await call.read()).list_services_response.service}
    assert names == {*SERVICES, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol="mink.v1.EventStore"))
    assert (await call.read()).file_descriptor_response.file_descriptor_proto
    await call.done_writing()


async def test_reflection_finds_whatever_a_symbol_names(client: Client) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    call = stub.ServerReflectionInfo()

    async def files(symbol: str) -> set[str]:
        await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol))
        answer = await call.read()
        assert answer.error_response.error_code in (0, grpc.StatusCode.NOT_FOUND.value[0])
        return {FileDescriptorProto.FromString(each).name for each in answer.file_descriptor_response.file_descriptor_proto}

    for symbol, file in {
        "mink.v1.EventStore.AppendToStream": "mink/v1/event_store.proto",
        "mink.v1.NewEvent": "mink/v1/event.proto",
        "mink.v1.NewEvent.json": "mink/v1/event.proto",
        "mink.v1.ExpectedState": "mink/v1/expectation.proto",
        "mink.v1.NO_STREAM": "mink/v1/expectation.proto",
        "mink.v1.WrongExpectedVersion": "mink/v1/errors.proto",
        "google.rpc.RetryInfo": "google/rpc/error_details.proto",
        "grpc.health.v1.Health.Check": "grpc_health/v1/health.proto",
    }.items():
        assert file in await files(symbol), symbol
    for symbol in ("mink.v1.EventStore.Nothing", "mink.v1.Nothing", "mink.v1.NewEvent.Nothing", "Nothing", ""):
        assert not await files(symbol), symbol
    await call.done_writing()


async def test_reflection_gives_fields_the_names_that_they_have_in_json(client: Client) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    call = stub.ServerReflectionInfo()
    for symbol, message, names in (
        ("mink.v1.AppendToStreamResponse", "AppendToStreamResponse", ["version", "firstPosition", "lastPosition", "replayed"]),
        ("google.rpc.BadRequest", "BadRequest", ["fieldViolations"]),
        ("google.rpc.ResourceInfo", "ResourceInfo", ["resourceType", "resourceName", "owner", "description"]),
    ):
        await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol))
        answer = await call.read()
        found = {
            each.name: [field.json_name for field in each.field]
            for file in answer.file_descriptor_response.file_descriptor_proto
            for each in FileDescriptorProto.FromString(file).message_type
        }
        assert found[message] == names
    await call.done_writing()


async def test_reflection_can_be_off_and_channelz_on(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_REFLECTION="false", MINK_CHANNELZ="true")) as client:
        stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
        error = await failure(stub.ServerReflectionInfo())
        assert error.code == grpc.StatusCode.UNIMPLEMENTED
        answer = await client.channel.unary_unary("/grpc.channelz.v1.Channelz/GetServers")(b"")
        assert answer


async def test_http_health(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()
    assert await http(server.http_address, "/health/live") == (200, '{"status":"alive"}')
    status, body = await http(server.http_address, "/health/ready")
    found = json.loads(body)
    assert status == 200
    assert (found["status"], found["version"]) == ("healthy", VERSION)
    assert list(found) == ["status", "version", "checks"]
    assert [check["component"] for check in found["checks"]] == ["database", "projections"]
    assert [check["status"] for check in found["checks"]] == ["healthy", "healthy"]
    assert re.fullmatch(r"\d+\.\d{3}ms", found["checks"][0]["latency"])
    assert (await http(server.http_address, "/nothing"))[0] == 404


async def test_health_while_the_database_is_away(own_postgres: Postgres, start_server: Callable[..., MinkProcess]) -> None:
    process = start_server(own_postgres.dsn, MINK_DATABASE_TIMEOUT="1")
    async with connected(process) as client:
        await client.append("A", event())
        watch = health_pb2_grpc.HealthStub(client.channel).Watch(health_pb2.HealthCheckRequest(service="mink.v1.EventStore"))
        assert (await watch.read()).status == SERVING
        await asyncio.to_thread(own_postgres._do, own_postgres.embedded.stop())
        status, body = await http(process.http_address, "/health/ready")
        found = json.loads(body)
        assert (status, found["status"], found["checks"][0]["status"]) == (503, "unhealthy", "unhealthy")
        assert "database" in found["checks"][0]["message"]
        assert (await http(process.http_address, "/health/live"))[0] == 200
        assert (await asyncio.wait_for(watch.read(), 10)).status == NOT_SERVING
        answer = await client.operations.Diagnose(ops.DiagnoseRequest())
        assert (answer.checks[0].component, answer.checks[0].outcome) == ("connection", ops.Check.FAILED)
        assert answer.checks[0].recommendation
        await asyncio.to_thread(own_postgres._do, own_postgres.embedded.start())
        assert (await asyncio.wait_for(watch.read(), 10)).status == SERVING
        assert (await http(process.http_address, "/health/ready"))[0] == 200
        watch.cancel()


async def test_health_while_a_server_stops(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server()
    async with connected(process) as client:
        watch = health_pb2_grpc.HealthStub(client.channel).Watch(health_pb2.HealthCheckRequest(service=""))
        assert (await watch.read()).status == SERVING
        process.terminate()
        assert (await asyncio.wait_for(watch.read(), 5)).status == NOT_SERVING
        watch.cancel()
        assert await asyncio.to_thread(process.wait) == 0


async def test_a_watcher_does_not_keep_a_server_from_leaving(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server(MINK_DRAIN_SECONDS="2")
    async with connected(process) as client:
        watch = health_pb2_grpc.HealthStub(client.channel).Watch(health_pb2.HealthCheckRequest(service=""))
        assert (await watch.read()).status == SERVING
        began = time.monotonic()
        process.terminate()
        assert await asyncio.to_thread(process.wait, 15) == 0
        assert time.monotonic() - began < 6
        watch.cancel()


async def test_diagnose_and_statistics(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        name = new_name()
        await client.append(name, event("RatherRare"), event("RatherRare"))
        answer = await client.operations.Diagnose(ops.DiagnoseRequest())
        assert [check.component for check in answer.checks] == [
            "connection",
            "schema",
            "indexes",
            "tail",
            "clock",
            "durability",
            "flush",
            "replication",
            "slots",
            "transactions",
            "connections",
            "vacuum",
            "size",
            "projections",
        ]
        assert {check.outcome for check in answer.checks} <= {ops.Check.OK, ops.Check.WARNING}
        assert answer.server_version == VERSION
        before = await client.operations.GetStatistics(ops.GetStatisticsRequest(top_types=1000))
        await client.append(name, event("RatherRare"))
        await client.store.TruncateStream(pb.TruncateStreamRequest(stream=name, before_version=3))
        after = await client.operations.GetStatistics(ops.GetStatisticsRequest(top_types=1000))
        assert (after.head - before.head, after.events - before.events, after.streams - before.streams) == (1, -1, 0)
        assert {t.type: t.events for t in after.top_types}["RatherRare"] == 1
        assert sum(t.events for t in after.top_types) == after.events
        assert after.size_bytes > 0


METRICS = (
    'mink_events_appended_total{type="Happened"}',
    "mink_events_read_total",
    "mink_append_duration_seconds_count",
    "mink_appends_waiting",
    "mink_batch_appends_count",
    "mink_batch_duration_seconds_count",
    "mink_head_position",
    "mink_subscribers_fell_behind_total",
    "mink_tail_bytes",
    "mink_tail_hits_total",
    "mink_tail_misses_total",
    "mink_pool_size",
    "mink_pool_in_use",
    "mink_pool_waiting",
    "process_resident_memory_bytes",
)


async def test_metrics(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server()
    async with connected(process) as client:
        await client.append("A", event(), event())
        await client.read("A")
        with pytest.raises(grpc.aio.AioRpcError):
            await client.read("B")
        values = {name: await metric(process, name) for name in METRICS}
        assert (
            values['mink_events_appended_total{type="Happened"}'],
            values["mink_events_read_total"],
            values["mink_head_position"],
        ) == (2, 2, 2)
        assert values["mink_batch_appends_count"] == 1
        labels = 'grpc_method="ReadStream",grpc_service="mink.v1.EventStore",grpc_type="server_stream"'
        assert await metric(process, f"grpc_server_started_total{{{labels}}}") == 2
        assert await metric(process, f'grpc_server_handled_total{{grpc_code="OK",{labels}}}') == 1
        assert await metric(process, f'grpc_server_handled_total{{grpc_code="NotFound",{labels}}}') == 1
        assert (await http(process.metrics_address, "/"))[0] == 404


async def test_appends_are_counted_by_outcome(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server()
    async with connected(process) as client:
        for expected in (0, 1):
            await client.append("A", event(), exact_version=expected)
        with pytest.raises(grpc.aio.AioRpcError):
            await client.append("A", event(), exact_version=9)
        assert await metric(process, 'mink_appends_total{outcome="appended"}') == 2
        assert await metric(process, 'mink_appends_total{outcome="WRONG_EXPECTED_VERSION"}') == 1
        assert await metric(process, "mink_append_duration_seconds_count") >= 2


def one_line(stderr: str) -> str:
    """The only line that a server wrote."""
    assert stderr.endswith("\n")
    assert stderr.count("\n") == 1, stderr
    assert stderr.startswith("mink serve: "), stderr
    return stderr.removeprefix("mink serve: ").rstrip()


@pytest.mark.parametrize("name", ["grpc", "http", "metrics"])
def test_a_second_server_on_an_address_says_so(server: MinkProcess, name: str) -> None:
    setting = {"grpc": "MINK_LISTEN", "http": "MINK_HTTP_LISTEN", "metrics": "MINK_METRICS_LISTEN"}[name]
    address = getattr(server, f"{name}_address")
    done = serve(**{"DATABASE_URL": server.env["DATABASE_URL"], "DATABASE_SCHEMA": server.env["DATABASE_SCHEMA"], setting: address})
    assert done.returncode == 1
    assert address in one_line(done.stderr)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MINK_LISTEN", "50051"),
        ("MINK_LISTEN", "127.0.0.1:99999"),
        ("MINK_HTTP_LISTEN", "127.0.0.1:"),
        ("MINK_METRICS_LISTEN", ":9090"),
        ("MINK_DATABASE_POOL", "0"),
        ("MINK_DATABASE_POOL", "many"),
        ("MINK_DATABASE_TIMEOUT", "nan"),
        ("MINK_TAIL_BYTES", "-1"),
        ("MINK_LOG_LEVEL", "loud"),
        ("MINK_CHECKPOINT_SECONDS", "0"),
        ("DATABASE_SCHEMA", "Mink!"),
        ("MINK_MIGRATE", "perhaps"),
        ("MINK_LITSEN", "127.0.0.1:1"),
        ("MINK_MAX_REQUEST_BYTES", "2000"),
        ("MINK_LISTEN", "0.0.0.0:0"),
        ("MINK_HTTP_LISTEN", "[::]:0"),
        ("MINK_METRICS_LISTEN", "192.0.2.1:0"),
        ("MINK_LISTEN", "example.org:0"),
        ("MINK_LISTEN", "127.0.0.1.example.org:0"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://localhost/mink"),
        ("DATABASE_URL", "postgresql://localhost:port/mink"),
        ("MINK_DRAIN_SECONDS", "inf"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(server: MinkProcess, name: str, value: str) -> None:
    env = {
        "DATABASE_URL": server.env["DATABASE_URL"],
        "DATABASE_SCHEMA": server.env["DATABASE_SCHEMA"],
        "MINK_DATABASE_TIMEOUT": "1",
    }
    done = serve(**(env | {name: value}))
    assert done.returncode == 1
    assert name in one_line(done.stderr)
    assert done.stdout == ""


def test_other_addresses_than_loopback_need_a_word(server: MinkProcess) -> None:
    env = {"DATABASE_URL": server.env["DATABASE_URL"], "DATABASE_SCHEMA": server.env["DATABASE_SCHEMA"]}
    done = serve("--listen", "0.0.0.0:0", **env)
    assert done.returncode == 1
    assert "--insecure" in one_line(done.stderr)


def test_with_the_word_it_serves_and_says_what_that_means(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server(MINK_LISTEN="0.0.0.0:0", MINK_INSECURE="true")
    assert "--insecure is on" in process.output
    assert process.grpc_address.startswith("0.0.0.0:")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://mink:s3cr3t-w0rd@127.0.0.1:1/mink",
        "postgresql://mink:s3cr3t-w0rd@nowhere.invalid/mink",
        "postgresql://mink:s3cr3t-w0rd@127.0.0.1:x/mink",
        "postgres:s3cr3t-w0rd",
    ],
)
def test_no_secret_is_told_when_there_is_no_connection(url: str) -> None:
    done = serve(DATABASE_URL=url, MINK_DATABASE_TIMEOUT="1")
    assert done.returncode == 1
    assert "s3cr3t" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.rstrip().splitlines()[-1].startswith("mink serve: ")


def test_a_database_that_accepts_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        done = serve(DATABASE_URL=f"postgresql://mink:s3cr3t@127.0.0.1:{mute.getsockname()[1]}/mink", MINK_DATABASE_TIMEOUT="1")
    assert done.returncode == 1
    assert "database" in one_line(done.stderr)


async def test_a_database_that_goes_while_a_server_serves_tells_no_secret(
    own_postgres: Postgres, start_server: Callable[..., MinkProcess]
) -> None:
    process = start_server(
        own_postgres.dsn.replace("postgresql://mink@", "postgresql://mink:s3cr3t-w0rd@"), MINK_DATABASE_TIMEOUT="0.5"
    )
    async with connected(process) as client:
        await client.append("A", event())
        await asyncio.to_thread(own_postgres._do, own_postgres.embedded.stop())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.append("A", event())
        assert "s3cr3t" not in repr(caught.value)

        async def logged() -> bool:
            return "connection lost" in process.output

        await until(logged)
    assert "s3cr3t" not in process.output
