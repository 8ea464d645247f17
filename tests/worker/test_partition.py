"""One lease, message by message."""

import asyncio

import pytest
from mink_client.projections import RestartPolicy, RetryPolicy

from tests.worker.scripted import CLEAR, LOG, SWITCH, event


async def started(scripted, checkpoint=0, **more):
    """A session with one lease that the worker has started."""
    session = await scripted.session()
    key = session.assign(checkpoint=checkpoint, **more)
    start = await session.next("start")
    assert start.lease == key
    return session, key


async def test_a_target_without_a_checkpoint_starts_after_the_servers(scripted, recorder, working):
    async with working(recorder.projection()):
        session = await scripted.session()
        key = session.assign(checkpoint=41)
        start = await session.next("start")
        assert (start.lease, start.after_position, start.log_id) == (key, 41, LOG)


async def test_events_are_handled_and_answered(scripted, recorder, working):
    async with working(recorder.projection()) as worker:
        session, key = await started(scripted, 10)
        session.events(key, 11, 13, position=15)
        handled = await session.next("handled")
        assert (handled.lease, handled.position, handled.events, handled.errors, handled.skipped) == (key, 15, 2, 0, 0)
        assert recorder.handled == [11, 13]
        (status,) = worker.status
        assert (status.held, status.position, status.events) == ({(1, 0): 15}, 15, 2)


async def test_messages_that_wait_are_applied_together(scripted, recorder, working, eventually):
    recorder.holding = {1}
    async with working(recorder.projection()) as worker:
        session, key = await started(scripted)
        session.events(key, 1)
        await recorder.until(lambda: recorder.entered == [1])
        session.events(key, 2, 3)
        session.events(key, 4)
        session.events(key, 5)
        session.progress(key, 9)
        await eventually(lambda: worker.status[0].head == 9)
        recorder.let_go()
        assert (await session.next("handled")).position == 1
        handled = await session.next("handled")
        assert (handled.position, handled.events) == (9, 4)
        assert recorder.handled == [1, 2, 3, 4, 5]


async def test_progress_moves_the_checkpoint_and_not_for_every_message(scripted, recorder, working):
    async with working(recorder.projection()):
        session, key = await started(scripted)
        for position in range(1, 101):
            session.progress(key, position)
        await session.until(lambda: any(one.position == 100 for one in session.all("handled")))
        handled = session.all("handled")
        assert all(one.events == 0 for one in handled)
        assert len(handled) < 10


async def test_a_revoked_lease_finishes_what_is_under_way_and_drops_the_rest(scripted, recorder, working):
    scripted.lease = 30.0
    recorder.holding = {1}
    async with working(recorder.projection()) as worker:
        session, key = await started(scripted)
        session.events(key, 1)
        session.events(key, 2)
        await recorder.until(lambda: recorder.entered == [1])
        session.revoke(key)
        session.progress(key, 7)
        session.say(heartbeat={"head": 77})
        while worker.status[0].head != 77:  # noqa: ASYNC110 - the revocation came before it
            await asyncio.sleep(0.01)
        recorder.let_go()
        assert (await session.next("handled")).position == 1
        assert (await session.next("released")).lease == key
        assert recorder.entered == [1]
        assert worker.status[0].held == {}


async def test_a_released_lease_has_stored_the_position_of_what_was_nothing(scripted, recorder, working):
    async with working(recorder.projection()):
        session, key = await started(scripted)
        session.progress(key, 5)
        assert (await session.next("handled")).position == 5
        session.progress(key, 6)
        session.revoke(key)
        assert (await session.next("handled")).position == 6
        await session.next("released")


async def test_a_revoked_lease_does_not_wait_for_a_handler_for_ever(scripted, recorder, working):
    scripted.lease = 3.0
    recorder.holding = {1}
    async with working(recorder.projection()):
        session, key = await started(scripted)
        session.events(key, 1)
        await recorder.until(lambda: recorder.entered == [1])
        session.revoke(key)
        assert (await session.next("released")).lease == key
        assert recorder.cancelled == [1]
        assert session.all("handled") == []


async def test_a_lost_lease_cancels_the_handler_and_says_nothing(scripted, recorder, working, eventually):
    recorder.holding = {1}
    async with working(recorder.projection()) as worker:
        session, key = await started(scripted)
        session.events(key, 1)
        await recorder.until(lambda: recorder.entered == [1])
        session.revoke(key, lost=True)
        await recorder.until(lambda: recorder.cancelled == [1])
        await eventually(lambda: not worker.status[0].held)
        recorder.let_go()
        key = session.assign()
        await session.next("start")  # and nothing between
        assert session.kinds() == ["hello", "start", "start"]


async def test_a_new_lease_waits_until_the_handler_of_the_lost_one_has_ended(scripted, recorder, working):
    recorder.holding = {1}
    recorder.stubborn.clear()
    async with working(recorder.projection()) as worker:
        session, key = await started(scripted)
        session.events(key, 1)
        await recorder.until(lambda: recorder.entered == [1])
        session.revoke(key, lost=True)
        again = session.assign()
        session.say(heartbeat={"head": 77})
        while worker.status[0].head != 77:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert session.kinds() == ["hello", "start"]
        session.revoke(again, lost=True)
        once_more = session.assign()
        session.say(heartbeat={"head": 78})
        while worker.status[0].head != 78:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert session.kinds() == ["hello", "start"]
        recorder.stubborn.set()
        assert (await session.next("start")).lease == once_more
        assert recorder.cancelled == [1]


