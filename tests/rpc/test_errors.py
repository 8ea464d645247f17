"""Every reason of the contract's table: status, reason and detail, of calls and of appends in a session."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from mink.v1 import errors_pb2
from mink.v1 import event_store_pb2 as pb
from mink.v1 import snapshots_pb2 as snap
from mink.v1.expectation_pb2 import ANY, NO_STREAM, STREAM_EXISTS

from tests.rpc.conftest import Client, Told, connected, event, failure, new_id, new_name, rest_of, to, told, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.databases import Postgres
    from tests.support.servers import MinkProcess

Code = grpc.StatusCode


async def in_session(client: Client, request: pb.AppendToStreamRequest | pb.AppendToStreamsRequest) -> Told:
    """How an append fails in a session in which its neighbours succeed."""
    before, after = new_name("Before"), new_name("After")
    kind = {"to_stream" if isinstance(request, pb.AppendToStreamRequest) else "to_streams": request}
    results = await client.session(
        pb.SessionAppend(request_id=1, to_stream=to(before, event())),
        pb.SessionAppend(request_id=2, **kind),
        pb.SessionAppend(
            request_id=3, to_streams=pb.AppendToStreamsRequest(appends=[pb.StreamAppend(stream=after, state=ANY, events=[event()])])
        ),
    )
    assert results[1].to_stream.version == 1
    assert [part.version for part in results[3].to_streams.streams] == [1]
    assert results[2].WhichOneof("result") == "failure"
    return Told.of(results[2].failure)


async def both(client: Client, request: pb.AppendToStreamRequest | pb.AppendToStreamsRequest) -> list[Told]:
    """How an append fails as a call of its own, and in a session."""
    method = client.store.AppendToStream if isinstance(request, pb.AppendToStreamRequest) else client.store.AppendToStreams
    alone, together = await failure(method(request)), await in_session(client, request)
    assert alone == together
    return [alone, together]


async def test_wrong_expected_version(client: Client) -> None:
    name = new_name()
    await client.append(name, event(), event())
    for expected, how in ((7, {"exact_version": 7}), (NO_STREAM, {"state": NO_STREAM}), (0, {"exact_version": 0})):
        for error in await both(client, to(name, event(), **how)):
            assert (error.code, error.reason) == (Code.ABORTED, "WRONG_EXPECTED_VERSION")
            assert error.detail == errors_pb2.WrongExpectedVersion(
                violations=[errors_pb2.ExpectationViolation(stream=name, actual_version=2, **how)]
            ), expected
            assert error.detail.violations[0].WhichOneof("expectation") == next(iter(how))
    for error in await both(client, to(new_name(), event(), state=STREAM_EXISTS)):
        assert error.detail.violations[0].actual_version == 0
    error = await failure(client.store.DeleteStream(pb.DeleteStreamRequest(stream=name, exact_version=1)))
    assert (error.code, error.reason, error.detail.violations[0].actual_version) == (Code.ABORTED, "WRONG_EXPECTED_VERSION", 2)


async def test_wrong_expected_versions_of_several_streams_are_all_told(client: Client) -> None:
    first, second, third = new_name(), new_name(), new_name()
    await client.append(first, event())
    request = pb.AppendToStreamsRequest(
        appends=[
            pb.StreamAppend(stream=third, exact_version=9),
            pb.StreamAppend(stream=second, state=ANY, events=[event()]),
            pb.StreamAppend(stream=first, state=NO_STREAM, events=[event()]),
        ]
    )
    for error in await both(client, request):
        assert error.reason == "WRONG_EXPECTED_VERSION"
        assert [
            (v.stream, v.WhichOneof("expectation"), v.exact_version or v.state, v.actual_version) for v in error.detail.violations
        ] == [
            (third, "exact_version", 9, 0),
            (first, "state", NO_STREAM, 1),
        ]
    assert (await failure(client.store.GetStream(pb.GetStreamRequest(stream=second)))).reason == "STREAM_NOT_FOUND"


async def test_event_id_conflict(client: Client) -> None:
    event_id = new_id()
    await client.append(new_name(), event(event_id=event_id), event())
    for error in await both(client, to(new_name(), event(), event(event_id=event_id.upper()))):
        assert (error.code, error.reason) == (Code.ALREADY_EXISTS, "EVENT_ID_CONFLICT")
        assert error.detail == errors_pb2.EventIdConflict(event_id=event_id)


async def test_stream_not_found_and_deleted(client: Client) -> None:
    deleted, tombstoned, missing = new_name(), new_name(), new_name()
    for name in (deleted, tombstoned):
        await client.append(name, event())
        await client.store.DeleteStream(pb.DeleteStreamRequest(stream=name, state=ANY, tombstone=name == tombstoned))
    for name, reason in ((missing, "STREAM_NOT_FOUND"), (deleted, "STREAM_DELETED"), (tombstoned, "STREAM_DELETED")):
        calls = [
            client.store.ReadStream(pb.ReadStreamRequest(stream=name)),
            client.store.ReadStream(pb.ReadStreamRequest(stream=name, since_snapshot=True)),
            client.store.GetStream(pb.GetStreamRequest(stream=name)),
            client.store.TruncateStream(pb.TruncateStreamRequest(stream=name, before_version=1)),
            client.store.DeleteStream(pb.DeleteStreamRequest(stream=name, state=ANY)),
            client.snapshots.SaveSnapshot(snap.SaveSnapshotRequest(stream=name, version=1, json="{}")),
            client.snapshots.LoadSnapshot(snap.LoadSnapshotRequest(stream=name)),
            client.snapshots.DeleteSnapshot(snap.DeleteSnapshotRequest(stream=name)),
        ]
        for call in calls:
            error = await failure(call)
            assert (error.code, error.reason) == (Code.NOT_FOUND, reason)
            assert error.detail == error_details_pb2.ResourceInfo(resource_type="stream", resource_name=name)
    for error in await both(client, to(tombstoned, event())):
        assert (error.code, error.reason, error.detail.resource_name) == (Code.NOT_FOUND, "STREAM_DELETED", tombstoned)


async def test_snapshot_not_found(client: Client) -> None:
    name = new_name()
    await client.append(name, event())
    for call in (
        client.snapshots.LoadSnapshot(snap.LoadSnapshotRequest(stream=name)),
        client.snapshots.DeleteSnapshot(snap.DeleteSnapshotRequest(stream=name)),
    ):
        error = await failure(call)
        assert (error.code, error.reason) == (Code.NOT_FOUND, "SNAPSHOT_NOT_FOUND")
        assert error.detail == error_details_pb2.ResourceInfo(resource_type="snapshot", resource_name=name)


async def test_invalid_request_names_every_field(client: Client) -> None:
    request = pb.AppendToStreamRequest(stream="", events=[event(kind="", event_id="no"), event(json="{")])
    for error in await both(client, request):
        assert set(error.fields) == {"stream", "expectation", "events[0].id", "events[0].type", "events[1].json"}


async def test_an_append_of_a_session_that_says_nothing(client: Client) -> None:
    results = await client.session(
        pb.SessionAppend(request_id=5), pb.SessionAppend(request_id=-6, to_stream=to(new_name(), event()))
    )
    assert Told.of(results[5].failure).fields == ["append"]
    assert results[-6].to_stream.version == 1


async def test_too_large(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_MAX_EVENT_BYTES="2000", MINK_MAX_REQUEST_BYTES="5000")) as client:
        fits = event(kind="T", binary=b"x" * 1990, k="12345678")
        for error in await both(client, to("A", event(kind="T", binary=b"x" * 1991, k="12345678"))):
            assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, "EVENT_TOO_LARGE")
            assert error.detail == errors_pb2.SizeLimit(size_bytes=2001, limit_bytes=2000)
        for error in await both(client, to("A", fits, fits, fits)):
            assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, "REQUEST_TOO_LARGE")
            assert error.detail == errors_pb2.SizeLimit(size_bytes=6000, limit_bytes=5000)
        request = pb.AppendToStreamsRequest(appends=[pb.StreamAppend(stream=n, state=ANY, events=[fits]) for n in "ABC"])
        for error in await both(client, request):
            assert (error.reason, error.detail.size_bytes) == ("REQUEST_TOO_LARGE", 6000)
        assert (await client.append("A", fits, fits)).version == 2
        error = await failure(client.snapshots.SaveSnapshot(snap.SaveSnapshotRequest(stream="A", version=1, binary=b"x" * 2501)))
        assert (error.code, error.reason) == (Code.INVALID_ARGUMENT, "REQUEST_TOO_LARGE")
        assert error.detail == errors_pb2.SizeLimit(size_bytes=2501, limit_bytes=2500)  # it has to come back with room beside it
        assert (await client.snapshots.SaveSnapshot(snap.SaveSnapshotRequest(stream="A", version=1, binary=b"x" * 2500))).saved


async def test_position_ahead(client: Client) -> None:
    await client.append(new_name(), event())
    head, log_id = await client.head(), await client.log_id()
    other = new_id()
    calls: list[tuple[Any, int]] = [
        (client.store.ReadAll(pb.ReadAllRequest(after_position=head + 1)), head + 1),
        (client.store.ReadAll(pb.ReadAllRequest(before_position=head + 2, direction=pb.BACKWARDS)), head + 2),
        (client.store.ReadAll(pb.ReadAllRequest(after_position=2**63 - 1)), 2**63 - 1),
        (client.store.SubscribeAll(pb.SubscribeAllRequest(after_position=head + 1)), head + 1),
        (client.store.SubscribeAll(pb.SubscribeAllRequest(after_position=2**63 - 1, log_id=log_id)), 2**63 - 1),
        (client.store.SubscribeAll(pb.SubscribeAllRequest(after_position=1, log_id=other)), 1),
        (client.store.SubscribeAll(pb.SubscribeAllRequest(after_position=head, log_id="anything")), head),
    ]
    for call, position in calls:
        error = await failure(call)
        assert (error.code, error.reason) == (Code.OUT_OF_RANGE, "POSITION_AHEAD")
        assert error.detail == errors_pb2.PositionAhead(position=position, head=head, log_id=log_id)
    pages = [page async for page in client.store.ReadAll(pb.ReadAllRequest(after_position=head))]
    assert [(list(page.events), page.position, page.head) for page in pages] == [([], head, head)]
    call = client.store.SubscribeAll(pb.SubscribeAllRequest(after_position=head, log_id=log_id))
    assert (await call.read()).checkpoint.log_id == log_id
    call.cancel()


async def test_an_append_that_waits_too_long(client: Client) -> None:
    name = new_name()
    results = await client.session(
        pb.SessionAppend(request_id=1, to_stream=to(name, event()), timeout=Duration()),
        pb.SessionAppend(request_id=2, to_stream=to(name, event()), timeout=Duration(seconds=-5)),
        pb.SessionAppend(request_id=3, to_stream=to(name, event()), timeout=Duration(seconds=10**11)),
        pb.SessionAppend(request_id=4, to_stream=to(name, event()), timeout=Duration(nanos=999_999_999)),
    )
    assert [Told.of(results[i].failure).code for i in (1, 2)] == [Code.DEADLINE_EXCEEDED] * 2
    assert sorted(results[i].to_stream.version for i in (3, 4)) == [1, 2]


async def test_overloaded_appends(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_MAX_WAITING_APPENDS="3")) as client:
        results = await client.session(*(pb.SessionAppend(request_id=i, to_stream=to(f"S{i}", event())) for i in range(1, 51)))
        failed = [Told.of(result.failure) for result in results.values() if result.WhichOneof("result") == "failure"]
        assert len(results) == 50
        assert 3 <= 50 - len(failed) < 50
        for error in failed:
            assert (error.code, error.reason) == (Code.RESOURCE_EXHAUSTED, "OVERLOADED")
            assert isinstance(error.detail, error_details_pb2.RetryInfo)
            assert 0 < error.detail.retry_delay.ToMilliseconds() <= 5000
        assert await client.head() == 50 - len(failed)
        assert (await client.append("after", event())).version == 1


async def test_overloaded_by_bytes(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_MAX_WAITING_BYTES="100000")) as client:
        large = event(binary=b"x" * 60_000)
        results = await client.session(*(pb.SessionAppend(request_id=i, to_stream=to(f"S{i}", large)) for i in range(1, 21)))
        failed = [Told.of(r.failure).reason for r in results.values() if r.WhichOneof("result") == "failure"]
        assert set(failed) == {"OVERLOADED"}
        assert await client.head() == 20 - len(failed)
        # One append may be larger than what may wait, or it could never be made.
        assert (await client.append("after", event(binary=b"x" * 200_000))).version == 1


async def first_of(call: Any) -> Any:
    """A subscription's first message, or how it fails."""
    try:
        return await call.read()
    except grpc.aio.AioRpcError as error:
        return told(error)


