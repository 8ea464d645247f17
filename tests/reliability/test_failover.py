"""A primary dies, its synchronous standby takes over: Mink goes on by itself, and what was acknowledged is there."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from mink.v1 import event_pb2, expectation_pb2
from mink.v1 import event_store_pb2 as pb
from mink.v1.event_store_pb2_grpc import EventStoreStub
from mink_client import ANY, DatabaseUnavailable, DeadlineExceeded, Mink, NewEvent

from tests.reliability.load import Workload, lasting, read_log, report
from tests.support.cluster import Cluster, dsn_of
from tests.support.servers import MinkProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.cluster import Node
    from tests.support.databases import Postgres

# Seconds that one failover takes, with what follows it.
_ONE = 4

# How an append ends that is sent again and again until its time is over.
NOT_ACKNOWLEDGED = (DatabaseUnavailable, DeadlineExceeded)

there = asyncio.to_thread


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as made:
        yield made


@pytest.fixture
def serve() -> Iterator[Callable[..., MinkProcess]]:
    """Starts a server on nodes, in this order: `serve(primary, standby, MINK_X="…")`."""
    started: list[MinkProcess] = []

    def start(*nodes: Node, **env: str) -> MinkProcess:
        started.append(MinkProcess(DATABASE_URL=dsn_of(nodes), MINK_MIGRATE="true", **env))
        return started[-1].start()

    yield start
    for server in started:
        server.stop()


def pair(cluster: Cluster) -> tuple[Node, Node]:
    """A primary, and a standby that it waits for."""
    primary = cluster.primary()
    standby = cluster.standby(primary)
    primary.wait_for(standby)
    return primary, standby


async def once(address: str, event: NewEvent) -> None:
    """One append that is not sent again."""
    async with grpc.aio.insecure_channel(address) as channel:
        sent = event_pb2.NewEvent(id=event.id, type=event.type, json="{}")
        request = pb.AppendToStreamRequest(stream="A", state=expectation_pb2.ANY, events=[sent])
        await EventStoreStub(channel).AppendToStream(request, timeout=10)


@pytest.mark.parametrize("how", ["killed", pytest.param("silent", marks=pytest.mark.reliability)])
@lasting(_ONE, 5 * _ONE)
async def test_the_standby_has_every_acknowledged_event(
    cluster: Cluster, serve: Callable[..., MinkProcess], how: str, seconds: float
) -> None:
    """`silent`: the primary's machine answers nobody any more, and refuses nobody either."""
    primary, standby = await there(pair, cluster)
    # A silent primary is given up after this time. The servers list the hosts in either order.
    one = await there(serve, primary, standby, MINK_DATABASE_TIMEOUT="2")
    two = await there(serve, standby, primary, MINK_DATABASE_TIMEOUT="2")
    async with Workload(one.grpc_address, two.grpc_address, timeout=60) as work:
        for left in reversed(range(round(seconds / _ONE))):
            await work.run(1)
            await there(primary.kill if how == "killed" else primary.freeze)
            await work.run(0.3)
            await work.while_running(there(standby.promote))
            resumed = [await work.progress(server.grpc_address, appends=20) for server in (one, two)]
            report(f"a primary is {how}", resumed_after_s=max(resumed))
            await there(primary.kill)
            primary, standby = standby, primary
            if left:
                await work.while_running(there(cluster.follow, standby, primary))
                await work.while_running(there(primary.wait_for, standby))
        await work.finish(f"the primary is {how}, the standby promoted")
    assert "another host of the database takes the writes" in one.output + two.output