async def test_a_poison_event_faults_the_partition_and_keeps_what_was_before_it(scripted, recorder, working):
    recorder.failing = {2: ValueError("no such order")}
    policy = RestartPolicy(attempts=3, first=7.0, longest=7.0)
    async with working(recorder.projection(restart=policy)) as worker:
        session, key = await started(scripted)
        session.events(key, 1, event(2, stream="Order-9"), 3)
        handled = await session.next("handled")
        assert (handled.position, handled.events) == (1, 1)
        faulted = await session.next("faulted")
        assert faulted.lease == key
        assert (faulted.error.position, faulted.error.type, faulted.error.stream) == (2, "OrderPlaced", "Order-9")
        assert faulted.error.message == "ValueError: no such order"
        assert faulted.restart_after.ToTimedelta().total_seconds() > 0
        (fault,) = worker.status[0].faulted.values()
        assert (fault.build, fault.partition, fault.position) == (1, 0, 2)
        session.assign(checkpoint=1)
        await session.next("start")
        assert worker.status[0].faulted == {}


async def test_a_fault_without_a_restart_waits_for_an_operator(scripted, recorder, working):
    recorder.failing = {1: ValueError("no")}
    async with working(recorder.projection()):
        session, key = await started(scripted)
        session.events(key, 1)
        assert not (await session.next("faulted")).HasField("restart_after")


async def test_a_parked_event_is_passed_only_when_the_server_has_it(scripted, recorder, working):
    recorder.failing = {2: ValueError("no such order")}
    async with working(recorder.projection(on_poison="park")) as worker:
        session, key = await started(scripted)
        session.events(key, 1, 2, 3)
        await session.until(lambda: "park" in session.kinds())
        (park,) = session.all("park")
        assert (park.lease, park.error.position, park.error.message) == (key, 2, "ValueError: no such order")
        assert all(one.position < 2 for one in session.all("handled"))
        session.parked(key, 2)
        await session.until(lambda: any(one.position == 3 for one in session.all("handled")))
        assert sorted(recorder.handled) == [1, 3]
        assert worker.status[0].errors["parked"] == 1


async def test_a_skipped_event_is_counted(scripted, recorder, working):
    recorder.failing = {2: ValueError("no")}
    async with working(recorder.projection(on_poison="skip")) as worker:
        session, key = await started(scripted)
        session.events(key, 1, 2, 3)
        await session.until(lambda: any(one.position == 3 for one in session.all("handled")))
        assert sum(one.skipped for one in session.all("handled")) == 1
        assert worker.status[0].errors["skipped"] == 1


async def test_what_passes_is_tried_again(scripted, recorder, working):
    recorder.failing = {1: ConnectionError("away")}
    async with working(recorder.projection(retry=RetryPolicy(attempts=50, first=0.01, longest=0.01))) as worker:
        session, key = await started(scripted)
        session.events(key, 1)
        await recorder.until(lambda: len(recorder.entered) > 2)
        recorder.failing = {}
        handled = await session.next("handled")
        assert handled.position == 1
        assert handled.errors >= 2
        assert worker.status[0].errors["transient"] == handled.errors


async def test_a_replayed_event_is_handled_between_batches(scripted, recorder, working):
    async with working(recorder.projection()):
        session, key = await started(scripted, 10)
        session.replay(key, event(4))
        replayed = await session.next("replayed")
        assert (replayed.lease, replayed.position, replayed.HasField("error")) == (key, 4, False)
        recorder.failing = {5: ValueError("still")}
        session.replay(key, event(5))
        replayed = await session.next("replayed")
        assert (replayed.position, replayed.error.message) == (5, "ValueError: still")
        session.events(key, 11)
        assert (await session.next("handled")).position == 11


@pytest.mark.parametrize(("task", "hook"), [(CLEAR, "clear"), (SWITCH, "switch")])
async def test_a_clear_and_a_switch_are_answered_when_they_are_done(scripted, recorder, working, task, hook):
    called = []

    async def do(self):
        called.append(hook)

    async with working(recorder.projection(**{hook: do})) as worker:
        session = await scripted.session()
        assert session.hello.can_clear == (hook == "clear")
        assert session.hello.can_switch == (hook == "switch")
        key = session.assign(task=task)
        assert (await session.next("done")).lease == key
        assert called == [hook]
        while worker.status[0].held:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_clear_that_fails_faults_the_partition(scripted, recorder, working):
    async def clear(self):
        raise ValueError("no such table")

    async with working(recorder.projection(clear=clear)):
        session = await scripted.session()
        key = session.assign(task=CLEAR)
        faulted = await session.next("faulted")
        assert (faulted.lease, faulted.error.position, faulted.error.message) == (key, 0, "ValueError: no such table")


async def test_a_task_that_is_not_known_faults_the_partition(scripted, recorder, working):
    async with working(recorder.projection()):
        session = await scripted.session()
        session.assign(task=99)
        assert "too old" in (await session.next("faulted")).error.message


async def test_partitions_go_on_side_by_side(scripted, recorder, working):
    recorder.holding = {1}
    async with working(recorder.projection(partitions=2)):
        session = await scripted.session()
        first, second = session.assign(0, partitions=2), session.assign(1, partitions=2)
        await session.until(lambda: session.kinds().count("start") == 2)
        session.events(first, 1)
        session.events(second, 2)
        await session.until(lambda: [one.lease for one in session.all("handled")] == [second])
        recorder.let_go()
        await session.until(lambda: [one.lease for one in session.all("handled")] == [second, first])