async def test_overloaded_subscriptions(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_MAX_SUBSCRIPTIONS="1")) as client:
        first = client.store.SubscribeAll(pb.SubscribeAllRequest())
        assert (await first.read()).HasField("checkpoint")
        error = await failure(client.store.SubscribeAll(pb.SubscribeAllRequest()))
        assert (error.code, error.reason) == (Code.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert isinstance(error.detail, error_details_pb2.RetryInfo)
        first.cancel()

        async def admitted() -> bool:
            call = client.store.SubscribeAll(pb.SubscribeAllRequest())
            message = await first_of(call)
            call.cancel()
            return isinstance(message, pb.SubscribeAllResponse)

        await until(admitted)


async def test_subscriptions_that_come_at_once_are_counted_too(start_server: Callable[..., MinkProcess]) -> None:
    async with connected(start_server(MINK_MAX_SUBSCRIPTIONS="2")) as client:
        for _ in range(10):
            calls = [client.store.SubscribeAll(pb.SubscribeAllRequest()) for _ in range(30)]
            found = await asyncio.gather(*(first_of(call) for call in calls))
            admitted = [message for message in found if isinstance(message, pb.SubscribeAllResponse)]
            for call in calls:
                call.cancel()
            assert len(admitted) <= 2, "more subscriptions than the bound"
            await asyncio.sleep(0.02)


async def stop(postgres: Postgres) -> None:
    await asyncio.to_thread(postgres._do, postgres.embedded.stop())


async def start(postgres: Postgres) -> None:
    await asyncio.to_thread(postgres._do, postgres.embedded.start())


def all_calls(client: Client) -> list[Any]:
    return [
        client.store.AppendToStream(to("A", event())),
        client.store.AppendToStreams(pb.AppendToStreamsRequest(appends=[pb.StreamAppend(stream="A", state=ANY, events=[event()])])),
        client.store.ReadStream(pb.ReadStreamRequest(stream="A")),
        client.store.ReadAll(pb.ReadAllRequest()),
        client.store.SubscribeAll(pb.SubscribeAllRequest()),
        client.store.GetStream(pb.GetStreamRequest(stream="A")),
        client.store.ListStreams(pb.ListStreamsRequest()),
        client.store.TruncateStream(pb.TruncateStreamRequest(stream="A", before_version=1)),
        client.store.DeleteStream(pb.DeleteStreamRequest(stream="A", state=ANY)),
        client.snapshots.SaveSnapshot(snap.SaveSnapshotRequest(stream="A", version=1, json="{}")),
        client.snapshots.LoadSnapshot(snap.LoadSnapshotRequest(stream="A")),
        client.snapshots.DeleteSnapshot(snap.DeleteSnapshotRequest(stream="A")),
    ]


def check_unavailable(error: Told) -> None:
    assert (error.code, error.reason) == (Code.UNAVAILABLE, "DATABASE_UNAVAILABLE"), error
    assert isinstance(error.detail, error_details_pb2.RetryInfo)
    assert 0 < error.detail.retry_delay.ToMilliseconds() <= 5000


async def test_database_unavailable_and_back(own_postgres: Postgres, start_server: Callable[..., MinkProcess]) -> None:
    process = start_server(own_postgres.dsn, MINK_DATABASE_TIMEOUT="1", MINK_CHECKPOINT_SECONDS="0.3")
    async with connected(process) as client:
        await client.append("A", event())
        following = client.store.SubscribeAll(pb.SubscribeAllRequest())
        seen: list[int] = []

        async def follow() -> None:
            async for message in following:
                seen.extend(e.position for e in message.events.events)

        follower = asyncio.create_task(follow())
        session = client.store.AppendSession()
        await session.write(pb.AppendSessionRequest(appends=[pb.SessionAppend(request_id=1, to_stream=to("B", event()))]))
        assert (await session.read()).results[0].to_stream.version == 1
        await until(lambda: _true(lambda: len(seen) == 2))  # while it reads from the database, an outage would end it
        await stop(own_postgres)
        for error in await asyncio.gather(*(failure(call) for call in all_calls(client))):
            check_unavailable(error)
        await session.write(pb.AppendSessionRequest(appends=[pb.SessionAppend(request_id=2, to_stream=to("B", event()))]))
        check_unavailable(Told.of((await session.read()).results[0].failure))
        again = [event(event_id=new_id()), event(event_id=new_id())]
        unknown = [asyncio.create_task(failure(client.append("C", e))) for e in again]
        for error in await asyncio.gather(*unknown):
            check_unavailable(error)
        await start(own_postgres)

        async def back() -> bool:
            try:
                await client.append("C", again[0])
            except grpc.aio.AioRpcError as error:
                check_unavailable(told(error))
                return False
            return True

        await until(back)
        assert (await client.append("C", again[0])).replayed
        await session.write(pb.AppendSessionRequest(appends=[pb.SessionAppend(request_id=3, to_stream=to("B", event()))]))
        assert (await session.read()).results[0].to_stream.version == 2
        await session.done_writing()
        head = await client.head()
        await until(lambda: _true(lambda: len(seen) >= head or follower.done()))
        assert not follower.done(), follower
        assert seen == list(range(1, head + 1)), "the subscription outlived the outage"
        following.cancel()
        await asyncio.gather(follower, return_exceptions=True)
    assert "Traceback" not in process.output


async def _true(condition: Callable[[], bool]) -> bool:
    return condition()


async def test_a_database_that_takes_no_writes_for_a_while(
    own_postgres: Postgres, start_server: Callable[..., MinkProcess]
) -> None:
    """As a standby, or a failover that has not ended: sessions are told that they are read-only."""
    process = start_server(own_postgres.dsn, MINK_DATABASE_TIMEOUT="1")
    others = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and application_name = 'mink'"

    def switch(on: bool) -> None:
        own_postgres.execute(f"begin read write; alter database mink set default_transaction_read_only = {on}; commit")
        own_postgres.execute(others)

    async with connected(process) as client:
        await client.append("A", event())
        await asyncio.to_thread(switch, True)
        for error in await asyncio.gather(*(failure(call) for call in all_calls(client)[:5])):
            check_unavailable(error)
        await asyncio.to_thread(switch, False)

        async def back() -> bool:
            try:
                await client.append("B", event())
            except grpc.aio.AioRpcError as error:
                check_unavailable(told(error))
                return False
            return True

        await until(back)
        # Also who hears of other servers has come back.
        other = start_server(own_postgres.dsn)
        following = client.store.SubscribeAll(pb.SubscribeAllRequest(from_end=True))
        assert (await following.read()).HasField("checkpoint")
        async with connected(other) as second:
            await second.append("C", event())

        async def heard() -> bool:
            message = await asyncio.wait_for(following.read(), 15)
            return [e.stream for e in message.events.events] == ["C"]

        await until(heard)
        following.cancel()


async def test_shutting_down(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server(MINK_CHECKPOINT_SECONDS="30")
    async with connected(process) as client:
        await client.append("A", event(), event())
        subscription = client.store.SubscribeAll(pb.SubscribeAllRequest())
        quiet = client.store.SubscribeAll(pb.SubscribeAllRequest(filter=pb.EventFilter(types=["Never"])))
        session = client.store.AppendSession()
        await session.write(pb.AppendSessionRequest(appends=[pb.SessionAppend(request_id=1, to_stream=to("B", event()))]))
        assert (await session.read()).results[0].to_stream.version == 1
        for call in (subscription, quiet):
            while not (await call.read()).HasField("caught_up"):
                pass
        batch = [pb.SessionAppend(request_id=i, to_stream=to(f"S{i}", event())) for i in range(2, 302)]
        await session.write(pb.AppendSessionRequest(appends=batch))
        answers = [result async for result in _results(session, 1)]
        process.terminate()
        for call in (subscription, quiet):
            messages, error = await rest_of(call)
            assert error is not None
            assert (error.code, error.reason) == (Code.UNAVAILABLE, "SHUTTING_DOWN")
            assert isinstance(error.detail, error_details_pb2.RetryInfo)
            assert messages[-1].HasField("checkpoint"), "the last message is where to resume"
            position = messages[-1].checkpoint.position
            assert 3 <= position <= 303
            if call is subscription:
                positions = [e.position for m in messages for e in m.events.events]
                assert positions == list(range(positions[0], position + 1))
                assert positions[0] in (3, 4)
        messages, error = await rest_of(session)
        answers += [result for message in messages for result in message.results]
        assert error is not None
        assert (error.code, error.reason) == (Code.UNAVAILABLE, "SHUTTING_DOWN")
        assert sorted(result.request_id for result in answers) == list(range(2, 302))
        assert all(result.to_stream.version == 1 for result in answers)
        assert await asyncio.to_thread(process.wait) == 0
    assert "Traceback" not in process.output
    assert process.output.rstrip().endswith("Stopped.")


async def _results(session: Any, least: int) -> Any:
    seen = 0
    while seen < least:
        for result in (await session.read()).results:
            seen += 1
            yield result


async def test_a_subscriber_that_catches_up_is_told_too(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server(MINK_TAIL_BYTES="0", MINK_DRAIN_SECONDS="10")
    async with connected(process) as client:
        for _ in range(12):
            await client.append("A", *[event(binary=b"x" * 100_000) for _ in range(30)])
        call = client.store.SubscribeAll(pb.SubscribeAllRequest())
        assert (await call.read()).HasField("checkpoint")
        process.terminate()
        await asyncio.sleep(0.5)
        messages, error = await rest_of(call)
        positions = [e.position for message in messages for e in message.events.events]
        assert error is not None
        assert error.reason == "SHUTTING_DOWN"
        assert messages[-1].checkpoint.position == len(positions)
        assert positions == list(range(1, len(positions) + 1))
        assert await asyncio.to_thread(process.wait) == 0


async def test_what_a_stopped_server_leaves_is_refused_by_nobody(start_server: Callable[..., MinkProcess]) -> None:
    """A second SIGTERM, and calls that never end, do not keep a server from leaving."""
    process = start_server(MINK_DRAIN_SECONDS="1")
    async with connected(process) as client:
        session = client.store.AppendSession()
        await session.write(pb.AppendSessionRequest(appends=[pb.SessionAppend(request_id=1, to_stream=to("A", event()))]))
        await session.read()
        process.terminate()
        await asyncio.sleep(0.1)
        if process.process.poll() is None:
            process.terminate()
        assert await asyncio.to_thread(process.wait, 15) == 0
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.append("A", event())
        assert caught.value.code() == Code.UNAVAILABLE
        session.cancel()
