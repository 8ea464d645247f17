import asyncio
import gc
import random
import socket
import time

import grpc
import pytest
from mink.v1 import errors_pb2
from mink.v1 import event_store_pb2 as es
from mink_client import (
    ANY,
    NO_STREAM,
    STREAM_EXISTS,
    AppendResult,
    ClientClosed,
    DeadlineExceeded,
    Mink,
    MinkError,
    NewEvent,
    Overloaded,
    StreamAppend,
    StreamAppended,
    Unauthenticated,
    Unavailable,
    WrongExpectedVersion,
    appends,
    client,
)


def event(payload=None):
    return NewEvent("OrderPlaced", {} if payload is None else payload)


async def test_an_append_answers_with_where_its_events_are(mink, server):
    done = await mink.append("Order-1", [event(), event()], expected=NO_STREAM)
    assert done == AppendResult(version=2, first_position=1, last_position=2, replayed=False)


async def test_what_a_caller_gives_arrives_as_it_was_given(mink, server):
    one = NewEvent("A", {"ä": [1, None]}, metadata={"userId": "7"})
    two = NewEvent.raw_json("B", '{"b": 1.0,  "a": 2}')
    three = NewEvent("C", b"\x00\xff", id="0190163d-8694-739b-aea5-966c26f8ad91")
    await mink.append("Ordér-1", [one, two, three], expected=7)
    sent = server.appends[0].to_stream
    assert sent.stream == "Ordér-1"
    assert sent.WhichOneof("expectation") == "exact_version"
    assert sent.exact_version == 7
    assert [e.json or e.binary for e in sent.events] == ['{"ä":[1,null]}', '{"b": 1.0,  "a": 2}', b"\x00\xff"]
    assert [e.type for e in sent.events] == ["A", "B", "C"]
    assert [e.id for e in sent.events] == [one.id, two.id, three.id]
    assert dict(sent.events[0].metadata) == {"userId": "7"}


@pytest.mark.parametrize(("expected", "number"), [(ANY, 1), (NO_STREAM, 2), (STREAM_EXISTS, 3)])
async def test_a_state_that_is_expected_is_sent_as_a_state(mink, server, expected, number):
    await mink.append("Order-1", [event()], expected=expected)
    assert server.appends[0].to_stream.state == number


async def test_version_zero_is_sent_as_a_version(mink, server):
    await mink.append("Order-1", [event()], expected=0)
    assert server.appends[0].to_stream.WhichOneof("expectation") == "exact_version"


@pytest.mark.parametrize(("expected", "kind"), [(-1, ValueError), ("ANY", TypeError), (None, TypeError), (True, TypeError)])
async def test_an_expectation_that_is_none_is_refused_at_once(mink, server, expected, kind):
    with pytest.raises(kind, match="expected"):
        await mink.append("Order-1", [event()], expected=expected)
    assert server.appends == []


async def test_a_thousand_callers_cost_a_few_messages(mink, server):
    done = await asyncio.gather(*(mink.append(f"Order-{i}", [event()], expected=NO_STREAM) for i in range(1000)))
    assert len(done) == 1000
    assert len(server.requests) <= 8
    assert all(len(request.appends) <= 256 for request in server.requests)


async def test_a_message_holds_no_more_than_a_mebibyte(mink, server):
    await asyncio.gather(*(mink.append(f"Order-{i}", [event("x" * 300_000)], expected=ANY) for i in range(12)))
    assert len(server.appends) == 12
    assert max(request.ByteSize() for request in server.requests) <= 1024 * 1024 + 1000


async def test_an_append_over_a_mebibyte_goes_over_a_call_of_its_own(mink, server):
    async def answer(request, context):
        return es.AppendToStreamResponse(version=3, first_position=1, last_position=3)

    server.on_unary = answer
    done = await mink.append("Order-1", [event("x" * 1_100_000)], expected=ANY)
    assert done.version == 3
    assert server.appends == []


async def test_results_reach_their_callers_in_whatever_order_they_come(mink, server, fakes):
    async def later_first(append):
        number = int(append.to_stream.stream)
        await asyncio.sleep(0.1 - number / 100)
        return fakes.done(append, position=number + 1)

    server.on_append = later_first
    done = await asyncio.gather(*(mink.append(str(i), [event()], expected=ANY) for i in range(10)))
    assert [d.first_position for d in done] == list(range(1, 11))