@pytest.mark.thorough
async def test_nothing_is_acknowledged_that_the_standby_does_not_have(cluster: Cluster, serve: Callable[..., MinkProcess]) -> None:
    """Also not by sending it again: what is in the log of the primary alone is no answer."""
    primary, standby = await there(pair, cluster)
    server = await there(serve, primary, standby, MINK_DATABASE_TIMEOUT="0.8", MINK_DRAIN_SECONDS="0.5")
    event = NewEvent.raw_json("Happened", "{}")
    async with Mink(server.grpc_address, timeout=30) as client:

        async def append(timeout: float) -> Any:
            return await client.append("A", [event], expected=ANY, timeout=timeout)

        await client.append("A", [NewEvent("Happened", {})], expected=ANY)
        await there(standby.kill)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await once(server.grpc_address, event)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert len(await read_log(client)) == 1, "a commit that waits for its standby is seen"
        # A server that stops takes its commit along to nowhere: it does not cut the wait short.
        waiting = asyncio.create_task(append(30))
        await asyncio.sleep(0.3)
        server.terminate()
        assert await there(server.wait, 20) == 0
        assert (await there(primary.fetch, "select count(*) from mink.events"))[0][0] == 1
        # A restart does: Postgres then shows what it has.
        await there(primary.stop)
        await there(primary.start)
        assert (await there(primary.fetch, "select count(*) from mink.events"))[0][0] == 2
        await there(server.start)
        done, _ = await asyncio.wait([waiting], timeout=1)
        assert not done, waiting.result()
        with pytest.raises(NOT_ACKNOWLEDGED):
            await append(6)
        # However often it is tried, one session waits for the standby. The others give up, and go.
        sessions = "select count(*) from pg_stat_activity where application_name = 'mink' and state = 'active' and wait_event = "
        assert (await there(primary.fetch, f"{sessions} 'SyncRep'"))[0][0] == 1
        assert (await there(primary.fetch, f"{sessions} 'advisory'"))[0][0] <= 12
        await there(standby.start)
        assert (await waiting).replayed
        done = await append(20)
        assert (done.replayed, done.last_position) == (True, 2)
        await client.append("A", [NewEvent("Happened", {})], expected=2)
        assert [event.position for event in await read_log(client)] == [1, 2, 3]


@pytest.mark.reliability
async def test_a_primary_that_comes_back_acknowledges_nothing_and_wins_nobody_back(
    cluster: Cluster, serve: Callable[..., MinkProcess]
) -> None:
    """It should not come back: whoever fails over must fence it. This is what is left if nobody did."""
    old, new = await there(pair, cluster)
    server = await there(serve, old, new, MINK_DATABASE_TIMEOUT="2")
    late = None
    async with Workload(server.grpc_address) as work:
        await work.run(0.5)
        await there(old.kill)
        await work.while_running(there(new.promote))
        await work.progress()
        await work.while_running(there(old.start))
        # It takes writes, and the server looks for its database again: it stays with the one that it had.
        assert (await there(old.fetch, "select pg_is_in_recovery()"))[0][0] is False
        await there(new.fetch, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mink'")
        await work.progress()
        # A server that starts now takes the first in its list. The old primary waits for its standby before it says yes to it.
        late = await there(serve, old, new, MINK_DATABASE_TIMEOUT="1")
        async with Mink(late.grpc_address) as client:
            with pytest.raises(NOT_ACKNOWLEDGED):
                await client.append("Late", [NewEvent("Happened", {})], expected=ANY, timeout=2)
            await there(old.kill)  # fenced
            await client.append("Late", [NewEvent("Happened", {})], expected=ANY, timeout=20)
        await work.progress()
        await work.finish("the old primary came back")


async def test_a_host_that_is_silent_does_not_keep_the_others_from_being_asked(postgres: Postgres, tmp_path: Path) -> None:
    """The kernel takes the connection, and nobody ever speaks."""
    assert postgres.folder is not None
    schema = postgres.new_schema()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / ".s.PGSQL.5432"))
        silent.listen(64)
        dsn = f"postgresql://mink@/mink?host={tmp_path},{postgres.folder}/data/run&port=5432"
        server = MinkProcess(DATABASE_URL=dsn, DATABASE_SCHEMA=schema, MINK_MIGRATE="true", MINK_DATABASE_TIMEOUT="2")
        try:
            await there(server.start)
            async with Mink(server.grpc_address) as client:
                await client.append("A", [NewEvent("Happened", {})], expected=ANY)
                assert len(await read_log(client)) == 1
        finally:
            server.stop()
            postgres.drop(schema)
