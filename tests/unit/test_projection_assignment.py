"""Who gets which lease: by example, and whatever happens in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from mink_server.core.projections.assignment import decide
from mink_server.core.projections.model import BuildRow, PartitionRow, Phase, ProjectionRow, Task, WorkerRow

LEASE = timedelta(seconds=5)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def partition(number: int, **said: Any) -> PartitionRow:
    given: dict[str, Any] = {
        "checkpoint": 0,
        "caught_up": False,
        "token": 0,
        "task": Task.HANDLE,
        "worker": "",
        "leased_at": None,
        "lease_until": None,
        "events": 0,
        "errors": 0,
        "rate": 0.0,
        "updated_at": NOW,
        "faulted": False,
        "restart_at": None,
        "error": None,
    }
    return PartitionRow(partition=number, **given | said)


def held_by(worker: str, number: int, token: int, **said: Any) -> PartitionRow:
    return partition(number, worker=worker, token=token, leased_at=NOW, lease_until=NOW + LEASE, **said)


def build(number: int, partitions: list[PartitionRow], revision: int = 1, **said: Any) -> BuildRow:
    given: dict[str, Any] = {
        "where": None,
        "start_after": 0,
        "phase": Phase.FOLLOWING,
        "target": None,
        "rebuild_began_at": None,
    }
    return BuildRow(build=number, revision=revision, partitions=partitions, **given | said)


def worker(name: str, **said: Any) -> WorkerRow:
    given: dict[str, Any] = {
        "name": name,
        "revision": 1,
        "max_partitions": 0,
        "leaving": False,
        "can_clear": True,
        "can_switch": True,
        "connected_at": NOW,
        "seen_at": NOW,
        "seen_until": NOW + LEASE,
    }
    return WorkerRow(worker=name, **given | said)


def projection(live: BuildRow, workers: list[WorkerRow], following: BuildRow | None = None, **said: Any) -> ProjectionRow:
    given: dict[str, Any] = {"paused": False, "created_at": NOW, "last_token": 100, "restart_token": 0}
    return ProjectionRow(name="P", live=live, next=following, workers=workers, **given | said)


def test_nobody_is_given_what_is_held() -> None:
    row = projection(build(1, [held_by("a", 0, 1)]), [worker("a"), worker("b")])
    decision = decide(row, {"a", "b"}, NOW)
    assert (decision.grants, decision.revokes) == ([], [])


def test_who_has_more_keeps_more() -> None:
    row = projection(
        build(1, [held_by("b", n, n + 1) for n in range(3)] + [partition(3), partition(4)]), [worker("a"), worker("b")]
    )
    decision = decide(row, {"a", "b"}, NOW)
    assert (decision.grants, decision.revokes) == ([("a", 1, 3, Task.HANDLE), ("a", 1, 4, Task.HANDLE)], [])


def test_who_has_too_many_gives_back() -> None:
    row = projection(build(1, [held_by("b", n, n + 1) for n in range(4)]), [worker("a"), worker("b")])
    assert decide(row, {"b"}, NOW).revokes == [("b", 1, 2), ("b", 1, 3)]
    assert decide(row, {"a"}, NOW).revokes == [], "b is another server's"


def test_a_lease_that_has_run_out_is_given_anew() -> None:
    row = projection(build(1, [held_by("gone", 0, 1)]), [worker("a", seen_until=NOW + 2 * LEASE)])
    assert decide(row, {"a"}, NOW + LEASE - timedelta(microseconds=1)).grants == []
    assert decide(row, {"a"}, NOW + LEASE).grants == [("a", 1, 0, Task.HANDLE)]


def test_faulted_partitions_are_nobodys_until_their_time_has_come() -> None:
    waiting = partition(1, faulted=True, restart_at=NOW + LEASE)
    row = projection(build(1, [partition(0, faulted=True), waiting]), [worker("a", seen_until=NOW + 2 * LEASE)])
    assert decide(row, {"a"}, NOW).grants == []
    assert decide(row, {"a"}, NOW + LEASE).grants == [("a", 1, 1, Task.HANDLE)]


def test_after_a_restart_every_lease_is_given_back() -> None:
    row = projection(build(1, [held_by("a", 0, 7), held_by("a", 1, 8)]), [worker("a")], restart_token=7)
    decision = decide(row, {"a"}, NOW)
    assert (decision.revokes, decision.grants) == ([("a", 1, 0)], [])


def test_who_leaves_gives_everything_back_and_others_take_it() -> None:
    row = projection(build(1, [held_by("a", 0, 1), partition(1), partition(2)]), [worker("a", leaving=True), worker("b")])
    decision = decide(row, {"a", "b"}, NOW)
    assert (decision.revokes, decision.grants) == ([("a", 1, 0)], [("b", 1, 1, Task.HANDLE), ("b", 1, 2, Task.HANDLE)])


def test_who_was_not_seen_has_no_share() -> None:
    row = projection(build(1, [partition(0), partition(1)]), [worker("gone", seen_until=NOW), worker("a")])
    assert decide(row, {"a"}, NOW).grants == [("a", 1, 0, Task.HANDLE), ("a", 1, 1, Task.HANDLE)]


def test_who_clears_is_alone_and_can() -> None:
    clearing = build(1, [partition(0), held_by("b", 1, 1)], phase=Phase.CLEARING)
    row = projection(clearing, [worker("a", can_clear=False), worker("b", can_clear=False), worker("c"), worker("d")])
    decision = decide(row, {"a", "b", "c", "d"}, NOW)
    assert (decision.grants, decision.revokes) == ([], [("b", 1, 1)])
    clearing.partitions[1] = partition(1)
    assert decide(row, {"a", "b", "c", "d"}, NOW).grants == [("c", 1, 0, Task.CLEAR)]


def beside(live: PartitionRow, following: PartitionRow, phase: Phase, **said: Any) -> ProjectionRow:
    return projection(build(1, [live]), [worker("a", **said)], build(2, [following], phase=phase, target=5))


def test_the_next_build_overtakes_when_it_has_caught_up() -> None:
    for checkpoint, caught_up, faulted, phases in (
        (5, True, False, {2: Phase.OVERTAKING}),
        (4, True, False, {}),
        (5, False, False, {}),
        (5, True, True, {}),
    ):
        there = held_by("a", 0, 2, checkpoint=checkpoint, caught_up=caught_up, faulted=faulted)
        assert decide(beside(held_by("a", 0, 1), there, Phase.FOLLOWING), {"a"}, NOW).phases == phases
    there = held_by("a", 0, 2, checkpoint=5, caught_up=True)
    assert decide(beside(held_by("a", 0, 1), there, Phase.FOLLOWING, can_switch=False), {"a"}, NOW).phases == {}


def test_the_switch_waits_for_the_live_build_and_is_not_behind_it() -> None:
    there = held_by("a", 0, 2, checkpoint=5, caught_up=True)
    decision = decide(beside(held_by("a", 0, 1, checkpoint=5), there, Phase.OVERTAKING), {"a"}, NOW)
    assert (decision.phases, decision.revokes) == ({}, [("a", 1, 0)])
    assert decide(beside(partition(0, checkpoint=6), there, Phase.OVERTAKING), {"a"}, NOW).phases == {}
    decision = decide(beside(partition(0, checkpoint=5), there, Phase.OVERTAKING), {"a"}, NOW)
    assert (decision.phases, decision.revokes, decision.grants) == ({2: Phase.SWITCHING}, [("a", 2, 0)], [])
    decision = decide(beside(partition(0), partition(0, checkpoint=5), Phase.SWITCHING), {"a"}, NOW)
    assert (decision.phases, decision.grants) == ({}, [("a", 2, 0, Task.SWITCH)])
    decision = decide(beside(held_by("a", 0, 1), partition(0, checkpoint=5), Phase.SWITCHING), {"a"}, NOW)
    assert decision.grants == [], "readers would see it change under a worker"


def test_other_revisions_stand_by() -> None:
    row = projection(build(1, [partition(0)], revision=2), [worker("a"), worker("b", revision=3)])
    assert decide(row, {"a", "b"}, NOW).grants == []


def test_a_build_in_overtaking_that_nobody_can_finish_lets_the_live_one_go_on() -> None:
    following = build(2, [partition(0, caught_up=True, checkpoint=5)], revision=2, phase=Phase.OVERTAKING, target=5)
    row = projection(build(1, [partition(0)]), [worker("a")], following)
    decision = decide(row, {"a"}, NOW)
    assert decision.phases == {2: Phase.FOLLOWING}
    assert decision.grants == [("a", 1, 0, Task.HANDLE)]


def test_nothing_is_given_while_it_is_paused() -> None:
    row = projection(build(1, [held_by("a", 0, 1), partition(1)], phase=Phase.CLEARING), [worker("a")], paused=True)
    decision = decide(row, {"a"}, NOW)
    assert (decision.grants, decision.revokes, decision.phases) == ([], [("a", 1, 0)], {})
    row = beside(partition(0), held_by("a", 0, 2, checkpoint=5, caught_up=True), Phase.OVERTAKING)
    row.paused = True
    assert decide(row, {"a"}, NOW).phases == {}


@dataclass
class Side:
    """A server: its workers, and what each of them believes to hold: (build, partition) -> (token, task)."""

    workers: dict[str, dict[tuple[int, int], tuple[int, Task]]] = field(default_factory=dict)
    revoked: list[tuple[str, int, int]] = field(default_factory=list)


class Projection(RuleBasedStateMachine):
    """A projection, two servers, and time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.head = 0
        self.builds = 1
        self.names = 0
        self.sides = [Side(), Side()]
        self.row = projection(build(1, [partition(n) for n in range(4)]), [], last_token=0)
        for side in (0, 1):
            for revision in (1, 2):
                self.join(side, revision, 0, clear=True, switch=True)
        self.settle()

    # What the storage does.

    def all_builds(self) -> list[BuildRow]:
        return [self.row.live] if self.row.next is None else [self.row.live, self.row.next]

    def find(self, number: int, part: int) -> PartitionRow | None:
        for one in self.all_builds():
            if one.build == number and part < len(one.partitions):
                return one.partitions[part]
        return None

    def standing(self, name: str, key: tuple[int, int], token: int) -> PartitionRow | None:
        found = self.find(*key)
        if found is not None and found.token == token and found.worker == name and found.held(self.now):
            return found
        return None

    def end(self, found: PartitionRow) -> None:
        found.worker, found.leased_at, found.lease_until, found.caught_up = "", None, None, False

    def do_round(self, side: Side) -> int:
        """A round; answers with how much it has changed."""
        for known in self.row.workers:
            if known.worker in side.workers:
                known.seen_at, known.seen_until = self.now, self.now + LEASE
        for name, leases in side.workers.items():
            for key, (token, _) in list(leases.items()):
                found = self.standing(name, key, token)
                if found is None:
                    del leases[key]
                else:
                    found.lease_until = self.now + LEASE
        decision = decide(self.row, set(side.workers), self.now)
        side.revoked = decision.revokes
        for name, number, part in decision.revokes:
            found = self.find(number, part)
            assert found is not None
            assert found.worker == name
            assert found.held(self.now)
        assert len(set(decision.revokes)) == len(decision.revokes)
        assert not (self.row.paused and decision.grants)
        for name, number, part, task in decision.grants:
            found = self.find(number, part)
            assert found is not None
            assert not found.held(self.now), "two live leases"
            self.row.last_token += 1
            assert self.row.last_token > found.token
            found.token, found.task, found.worker = self.row.last_token, task, name
            found.leased_at, found.lease_until = self.now, self.now + LEASE
            found.faulted, found.restart_at, found.caught_up = False, None, False
            side.workers[name][number, part] = found.token, task
        return len(decision.grants) + len(decision.phases) + decision.rebuilt

    def give_back(self, side: Side) -> int:
        for name, number, part in side.revoked:
            held = side.workers.get(name, {}).pop((number, part), None)
            found = held and self.standing(name, (number, part), held[0])
            if found:
                self.end(found)
        count, side.revoked = len(side.revoked), []
        return count

    def do_done(self, side: Side, name: str, key: tuple[int, int]) -> None:
        token, task = side.workers[name].pop(key)
        found = self.standing(name, key, token)
        if found is None:
            return
        live, following = self.row.live, self.row.next
        self.end(found)
        if task is Task.CLEAR and live.phase is Phase.CLEARING and key[0] == live.build and token > self.row.restart_token:
            live.partitions = [partition(n) for n in range(4)]
            live.phase, live.target = Phase.FOLLOWING, self.head
        if task is Task.SWITCH and following is not None and key[0] == following.build:
            self.row.live, self.row.next = following, None
            following.phase, following.target = Phase.FOLLOWING, None

    def handle_all(self) -> None:
        for side in self.sides:
            for name, leases in side.workers.items():
                for key, (token, task) in list(leases.items()):
                    found = self.standing(name, key, token)
                    if found is not None and task is Task.HANDLE:
                        found.checkpoint, found.caught_up = self.head, True
                    elif found is not None:
                        self.do_done(side, name, key)

    # What may happen.

    @rule(side=st.integers(0, 1), revision=st.integers(1, 2), most=st.integers(0, 2), clear=st.booleans(), switch=st.booleans())
    def join(self, side: int, revision: int, most: int, *, clear: bool, switch: bool) -> None:
        self.names += 1
        name = f"w{self.names}"
        self.sides[side].workers[name] = {}
        more = {"max_partitions": most, "can_clear": clear, "can_switch": switch, "connected_at": self.now}
        self.row.workers.append(worker(name, revision=revision, seen_until=self.now + LEASE, **more))

    def some(self, data: st.DataObject) -> tuple[Side, str] | None:
        there = [(side, name) for side in self.sides for name in side.workers]
        return data.draw(st.sampled_from(there)) if there else None

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if chosen := self.some(data):
            side, name = chosen
            del side.workers[name]
            self.row.workers = [w for w in self.row.workers if w.worker != name]
            for one in self.all_builds():
                for found in one.partitions:
                    if found.worker == name:
                        self.end(found)

    @rule(data=st.data())
    def begin_to_leave(self, data: st.DataObject) -> None:
        if chosen := self.some(data):
            next(w for w in self.row.workers if w.worker == chosen[1]).leaving = True

    @rule(side=st.integers(0, 1))
    def die(self, side: int) -> None:
        self.sides[side] = Side()

    @rule(side=st.integers(0, 1))
    def round(self, side: int) -> None:
        self.do_round(self.sides[side])

    @rule()
    def settle(self) -> None:
        for _ in range(2):
            for one in self.sides:
                self.do_round(one)
                self.give_back(one)

    @rule(side=st.integers(0, 1))
    def obey(self, side: int) -> None:
        self.give_back(self.sides[side])

    @rule(seconds=st.sampled_from([0.5, 3.0, 6.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(data=st.data(), restart_after=st.sampled_from([None, 0.0, 2.0]))
    def fault(self, data: st.DataObject, restart_after: float | None) -> None:
        if (chosen := self.some(data)) and (leases := chosen[0].workers[chosen[1]]):
            key = data.draw(st.sampled_from(sorted(leases)))
            token, _ = leases.pop(key)
            if found := self.standing(chosen[1], key, token):
                self.end(found)
                found.faulted = True
                found.restart_at = None if restart_after is None else self.now + timedelta(seconds=restart_after)

    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        if chosen := self.some(data):
            side, name = chosen
            tasks = sorted(key for key, (_, task) in side.workers[name].items() if task is not Task.HANDLE)
            if tasks:
                self.do_done(side, name, tasks[0])

    @rule()
    def handle(self) -> None:
        self.handle_all()

    @rule(count=st.integers(1, 3))
    def append(self, count: int) -> None:
        self.head += count

    @rule(paused=st.booleans())
    def pause(self, *, paused: bool) -> None:
        self.row.paused = paused

    @rule()
    def restart(self) -> None:
        self.row.restart_token = self.row.last_token
        for one in self.all_builds():
            for found in one.partitions:
                found.faulted, found.restart_at = False, None

    @precondition(lambda self: not self.switching())
    @rule(revision=st.integers(1, 2))
    def rebuild_in_place(self, revision: int) -> None:
        self.restart()
        if self.row.next is not None and self.row.next.revision <= revision:
            self.row.next = None
        live = self.row.live
        live.revision, live.phase, live.target = revision, Phase.CLEARING, None

    @precondition(lambda self: not self.switching())
    @rule(revision=st.integers(1, 2), partitions=st.integers(1, 3))
    def rebuild_beside(self, revision: int, partitions: int) -> None:
        self.builds += 1
        parts = [partition(n) for n in range(partitions)]
        self.row.next = build(self.builds, parts, revision=revision, target=self.head)

    def switching(self) -> bool:
        return any(p.held(self.now) and p.task is Task.SWITCH for one in self.all_builds() for p in one.partitions)

    # What always holds.

    @invariant()
    def whoever_changes_a_read_model_is_alone(self) -> None:
        for one in self.all_builds():
            held = [p for p in one.partitions if p.held(self.now)]
            if any(p.task is Task.CLEAR for p in held):
                assert len(held) == 1
        if self.switching():
            assert sum(p.held(self.now) for one in self.all_builds() for p in one.partitions) == 1

    @invariant()
    def nobody_believes_in_a_lease_that_another_has(self) -> None:
        beliefs = [token for side in self.sides for leases in side.workers.values() for token, _ in leases.values()]
        assert len(beliefs) == len(set(beliefs))

    def teardown(self) -> None:
        """Whatever has happened: with good workers it comes right, and a pause ends everything."""
        self.pause(paused=False)
        self.restart()
        self.now += 2 * LEASE
        self.sides = [Side(), Side()]
        self.row.workers = []
        for number in range(4):
            for revision in (1, 2):
                self.join(number % 2, revision, 0, clear=True, switch=True)
        for _ in range(40):
            busy = sum(self.do_round(side) + self.give_back(side) for side in self.sides)
            self.handle_all()
            self.now += timedelta(seconds=1)
        assert busy == 0, "leases go to and fro"
        live = self.row.live
        assert (self.row.next, live.phase, live.target) == (None, Phase.FOLLOWING, None), "a rebuild does not end"
        assert all(p.held(self.now) and p.token > self.row.restart_token for p in live.partitions)
        counts = [sum(p.worker == w.worker for p in live.partitions) for w in self.row.workers if w.revision == live.revision]
        assert len(counts) == 4
        assert max(counts) - min(counts) <= 1
        self.pause(paused=True)
        for _ in range(3):
            for side in self.sides:
                self.do_round(side)
                self.give_back(side)
        assert not any(p.held(self.now) for p in live.partitions)


TestProjection = Projection.TestCase
TestProjection.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
