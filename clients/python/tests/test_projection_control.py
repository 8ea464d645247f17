"""What operators ask of projections: what is sent, what is sent again, and what becomes of a watch that breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc
import pytest
from google.rpc import error_details_pb2
from mink.v1 import projections_pb2 as pb
from mink.v1.projections_pb2_grpc import ProjectionsServicer, add_ProjectionsServicer_to_server
from mink_client import (
    ClientClosed,
    Mink,
    ProjectionInUse,
    ProjectionNotFound,
    ProjectionState,
    RebuildMode,
    ReplayResult,
    Unavailable,
)


class Server(ProjectionsServicer):
    """Answers as tests say; what comes in is kept."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list = []
        self.answers: list = []
        self.on_watch = None
        self.ended = 0
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        self._server = grpc.aio.server()
        add_ProjectionsServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    async def _unary(self, request, context):
        copy = type(request)()
        copy.CopyFrom(request)
        self.requests.append(copy)
        answer = self.answers.pop(0)
        return await answer(context) if callable(answer) else answer

    ListProjections = GetProjection = PauseProjection = ResumeProjection = RebuildProjection = _unary
    RestartProjection = DeleteProjection = ListParkedEvents = ReplayParkedEvents = DropParkedEvents = _unary

    async def WatchProjections(self, request, context):  # noqa: N802 - the service calls it so
        self.requests.append(request)
        try:
            async for message in self.on_watch(request, context):
                yield message
        finally:
            self.ended += 1


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def mink(server) -> AsyncIterator[Mink]:
    async with Mink(f"127.0.0.1:{server.port}", timeout=5.0) as mink:
        yield mink


@pytest.fixture
def refuse(fakes):
    """An answer that is an error."""

    def make(reason, *details, code):
        async def answer(context):
            await fakes.abort(context, fakes.status(reason, *details, code=code.value[0]))

        return answer

    return make


def named(name: str, **fields) -> pb.Projection:
    return pb.Projection(name=name, state=pb.RUNNING, live=pb.Build(build=1, revision=1), **fields)


async def test_list_and_get(mink, server):
    server.answers = [
        pb.ListProjectionsResponse(projections=[named("A"), named("B")]),
        pb.GetProjectionResponse(projection=named("B", checkpoint=7)),
    ]
    assert [found.name for found in await mink.projections.list()] == ["A", "B"]
    found = await mink.projections.get("B")
    assert (found.name, found.checkpoint, found.state) == ("B", 7, ProjectionState.RUNNING)
    assert server.requests[1] == pb.GetProjectionRequest(projection="B")


async def test_what_is_asked_is_what_is_sent(mink, server):
    one = named("A")
    server.answers = [
        pb.PauseProjectionResponse(projection=one, acknowledged=2, not_acknowledged=["slow"]),
        pb.ResumeProjectionResponse(projection=one),
        pb.RebuildProjectionResponse(projection=one),
        pb.RebuildProjectionResponse(projection=one),
        pb.RestartProjectionResponse(projection=one),
        pb.DeleteProjectionResponse(checkpoint=9, parked_events=3),
        pb.ReplayParkedEventsResponse(handled=1, failed=2, waiting=3),
        pb.ReplayParkedEventsResponse(),
        pb.DropParkedEventsResponse(dropped=2),
        pb.DropParkedEventsResponse(dropped=5),
    ]
    paused = await mink.projections.pause("A")
    assert (paused.projection.name, paused.acknowledged, paused.not_acknowledged) == ("A", 2, ("slow",))
    assert (await mink.projections.resume("A")).name == "A"
    await mink.projections.rebuild("A")
    await mink.projections.rebuild("A", mode=RebuildMode.SIDE_BY_SIDE, revision=3)
    await mink.projections.restart("A")
    deleted = await mink.projections.delete("A")
    assert (deleted.checkpoint, deleted.parked_events) == (9, 3)
    assert await mink.projections.replay_parked("A", positions=[3, 5]) == ReplayResult(1, 2, 3)
    await mink.projections.replay_parked("A")
    assert await mink.projections.drop_parked("A", positions=[3, 5]) == 2
    assert await mink.projections.drop_parked("A", all=True) == 5
    assert server.requests == [
        pb.PauseProjectionRequest(projection="A"),
        pb.ResumeProjectionRequest(projection="A"),
        pb.RebuildProjectionRequest(projection="A", mode=pb.IN_PLACE),
        pb.RebuildProjectionRequest(projection="A", mode=pb.SIDE_BY_SIDE, revision=3),
        pb.RestartProjectionRequest(projection="A"),
        pb.DeleteProjectionRequest(projection="A"),
        pb.ReplayParkedEventsRequest(projection="A", positions=[3, 5]),
        pb.ReplayParkedEventsRequest(projection="A"),
        pb.DropParkedEventsRequest(projection="A", positions=[3, 5]),
        pb.DropParkedEventsRequest(projection="A", all=True),
    ]