async def test_a_failed_append_fails_alone_and_is_not_sent_again(mink, server, fakes):
    async def refuse_one(append):
        if append.to_stream.stream != "Order-1":
            return fakes.done(append)
        violation = errors_pb2.ExpectationViolation(stream="Order-1", state=2, actual_version=4)
        detail = errors_pb2.WrongExpectedVersion(violations=[violation])
        return fakes.failure(append, fakes.status("WRONG_EXPECTED_VERSION", detail))

    server.on_append = refuse_one
    one, two = await asyncio.gather(
        mink.append("Order-1", [event()], expected=NO_STREAM),
        mink.append("Order-2", [event()], expected=NO_STREAM),
        return_exceptions=True,
    )
    assert isinstance(one, WrongExpectedVersion)
    assert (one.stream, one.expected, one.actual) == ("Order-1", NO_STREAM, 4)
    assert two.version == 1
    assert len(server.appends) == 2


async def test_an_append_to_several_streams_answers_for_each(mink, server):
    done = await mink.append_many([StreamAppend("A", [event()], expected=NO_STREAM), StreamAppend("B", [], expected=3)])
    assert done.streams == (StreamAppended("A", 1, 1, 1), StreamAppended("B", 0, 1, 1))
    sent = server.appends[0].to_streams.appends
    assert [(p.stream, len(p.events), p.state, p.exact_version) for p in sent] == [("A", 1, 2, 0), ("B", 0, 0, 3)]


async def test_an_overloaded_server_is_asked_again_after_the_time_it_asks_for(mink, server, fakes):
    times = []

    async def once_overloaded(append):
        times.append(time.monotonic())
        if len(times) == 1:
            return fakes.failure(append, fakes.status("OVERLOADED", fakes.retry(0.3)))
        return fakes.done(append)

    server.on_append = once_overloaded
    await mink.append("Order-1", [event()], expected=ANY)
    assert 0.3 <= times[1] - times[0] < 1.0
    assert server.appends[0].to_stream == server.appends[1].to_stream  # the same event ids


async def test_a_server_that_stays_overloaded_is_given_up_in_time(mink, server, fakes):
    async def overloaded(append):
        return fakes.failure(append, fakes.status("OVERLOADED", fakes.retry(0.1)))

    server.on_append = overloaded
    started = time.monotonic()
    with pytest.raises(Overloaded) as caught:
        await mink.append("Order-1", [event()], expected=ANY, timeout=0.5)
    assert time.monotonic() - started < 0.7
    assert caught.value.retry_after == pytest.approx(0.1)
    assert len(server.appends) >= 3


async def test_nobody_there_is_a_clear_error_after_the_timeout():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with Mink(f"127.0.0.1:{port}", timeout=0.5) as mink:
            started = time.monotonic()
            with pytest.raises(Unavailable, match=f"cannot reach Mink at 127.0.0.1:{port}: "):
                await mink.append("Order-1", [event()], expected=ANY)
            assert 0.4 < time.monotonic() - started < 1.0
            with pytest.raises(Unavailable, match=f"cannot reach Mink at 127.0.0.1:{port}: "):
                await mink.get_stream("Order-1")


async def test_an_append_made_before_the_server_starts_is_made_when_it_has_started(server):
    await server.stop()
    async with Mink(server.target, timeout=10) as mink:
        waiting = asyncio.create_task(mink.append("Order-1", [event()], expected=ANY))
        await asyncio.sleep(0.5)
        await server.start()
        assert (await waiting).version == 1


async def test_appends_in_flight_when_the_server_dies_are_sent_again_with_the_same_ids(mink, server, eventually, fakes):
    async def never(append):
        await asyncio.sleep(100)

    server.on_append = never
    waiting = [asyncio.create_task(mink.append(f"Order-{i}", [event()], expected=ANY)) for i in range(50)]
    await eventually(lambda: len(server.appends) == 50)
    before = {a.to_stream.events[0].id for a in server.appends}
    await server.stop()
    server.appends.clear()
    server.on_append = None
    await server.start()
    assert len(await asyncio.gather(*waiting)) == 50
    assert {a.to_stream.events[0].id for a in server.appends} == before


