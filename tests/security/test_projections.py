"""Workers and operators of projections who do not reach all streams, or lose what they had; and what is written of it."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from mink.v1 import event_store_pb2
from mink.v1 import projections_pb2 as pb

from tests.security.conftest import address_of, denied, until
from tests.security.test_open_calls import ends
from tests.support.raw_worker import RawWorker, ignore

PREFIXES = ("Mine-", "Ours-")


@pytest.fixture
async def parties(secured, authority, tokens, connect):
    """Somebody limited and somebody who is not, on one server."""
    limited = connect(address_of(secured), authority.roots, tokens.add("limited", "read", "append", "manage", prefixes=PREFIXES))
    everything = connect(address_of(secured), authority.roots, tokens.add("all", "read", "append", "manage"))
    for client in (limited, everything):

        async def known(client: Any = client) -> bool:
            return await client.statistics_code() is not grpc.StatusCode.UNAUTHENTICATED

        await until(known, "the tokens were not read")
    return secured, limited, everything


def worker_of(client: Any, name: str, **where: Any) -> RawWorker:
    filter_ = event_store_pb2.EventFilter(**where) if where else None
    return RawWorker(client.channel, name, metadata=client.metadata, filter=filter_)


async def refused(worker: RawWorker) -> Any:
    await worker.say(hello=worker.hello)
    error = await worker.ends()
    assert error is not None
    return denied(error)


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"types": ["T"]},
        {"stream_prefixes": ["M"]},
        {"stream_prefixes": ["Mine-", ""]},
        {"stream_prefixes": ["Mine-1", "Theirs-"]},
        {"streams": ["Mine-1", "Theirs-1"]},
        {"streams": ["Mine"]},
        {"categories": ["Theirs"]},
        {"categories": ["Mine"]},  # and with it the stream Mine, which does not begin with Mine-
    ],
)
async def test_a_worker_must_reach_all_that_its_projection_takes(parties, where):
    _, limited, _ = parties
    error = await refused(worker_of(limited, "P", **where))
    if where == {"stream_prefixes": ["Mine-", ""]}:
        assert error.reason == "INVALID_REQUEST"
        return
    assert (error.code, error.reason, error.role) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED", "read")
    names = (await limited.projections.ListProjections(pb.ListProjectionsRequest(), metadata=limited.metadata)).projections
    assert list(names) == []


@pytest.mark.parametrize("where", [{"stream_prefixes": ["Theirs-"]}, {"streams": ["Mine-1", "Theirs-secret"]}, {}])
async def test_a_higher_revision_takes_over_nothing_that_lies_outside(parties, where):
    _, limited, everything = parties

    async def shown() -> pb.Projection:
        request = pb.GetProjectionRequest(projection="P")
        return (await everything.projections.GetProjection(request, metadata=everything.metadata)).projection

    theirs = await worker_of(everything, "P", **where).start()
    await theirs.until(lambda: theirs.leases)
    before = await shown()
    rival = worker_of(limited, "P", stream_prefixes=["Mine-"])
    rival.hello.revision = 2
    error = await refused(rival)
    assert (error.code, error.reason, error.role) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED", "read")
    assert "Theirs" not in error.message
    after = await shown()
    assert not after.HasField("next")
    assert (after.live.build, after.live.revision, after.live.filter) == (before.live.build, 1, before.live.filter)
    assert [one.worker_id for one in after.workers] == [one.worker_id for one in before.workers]
    assert not theirs.lost
    # Their own, they may.
    mine = await worker_of(limited, "Q", stream_prefixes=["Mine-"]).start()
    newer = worker_of(limited, "Q", stream_prefixes=["Mine-", "Ours-"])
    newer.hello.revision = 2
    await newer.start()
    for worker in (theirs, mine, newer):
        await worker.stop()


async def test_a_worker_gets_what_it_reaches_and_nothing_else(parties):
    _, limited, everything = parties
    for stream in ("Mine-1", "Theirs-1", "Ours-1", "Mine", "Mine-2"):
        await everything.append(stream)
    first = await worker_of(limited, "P", stream_prefixes=["Mine-", "Ours-1"]).start()
    await first.until(lambda: len(first.model.positions()) == 3)
    assert [stream for _, stream, _ in first.model.build().events] == ["Mine-1", "Ours-1", "Mine-2"]
    second = await worker_of(limited, "Q", streams=["Mine-2"], types=["T"]).start()
    await second.until(lambda: second.model.positions() == [5])
    await first.stop()
    await second.stop()


async def test_a_denied_worker_is_in_the_audit_log_and_so_is_who_manages(parties):
    server, limited, everything = parties
    await refused(worker_of(limited, "P", stream_prefixes=["Theirs-"]))
    worker = await worker_of(everything, "Known").start()
    await limited.projections.PauseProjection(pb.PauseProjectionRequest(projection="Known"), metadata=limited.metadata)
    with pytest.raises(grpc.aio.AioRpcError):
        await limited.projections.ResumeProjection(pb.ResumeProjectionRequest(projection="None"), metadata=limited.metadata)

    def found() -> list[Any]:
        lines = [json.loads(line) for line in server.output.splitlines() if line.startswith("{")]
        return [
            (one["action"], one["stream"], one.get("projection"), one["identity"], one["outcome"])
            for one in lines
            if one["event"] == "audit" and "Projections" in one["action"]
        ]

    await until(lambda: len(found()) >= 3, "lines are missing")
    assert found() == [
        ("mink.v1.Projections/Run", "Theirs-", None, "limited", "PERMISSION_DENIED"),
        ("mink.v1.Projections/PauseProjection", "", "Known", "limited", "OK"),
        ("mink.v1.Projections/ResumeProjection", "", "None", "limited", "PROJECTION_NOT_FOUND"),
    ]
    await worker.stop()


async def test_who_is_revoked_stops_working_and_loses_what_it_held(parties, tokens):
    _, limited, everything = parties
    worker = await worker_of(limited, "P", stream_prefixes=["Mine-"]).start()
    await worker.until(lambda: worker.leases)
    tokens.remove("limited")
    error = await worker.ends()
    assert error is not None
    assert (denied(error).code, denied(error).reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    other = await worker_of(everything, "P", stream_prefixes=["Mine-"]).start()
    await other.until(lambda: other.leases)
    await other.stop()


async def test_who_reaches_other_streams_begins_anew(parties, tokens):
    _, limited, everything = parties
    worker = await worker_of(limited, "P", stream_prefixes=["Mine-"]).start()
    await worker.until(lambda: worker.caught_up)
    tokens.change("limited", prefixes=("Ours-",))
    error = await worker.ends()
    assert error is not None
    assert (denied(error).code, denied(error).reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    await everything.append("Mine-1")
    assert (await refused(worker_of(limited, "P", stream_prefixes=["Mine-"]))).reason == "PERMISSION_DENIED"


async def test_a_watch_ends_with_its_token(parties, tokens):
    _, limited, _ = parties
    watch = limited.projections.WatchProjections(pb.WatchProjectionsRequest(), metadata=limited.metadata, timeout=60)
    await watch.read()
    tokens.remove("limited")
    assert (await ends(watch)).reason == "UNAUTHENTICATED"


async def test_what_a_handler_said_of_a_stream_is_for_those_who_reach_it(parties):
    _, limited, everything = parties
    await everything.append("Theirs-1")
    worker = worker_of(everything, "P")
    worker.on_events = worker.on_progress = ignore
    await worker.start()
    (events,) = await worker.until(lambda: worker.got("events"))
    error = pb.HandlerError(position=1, type="T", stream="Theirs-1", message="the secret 4711 is odd", attempts=1)
    await worker.say(park=pb.Park(lease=events.lease, error=error))
    await worker.until(lambda: worker.got("parked"))
    await worker.say(faulted=pb.Faulted(lease=events.lease, error=error))

    async def shown(client: Any) -> pb.Projection:
        request = pb.GetProjectionRequest(projection="P")
        return (await client.projections.GetProjection(request, metadata=client.metadata)).projection

    async def is_faulted() -> bool:
        return (await shown(everything)).state == pb.FAULTED

    await until(is_faulted, "it is not faulted")
    assert (await shown(everything)).last_error.error == error
    for_limited = await shown(limited)
    assert for_limited.state == pb.FAULTED
    assert for_limited.last_error.error.position == 1
    assert b"4711" not in for_limited.SerializeToString()
    assert b"Theirs" not in for_limited.SerializeToString()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await limited.projections.ListParkedEvents(pb.ListParkedEventsRequest(projection="P"), metadata=limited.metadata)
    assert "this takes reaching all streams" in denied(failed.value).message
    await worker.stop()