async def test_parked_events_come_through_all_pages(mink, server):
    server.answers = [
        pb.ListParkedEventsResponse(events=[pb.ParkedEvent(position=3), pb.ParkedEvent(position=5)], next_page_token="next"),
        pb.ListParkedEventsResponse(events=[pb.ParkedEvent(position=8)]),
    ]
    assert [event.position async for event in mink.projections.parked("A", page_size=2)] == [3, 5, 8]
    assert server.requests == [
        pb.ListParkedEventsRequest(projection="A", page_size=2),
        pb.ListParkedEventsRequest(projection="A", page_size=2, page_token="next"),
    ]


async def test_errors_are_typed(mink, server, refuse):
    resource = error_details_pb2.ResourceInfo(resource_type="projection", resource_name="A")
    server.answers = [
        refuse("PROJECTION_NOT_FOUND", resource, code=grpc.StatusCode.NOT_FOUND),
        refuse("PROJECTION_IN_USE", resource, code=grpc.StatusCode.FAILED_PRECONDITION),
    ]
    with pytest.raises(ProjectionNotFound) as absent:
        await mink.projections.get("A")
    assert absent.value.projection == "A"
    with pytest.raises(ProjectionInUse) as used:
        await mink.projections.delete("A")
    assert (used.value.projection, used.value.reason, used.value.message) == ("A", "PROJECTION_IN_USE", "words for people")


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda p: p.list(), pb.ListProjectionsResponse()),
        (lambda p: p.get("A"), pb.GetProjectionResponse()),
        (lambda p: p.pause("A"), pb.PauseProjectionResponse()),
        (lambda p: p.resume("A"), pb.ResumeProjectionResponse()),
        (lambda p: p.restart("A"), pb.RestartProjectionResponse()),
        (lambda p: anext(p.parked("A")), pb.ListParkedEventsResponse(events=[pb.ParkedEvent(position=1)])),
    ],
)
async def test_what_may_be_done_twice_is_sent_again_when_its_outcome_is_unknown(mink, server, refuse, ask, answer):
    server.answers = [refuse("DATABASE_UNAVAILABLE", code=grpc.StatusCode.UNAVAILABLE), answer]
    await ask(mink.projections)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda p: p.rebuild("A"), pb.RebuildProjectionResponse()),
        (lambda p: p.delete("A"), pb.DeleteProjectionResponse()),
        (lambda p: p.replay_parked("A"), pb.ReplayParkedEventsResponse()),
        (lambda p: p.drop_parked("A", all=True), pb.DropParkedEventsResponse()),
    ],
)
async def test_what_may_not_be_done_twice_is_sent_again_only_when_it_was_refused(mink, server, refuse, ask, answer):
    server.answers = [refuse("DATABASE_UNAVAILABLE", code=grpc.StatusCode.UNAVAILABLE), answer]
    with pytest.raises(Unavailable):
        await ask(mink.projections)
    assert len(server.requests) == 1
    server.answers = [
        refuse("SHUTTING_DOWN", code=grpc.StatusCode.UNAVAILABLE),
        refuse("OVERLOADED", code=grpc.StatusCode.RESOURCE_EXHAUSTED),
        answer,
    ]
    await ask(mink.projections)
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda p: p.rebuild("A", mode="huh"), "mode: 'in_place' or 'side_by_side', not 'huh'"),
        (lambda p: p.rebuild("A", revision=2**31), "revision: "),
        (lambda p: p.get("\ud800"), "projection: holds half of a surrogate pair"),
        (lambda p: p.replay_parked("A", positions=[]), "positions: at least one"),
        (lambda p: p.drop_parked("A"), "positions, all: one of the two"),
        (lambda p: p.drop_parked("A", positions=[]), "positions, all: one of the two"),
        (lambda p: p.drop_parked("A", positions=[1], all=True), "positions, all: one of the two"),
        (lambda p: p.drop_parked("A", positions=[2**63]), "positions: "),
        (lambda p: anext(p.watch("")), "name: must not be empty"),
    ],
)
async def test_a_wrong_argument_is_named_and_nothing_is_sent(mink, server, ask, said):
    with pytest.raises(ValueError, match=said):
        await ask(mink.projections)
    assert server.requests == []


