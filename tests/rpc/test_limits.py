"""What clients together may have under way: beyond it they are told OVERLOADED, and nothing of the server is lost to it."""

from __future__ import annotations

import asyncio
import re
import resource
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from mink.v1 import event_store_pb2 as pb
from mink.v1 import operations_pb2
from mink_server.core.access import ANYBODY, Identity, Role
from mink_server.core.errors import OverloadedError
from mink_server.core.limits import Capacity, Limits
from mink_server.rpc.admission import Admission
from mink_server.rpc.options import server_options
from mink_server.telemetry import memory
from mink_server.telemetry.call import CURRENT, Call, Method
from mink_server.telemetry.memory import Memory

from tests.rpc.conftest import Client, Told, connected, event, failure, http, metric, rest_of, to, told, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.support.servers import MinkProcess

MIB = 1024 * 1024
Code = grpc.StatusCode


def check_overloaded(error: Told | None) -> None:
    assert error is not None
    assert (error.code, error.reason) == (Code.RESOURCE_EXHAUSTED, "OVERLOADED"), error
    assert isinstance(error.detail, error_details_pb2.RetryInfo)
    assert 0 < error.detail.retry_delay.ToMilliseconds() <= 5000


async def subscribed(client: Client) -> Any:
    """A subscription that is served."""
    call = client.store.SubscribeAll(pb.SubscribeAllRequest())
    assert (await call.read()).HasField("checkpoint")
    return call


@asynccontextmanager
async def nothing_is_written(server: MinkProcess) -> AsyncIterator[None]:
    """Appends wait for the database meanwhile."""
    connection = await asyncpg.connect(server.env["DATABASE_URL"])
    try:
        async with connection.transaction():
            await connection.execute(f"lock table {server.env['DATABASE_SCHEMA']}.events in share mode")
            yield
    finally:
        await connection.close()


async def is_empty(server: MinkProcess) -> bool:
    """Whether the server says that nothing is under way."""
    _, text = await http(server.metrics_address, "/metrics")
    found = dict(re.findall(r"^(mink_\w+_in_flight) (\S+)$", text, re.MULTILINE))
    assert set(found) == {"mink_calls_in_flight", "mink_request_bytes_in_flight", "mink_response_bytes_in_flight"}
    return set(map(float, found.values())) == {0}