async def test_appends_without_a_result_at_the_clean_end_of_a_session_are_sent_again(mink, server, fakes):
    sessions = 0

    async def first_ends(requests, context):
        nonlocal sessions
        sessions += 1
        async for request in requests:
            if sessions == 1:
                return
            yield es.AppendSessionResponse(results=[fakes.done(a) for a in request.appends])

    server.on_session = first_ends
    assert (await mink.append("Order-1", [event()], expected=ANY)).version == 1
    assert sessions == 2


async def test_a_session_that_is_refused_fails_every_append_with_the_reason(mink, server, fakes):
    async def refuse(requests, context):
        await fakes.abort(context, fakes.status("UNAUTHENTICATED"))
        yield es.AppendSessionResponse()

    server.on_session = refuse
    for _ in range(2):
        results = await asyncio.gather(*(mink.append("Order-1", [event()], expected=ANY) for _ in range(5)), return_exceptions=True)
        assert [type(r) for r in results] == [Unauthenticated] * 5
        assert len({id(r) for r in results}) == 5  # each caller has its own, with its own traceback


async def test_an_append_without_an_answer_fails_when_its_time_is_over(mink, server, fakes, eventually):
    async def never(append):
        if append.to_stream.stream == "slow":
            await asyncio.sleep(100)
        return fakes.done(append)

    server.on_append = never
    slow = asyncio.create_task(mink.append("slow", [event()], expected=ANY, timeout=0.3))
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await slow
    assert 0.25 < time.monotonic() - started < 0.5
    assert (await mink.append("fast", [event()], expected=ANY)).version == 1


async def test_the_time_that_is_left_is_sent_along(mink, server):
    await mink.append("Order-1", [event()], expected=ANY)
    await mink.append("Order-1", [event()], expected=ANY, timeout=0.25)
    assert server.appends[0].timeout.ToMilliseconds() == 5000
    assert server.appends[1].timeout.ToMilliseconds() == 300  # rounded up


async def test_a_caller_that_is_cancelled_leaves_the_others_alone(mink, server, fakes, eventually):
    release = asyncio.Event()

    async def held(append):
        await release.wait()
        return fakes.done(append)

    server.on_append = held
    one = asyncio.create_task(mink.append("Order-1", [event()], expected=ANY))
    two = asyncio.create_task(mink.append("Order-2", [event()], expected=ANY))
    await eventually(lambda: len(server.appends) == 2)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    release.set()
    assert (await two).version == 1


async def test_no_more_than_the_bound_are_in_flight_and_the_others_wait_their_turn(mink, server, fakes, eventually, monkeypatch):
    monkeypatch.setattr(appends, "_MOST_IN_FLIGHT", 4)
    release = asyncio.Event()

    async def held(append):
        await release.wait()
        return fakes.done(append)

    server.on_append = held
    waiting = [asyncio.create_task(mink.append(f"Order-{i}", [event()], expected=ANY)) for i in range(20)]
    late = asyncio.create_task(mink.append("late", [event()], expected=ANY, timeout=0.1))
    with pytest.raises(DeadlineExceeded):
        await late
    await eventually(lambda: len(server.appends) == 4)
    await asyncio.sleep(0.05)
    assert len(server.appends) == 4
    release.set()
    assert len(await asyncio.gather(*waiting)) == 20
    assert "late" not in {a.to_stream.stream for a in server.appends}


async def test_closing_waits_for_the_appends_under_way(server, fakes):
    async def slow(append):
        await asyncio.sleep(0.3)
        return fakes.done(append)

    server.on_append = slow
    async with Mink(server.target) as mink:
        waiting = asyncio.create_task(mink.append("Order-1", [event()], expected=ANY))
        await asyncio.sleep(0.05)
    assert waiting.done()
    assert waiting.result().version == 1


async def test_what_is_not_answered_within_the_grace_fails_clearly(server, monkeypatch):
    monkeypatch.setattr(client, "_CLOSING_GRACE", 0.2)

    async def never(append):
        await asyncio.sleep(100)

    server.on_append = never
    async with Mink(server.target) as mink:
        waiting = asyncio.create_task(mink.append("Order-1", [event()], expected=ANY))
        await asyncio.sleep(0.05)
    with pytest.raises(ClientClosed, match="unknown"):
        await waiting