async def test_nothing_is_asked_of_a_client_that_is_closed(mink):
    projections = mink.projections
    await mink.close()
    with pytest.raises(ClientClosed):
        await projections.list()
    with pytest.raises(ClientClosed):
        await anext(projections.watch())


class TestWatch:
    async def test_each_moment_comes_and_the_name_goes_to_the_server(self, mink, server, eventually):
        async def follow(request, context):
            yield pb.WatchProjectionsResponse(projections=[named("A", checkpoint=1)])
            yield pb.WatchProjectionsResponse(projections=[named("A", checkpoint=2)])
            await asyncio.sleep(100)

        server.on_watch = follow
        async with aclosing(mink.projections.watch("A")) as moments:
            assert (await anext(moments)).projections[0].checkpoint == 1
            assert (await anext(moments)).projections[0].checkpoint == 2
        await eventually(lambda: server.ended == 1)
        async with aclosing(mink.projections.watch()) as moments:
            await anext(moments)
        assert server.requests == [pb.WatchProjectionsRequest(projection="A"), pb.WatchProjectionsRequest()]

    async def test_it_goes_on_when_the_call_ends_breaks_or_is_silent(self, mink, server, refuse, caplog, eventually):
        async def follow(request, context):
            number = len(server.requests)
            yield pb.WatchProjectionsResponse(projections=[named("A", checkpoint=number)])
            if number == 1:
                await refuse("SHUTTING_DOWN", code=grpc.StatusCode.UNAVAILABLE)(context)
            if number == 2:
                await refuse("DATABASE_UNAVAILABLE", code=grpc.StatusCode.UNAVAILABLE)(context)
            if number != 3:
                await asyncio.sleep(100)

        server.on_watch = follow
        async with aclosing(mink.projections.watch(silence_timeout=0.3)) as moments:
            seen = [(await anext(moments)).projections[0].checkpoint for _ in range(5)]
        assert seen == [1, 2, 3, 4, 5]
        said = [record.getMessage() for record in caplog.records]
        # A server that stops is nothing to worry about.
        assert [("words for people" in line, "ended the watch" in line, "no message" in line) for line in said] == [
            (True, False, False),
            (False, True, False),
            (False, False, True),
        ]
        await eventually(lambda: server.ended == 5)

    async def test_a_server_that_was_there_is_waited_for(self, mink, server):
        async def follow(request, context):
            yield pb.WatchProjectionsResponse(projections=[named("A")])
            await asyncio.sleep(100)

        server.on_watch = follow
        async with aclosing(mink.projections.watch(timeout=0.1)) as moments:
            await anext(moments)
            await server.stop()
            waiting = asyncio.ensure_future(anext(moments))
            done, _ = await asyncio.wait([waiting], timeout=0.5)
            assert not done
            await server.start()
            async with asyncio.timeout(20):
                assert (await waiting).projections[0].name == "A"

    async def test_a_server_that_was_never_there_is_given_up(self, server):
        await server.stop()
        async with Mink(f"127.0.0.1:{server.port}") as mink:
            with pytest.raises(Unavailable):
                await anext(mink.projections.watch(timeout=0.3))

    async def test_a_server_that_never_says_anything_is_given_up(self, mink, server):
        async def follow(request, context):
            await asyncio.sleep(100)
            yield

        server.on_watch = follow
        with pytest.raises(Unavailable, match="no message from Mink"):
            await anext(mink.projections.watch(timeout=0.2))

    async def test_a_name_that_is_not_there_is_final(self, mink, server, refuse):
        resource = error_details_pb2.ResourceInfo(resource_type="projection", resource_name="A")

        async def follow(request, context):
            await refuse("PROJECTION_NOT_FOUND", resource, code=grpc.StatusCode.NOT_FOUND)(context)
            yield

        server.on_watch = follow
        with pytest.raises(ProjectionNotFound):
            await anext(mink.projections.watch("A"))
        assert len(server.requests) == 1

    async def test_a_client_that_is_closed_ends_it(self, mink, server):
        async def follow(request, context):
            yield pb.WatchProjectionsResponse()
            await asyncio.sleep(100)

        server.on_watch = follow
        async with aclosing(mink.projections.watch()) as moments:
            await anext(moments)
            waiting = asyncio.ensure_future(anext(moments))
            await asyncio.wait([waiting], timeout=0.05)
            await mink.close()
            with pytest.raises(ClientClosed):
                await waiting