async def test_a_server_that_is_full_refuses_calls_and_still_answers_operators(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server(MINK_MAX_CALLS="3")
    async with connected(server) as client:
        held = [await subscribed(client) for _ in range(3)]
        check_overloaded(await failure(client.store.GetStream(pb.GetStreamRequest(stream="A"))))
        check_overloaded(await failure(client.store.ReadAll(pb.ReadAllRequest())))
        check_overloaded(await failure(client.store.AppendSession()))
        assert (await client.operations.Diagnose(operations_pb2.DiagnoseRequest())).checks
        assert await metric(server, "mink_calls_in_flight") == 3
        assert await metric(server, 'mink_refused_total{bound="calls"}') == 3
        held.pop().cancel()
        await until(lambda: _succeeds(client))
        for call in held:
            call.cancel()
        await until(lambda: is_empty(server))


async def _succeeds(client: Client) -> bool:
    try:
        await client.append("A", event())
    except grpc.aio.AioRpcError as error:
        check_overloaded(told(error))
        return False
    return True


async def test_what_is_refused_was_not_received(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server(MINK_MAX_CALLS="1")
    async with connected(server) as client:
        held = await subscribed(client)
        before = server.memory()
        large = to("A", *[event(binary=bytes(MIB - 10)) for _ in range(4)])
        for _ in range(5):
            errors = await asyncio.gather(*(failure(client.store.AppendToStream(large)) for _ in range(20)))
            for error in errors:
                check_overloaded(error)
        # A hundred times 4 MiB were offered.
        assert server.memory() - before < 32 * MIB
        held.cancel()


async def test_the_bytes_of_requests_are_bounded(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server(MINK_MAX_REQUEST_BYTES_IN_FLIGHT="300000", MINK_DATABASE_TIMEOUT="60")
    async with connected(server) as client:
        async with nothing_is_written(server):
            waiting = [asyncio.create_task(client.append(f"S{i}", event(binary=bytes(100_000)))) for i in range(2)]

            async def both_are_there() -> bool:
                return await metric(server, "mink_request_bytes_in_flight") > 200_000

            await until(both_are_there)
            check_overloaded(await failure(client.store.AppendToStream(to("B", event(binary=bytes(100_000))))))
            # What is small still goes. In a session each append fails alone; it is read on when there is room again.
            assert (await rest_of(client.store.ReadAll(pb.ReadAllRequest())))[1] is None
            session = client.store.AppendSession()
            large = [pb.SessionAppend(request_id=i, to_stream=to("C", event(binary=bytes(60_000)))) for i in (1, 2)]
            await session.write(pb.AppendSessionRequest(appends=large))
            results = (await session.read()).results
            assert [result.request_id for result in results] == [1, 2]
            for result in results:
                check_overloaded(Told.of(result.failure))
        assert [(await one).version for one in waiting] == [1, 1]
        await session.write(pb.AppendSessionRequest(appends=large))
        assert len((await session.read()).results) == 2
        session.cancel()
        await until(lambda: is_empty(server))
        # One request may be larger than all together may be, or it could never be made.
        assert (await client.append("D", event(binary=bytes(500_000)))).version == 1


async def test_the_bytes_of_a_session_count_until_its_appends_have_results(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()
    async with connected(server) as client:
        async with nothing_is_written(server):
            call = client.store.AppendSession()
            appends = [pb.SessionAppend(request_id=i, to_stream=to(f"S{i}", event(binary=bytes(1000)))) for i in range(100)]
            await call.write(pb.AppendSessionRequest(appends=appends))

            async def all_are_there() -> bool:
                return await metric(server, "mink_request_bytes_in_flight") > 100_000

            await until(all_are_there)
        await call.done_writing()
        messages, error = await rest_of(call)
        assert error is None
        assert sum(len(message.results) for message in messages) == 100
        await until(lambda: is_empty(server))
        async with nothing_is_written(server):
            call = client.store.AppendSession()
            await call.write(pb.AppendSessionRequest(appends=appends))
            await until(all_are_there)
            call.cancel()  # who leaves takes it along
            await until(lambda: is_empty(server))


async def test_results_that_nobody_takes_are_bounded(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()
    async with connected(server) as client:
        call = client.store.AppendSession()
        before = server.memory()
        bad = [pb.SessionAppend(request_id=i, to_stream=pb.AppendToStreamRequest(stream="x" * 500)) for i in range(1000)]
        message = pb.AppendSessionRequest(appends=bad)
        written = 0
        try:
            async with asyncio.timeout(4):
                for _ in range(400):
                    await call.write(message)
                    written += 1
        except TimeoutError:
            pass
        assert written < 400, "the server reads on although nobody takes its results"
        assert server.memory() - before < 64 * MIB
        call.cancel()
        await until(lambda: is_empty(server))


async def test_a_message_of_a_session_that_is_none_ends_it(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        open_session = client.channel.stream_stream("/mink.v1.EventStore/AppendSession")
        call = open_session()
        await call.write(b"\xff\xff")
        _, error = await rest_of(call)
        assert error is not None
        assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_connections_are_bounded(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server(MINK_MAX_CONNECTIONS="2")
    async with connected(server) as one, connected(server) as two:
        await one.append("A", event())
        await two.append("A", event())
        async with connected(server) as three:
            error = await failure(three.store.GetStream(pb.GetStreamRequest(stream="A")))
            assert error.code is Code.UNAVAILABLE
            assert (await one.append("A", event())).version == 3
    async with connected(server) as four:

        async def there_is_room() -> bool:
            try:
                await four.append("A", event())
            except grpc.aio.AioRpcError:
                return False
            return True

        await until(there_is_room)


async def test_readers_that_take_nothing_are_bounded_and_cut_off(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server(MINK_MAX_RESPONSE_BYTES_IN_FLIGHT=str(8 * MIB))
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_535), ("grpc.use_local_subchannel_pool", 1)]
    async with connected(server) as client, grpc.aio.insecure_channel(server.grpc_address, options=options) as channel:
        for i in range(20):
            await client.append(f"S{i}", *[event(binary=bytes(1000)) for _ in range(1000)])
        before = server.memory()
        slow = Client(channel)
        calls = [slow.store.ReadAll(pb.ReadAllRequest()) for _ in range(50)]

        async def first(call: Any) -> Told | None:
            try:
                await call.read()
            except grpc.aio.AioRpcError as error:
                return told(error)
            return None

        refused = [error for error in await asyncio.gather(*map(first, calls)) if error is not None]
        assert 0 < len(refused) < 50
        for error in refused:
            check_overloaded(error)
        assert server.memory() - before < 64 * MIB
        assert await metric(server, "mink_response_bytes_in_flight") <= 8 * MIB

        async def are_cut_off() -> bool:
            return await metric(server, 'mink_cut_off_total{doing="sending"}') > 0

        await until(are_cut_off)
        # There is room again for who takes what it asks for, and who was cut off is told so when it reads on.
        pages, error = await rest_of(client.store.ReadAll(pb.ReadAllRequest()))
        assert error is None
        assert sum(len(page.events) for page in pages) == 20_000
        ends = [(await rest_of(call))[1] for call in calls if await first(call) is None]
        cut = [error for error in ends if error is not None]
        assert cut
        for error in cut:
            check_overloaded(error)
        await until(lambda: is_empty(server))


async def test_a_subscription_ends_at_its_age_with_a_position_to_go_on_from(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_MAX_CONNECTION_AGE="1", MINK_CHECKPOINT_SECONDS="30")) as client:
        await client.append("A", event(), event())
        started = asyncio.get_running_loop().time()
        messages, error = await rest_of(client.store.SubscribeAll(pb.SubscribeAllRequest()))
        assert 0.8 < asyncio.get_running_loop().time() - started < 10
        assert error is not None
        assert (error.code, error.reason) == (Code.UNAVAILABLE, "SHUTTING_DOWN")
        assert "age" in error.message
        assert isinstance(error.detail, error_details_pb2.RetryInfo)
        assert messages[-1].checkpoint.position == 2


async def test_a_session_ends_at_its_age_with_all_results(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server(MINK_MAX_CONNECTION_AGE="1")
    async with connected(server) as client:
        async with nothing_is_written(server):
            call = client.store.AppendSession()
            appends = [pb.SessionAppend(request_id=i, to_stream=to(f"S{i}", event())) for i in range(1, 101)]
            await call.write(pb.AppendSessionRequest(appends=appends))
            await asyncio.sleep(2)
        messages, error = await rest_of(call)
        assert sorted(result.request_id for message in messages for result in message.results) == list(range(1, 101))
        assert error is not None
        assert (error.reason, "age" in error.message) == ("SHUTTING_DOWN", True)


async def test_who_pings_without_end_is_sent_away(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()
    host, _, port = server.grpc_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    settings, ping = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + bytes(8)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
    got = b""
    async with asyncio.timeout(30):
        try:
            while b"too_many_pings" not in got:
                writer.write(ping)
                await writer.drain()
                got += await reader.read(1000)
                assert not reader.at_eof(), "the connection ended without a word"
        finally:
            writer.close()
    async with connected(server) as client:
        await client.append("A", event())


async def test_a_client_is_told_to_send_little_before_somebody_reads(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()
    host, _, port = server.grpc_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(10):
            head = await reader.readexactly(9)
            assert head[3] == 4, "the first frame is SETTINGS"
            body = await reader.readexactly(int.from_bytes(head[:3], "big"))
    finally:
        writer.close()
    settings = {int.from_bytes(body[i : i + 2], "big"): int.from_bytes(body[i + 2 : i + 6], "big") for i in range(0, len(body), 6)}
    streams, window = settings[3], settings[4]
    assert (streams, window) == (2000, 65_535)


async def test_connections_on_which_nothing_is_asked_end(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()

    async def ends(address: str, sent: bytes) -> None:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(sent)
            async with asyncio.timeout(25):
                while await reader.read(1000):
                    pass
        except ConnectionError:
            pass
        finally:
            writer.close()

    await asyncio.gather(
        ends(server.grpc_address, b""),
        ends(server.grpc_address, b"GET / HTTP/1.1\r\n\r\n"),
        ends(server.grpc_address, b"PRI * HTTP/2.0\r\n\r\n"),
        *(
            ends(address, sent)
            for address in (server.http_address, server.metrics_address)
            for sent in (b"", b"GET /metrics HTTP/1.1\r\nX: ")
        ),
    )


async def test_connections_that_wait_keep_no_probe_out(start_server: Callable[..., MinkProcess]) -> None:
    server = start_server()
    host, _, port = server.http_address.rpartition(":")
    writers = []
    try:
        for _ in range(400):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /health/live HTTP/1.1\r\nX: ")
            writers.append(writer)
        for path in ("/health/live", "/health/ready"):
            status, _ = await http(server.http_address, path)
            assert status == 200
    finally:
        for writer in writers:
            writer.close()


async def test_those_who_watch_the_health_are_bounded(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server()) as client:
        watch = client.channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        calls = [watch(health_pb2.HealthCheckRequest()) for _ in range(1010)]

        async def first(call: Any) -> Code:
            try:
                await call.read()
            except grpc.aio.AioRpcError as error:
                return error.code()
            return Code.OK

        found = [await first(call) for call in calls]
        assert (found.count(Code.OK), found.count(Code.RESOURCE_EXHAUSTED)) == (1000, 10)
        await client.append("A", event())
        for call in calls:
            call.cancel()


def test_memory_is_full_until_there_is_clearly_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Memory(1000)
    found = []
    for used in (700, 799, 800, 900, 701, 699, 799):
        monkeypatch.setattr(memory, "used", lambda used=used: used)
        asyncio.run(looked._look())
        found.append(looked.full)
    assert found == [False, False, True, True, True, False, False]


@pytest.mark.parametrize(("text", "bytes_"), [("1073741824\n", 1 << 30), ("max\n", 0), ("9223372036854771712\n", 0), ("", 0)])
def test_what_a_container_may_have(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, bytes_: int) -> None:
    (tmp_path / "memory.max").write_text(text)
    monkeypatch.setattr(memory, "_GROUPS", (tmp_path / "nowhere", tmp_path / "memory.max"))
    assert Memory().most == bytes_
    assert Memory(5).most == 5


@pytest.mark.parametrize(("hard", "connections"), [(1 << 20, 4000), (3512, 3000), (600, 300), (resource.RLIM_INFINITY, 4000)])
def test_no_more_connections_than_files_may_be_opened(monkeypatch: pytest.MonkeyPatch, hard: int, connections: int) -> None:
    raised = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    options = dict(server_options(Limits(), Capacity(4000, 0, 1, 1, 1, 1, 1)))
    assert options["grpc.max_allowed_incoming_connections"] == connections
    assert "grpc.max_connection_age_ms" not in options
    assert raised == [(min(4512, hard) if hard > 0 else 4512, hard)]


class Context:
    def __init__(self, peer: str) -> None:
        self._peer = peer

    def peer(self) -> str:
        return self._peer


METHOD = Method("mink.v1.EventStore", "SubscribeAll", "server_stream")


def come(admission: Admission, peer: str, identity: Identity = ANYBODY) -> str:
    call = Call(METHOD, Context(peer))
    call.identity = identity
    CURRENT.set(call)
    return admission.subscribe()


async def test_subscriptions_are_bounded_for_each_client() -> None:
    capacity = Capacity(10, 0, 100, 1000, 1000, subscriptions=100, subscriptions_per_client=2)
    admission = Admission(capacity, Memory(1 << 40))
    one = Identity("one", frozenset({Role.READ}))
    for peers in (
        ("ipv4:10.0.0.7:1", "ipv4:10.0.0.7:2"),
        ("ipv4:10.0.0.8:1", "ipv4:10.0.0.8:2"),
        ("ipv6:%5B::1%5D:1", "ipv6:%5B::1%5D:2"),
        ("unix:", "unix:/run/x"),
    ):
        first, second = come(admission, peers[0]), come(admission, peers[1])
        assert first == second
        with pytest.raises(OverloadedError):
            come(admission, peers[0])
    # Who says who they are is counted under that name, wherever they call from.
    who = come(admission, "ipv4:10.0.0.7:1", one)
    assert come(admission, "ipv4:10.0.0.9:1", one) == who
    with pytest.raises(OverloadedError):
        come(admission, "ipv4:10.0.0.1:1", one)
    admission.unsubscribe(who)
    assert come(admission, "ipv4:10.0.0.1:1", one) == who
    assert admission.subscriptions == 10


async def test_a_client_with_too_many_subscriptions_is_told_so(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_MAX_SUBSCRIPTIONS_PER_CLIENT="2")) as client:
        held = [await subscribed(client) for _ in range(2)]
        check_overloaded(await failure(client.store.SubscribeAll(pb.SubscribeAllRequest())))
        for call in held:
            call.cancel()