async def test_closing_leaves_no_task_behind(server):
    before = asyncio.all_tasks()
    started = time.monotonic()
    async with Mink(server.target) as mink:
        await mink.append("Order-1", [event()], expected=ANY)
    assert time.monotonic() - started < 0.5
    await asyncio.sleep(0.05)
    left = {t for t in asyncio.all_tasks() - before if "mink" in t.get_name()}
    assert left == set()
    gc.collect()


async def test_a_client_used_outside_of_its_block_says_so(server):
    mink = Mink(server.target)
    with pytest.raises(ClientClosed, match="async with"):
        await mink.append("Order-1", [event()], expected=ANY)
    with pytest.raises(ClientClosed, match="async with"):
        mink.read_stream("Order-1")
    async with mink:
        await mink.append("Order-1", [event()], expected=ANY)
    with pytest.raises(ClientClosed, match="closed"):
        await mink.append("Order-1", [event()], expected=ANY)
    with pytest.raises(ClientClosed, match="closed"):
        mink.subscribe_all()
    with pytest.raises(ClientClosed, match="once"):
        await mink.__aenter__()


def test_the_server_comes_from_the_environment_if_it_is_not_given(monkeypatch):
    monkeypatch.delenv("MINK_SERVER", raising=False)
    assert Mink().server == "localhost:50051"
    monkeypatch.setenv("MINK_SERVER", "mink:1234")
    assert Mink().server == "mink:1234"
    assert Mink("other:1").server == "other:1"


async def test_a_call_that_must_not_be_sent_twice_is_not_sent_twice(mink, server, fakes):
    async def away(request, context):
        await fakes.abort(context, fakes.status("DATABASE_UNAVAILABLE", fakes.retry(0.01)))

    server.on_unary = away
    with pytest.raises(Unavailable):
        await mink.delete_stream("Order-1", expected=ANY)
    assert len(server.requests) == 1


async def test_a_call_that_may_be_sent_twice_is_retried(mink, server, fakes):
    async def once_away(request, context):
        if len(server.requests) == 1:
            await fakes.abort(context, fakes.status("DATABASE_UNAVAILABLE", fakes.retry(0.01)))
        return es.GetStreamResponse(stream=es.StreamInfo(stream="Order-1", version=4))

    server.on_unary = once_away
    assert (await mink.get_stream("Order-1")).version == 4


async def test_streams_are_listed_page_by_page(mink, server):
    async def pages(request, context):
        if not request.page_token:
            return es.ListStreamsResponse(streams=[es.StreamInfo(stream="A")], next_page_token="A")
        return es.ListStreamsResponse(streams=[es.StreamInfo(stream="B")])

    server.on_unary = pages
    assert [s.stream async for s in mink.list_streams()] == ["A", "B"]


async def test_a_bug_in_what_sends_fails_callers_and_does_not_leave_them_waiting(mink, server, monkeypatch, caplog):
    def broken(self):
        raise ZeroDivisionError

    monkeypatch.setattr(appends.Appender, "_message", broken)
    with pytest.raises(MinkError, match="ZeroDivisionError"):
        await mink.append("Order-1", [event()], expected=ANY)
    with pytest.raises(ClientClosed):
        await mink.append("Order-1", [event()], expected=ANY)


async def test_nothing_is_lost_or_made_twice_while_sessions_break_at_random(mink, server, fakes):
    """The server keeps what it appended by event id, as the real one does; half of the sessions break before they answer."""
    kept = {}
    dice = random.Random(7)

    async def shaky(requests, context):
        async for request in requests:
            results = []
            for append in request.appends:
                key = append.to_stream.events[0].id
                results.append(fakes.done(append, kept.setdefault(key, len(kept) + 1)))
                if dice.random() < 0.02:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "broken off")
                if dice.random() < 0.02:
                    results[-1] = fakes.failure(append, fakes.status("OVERLOADED", fakes.retry(0.01)))
            yield es.AppendSessionResponse(results=results)

    server.on_session = shaky

    async def caller(number):
        return [(await mink.append(f"Order-{number}-{i}", [event()], expected=ANY, timeout=60)).first_position for i in range(10)]

    positions = [p for found in await asyncio.gather(*(caller(n) for n in range(30))) for p in found]
    assert sorted(positions) == list(range(1, 301))
