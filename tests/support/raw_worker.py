"""A worker of a projection that speaks the protocol by itself, and a read model that notices what must not be."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from mink.v1 import projections_pb2 as pb
from mink.v1 import projections_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable

    from mink.v1 import event_pb2

_BEAT = 0.2


@dataclass
class Build:
    """One build of a read model.

    Attributes:
        checkpoints: By partition.
        events: (position, stream, version), in the order in which they were handled.
    """

    checkpoints: dict[int, int] = field(default_factory=dict)
    events: list[tuple[int, str, int]] = field(default_factory=list)
    cleared: int = 0


class ReadModel:
    """What workers build together: it keeps its checkpoints, and refuses who comes with an old token."""

    def __init__(self) -> None:
        self.builds: dict[int, Build] = {}
        self.tokens: dict[tuple[int, int], int] = {}
        self.live = 1

    def build(self, number: int = 1) -> Build:
        return self.builds.setdefault(number, Build())

    def claim(self, lease: pb.LeaseKey) -> None:
        key = (lease.build, lease.partition)
        assert lease.token > self.tokens.get(key, 0), "tokens only grow"
        self.tokens[key] = lease.token

    def holds(self, lease: pb.LeaseKey) -> bool:
        return self.tokens.get((lease.build, lease.partition)) == lease.token

    def apply(self, lease: pb.LeaseKey, events: Any, position: int) -> bool:
        """Takes events, all of them; False: the token is old."""
        if not self.holds(lease):
            return False
        build = self.build(lease.build)
        before = build.checkpoints.get(lease.partition, 0)
        for event in events:
            assert event.position > before, "an event twice, or out of order"
            before = event.position
            build.events.append((event.position, event.stream, event.version))
        assert position >= before
        build.checkpoints[lease.partition] = position
        return True

    def clear(self, lease: pb.LeaseKey) -> None:
        build = self.build(lease.build)
        build.events.clear()
        build.checkpoints.clear()
        build.cleared += 1

    def positions(self, number: int = 1) -> list[int]:
        """What was handled, of all partitions."""
        return sorted(position for position, _, _ in self.build(number).events)


class RawWorker:
    """One Run call. What it does by itself can be turned off by setting what it has done to a no-op: `worker.on_events = ignore`.

    Attributes:
        messages: All that the server has said.
        leases: What it holds, by token.
    """

    def __init__(
        self, channel: grpc.aio.Channel, projection: str, model: ReadModel | None = None, metadata: Any = None, **hello: Any
    ):
        self.model = model or ReadModel()
        self.hello = pb.Hello(**{"projection": projection, "worker": "worker", "can_clear": True, "can_switch": True} | hello)
        self.call = projections_pb2_grpc.ProjectionsStub(channel).Run(metadata=metadata)
        self.messages: list[pb.RunResponse] = []
        self.welcome = pb.Welcome()
        self.leases: dict[int, pb.Assigned] = {}
        self.lost: list[int] = []
        self.caught_up: dict[int, bool] = {}
        self.in_hand: Counter[int] = Counter()
        self.beats = True
        self.error: grpc.aio.AioRpcError | None = None
        # What it does by itself.
        self.on_events: Callable[[pb.Events], Any] = self.handle
        self.on_progress: Callable[[pb.Progress], Any] = self.store
        self.on_assigned: Callable[[pb.Assigned], Any] = self.begin
        self.on_revoked: Callable[[pb.Revoked], Any] = self.give_back
        self.on_replay: Callable[[pb.Replay], Any] = ignore
        self._sending = asyncio.Lock()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._beat())]

    async def start(self) -> RawWorker:
        """Says hello, and waits for the welcome."""
        await self.say(hello=self.hello)
        await self.until(lambda: self.welcome.worker_id)
        return self

    async def say(self, **message: Any) -> None:
        """Sends a message."""
        async with self._sending:
            await self.call.write(pb.RunRequest(**message))

    async def _read(self) -> None:
        try:
            while (message := await self.call.read()) is not grpc.aio.EOF:
                self.messages.append(message)
                # It may have said goodbye while this was on its way: then it cannot answer, but must read on to the call's end.
                with suppress(asyncio.InvalidStateError):
                    await self._take(message)
            await self.call.wait_for_connection()
        except grpc.aio.AioRpcError as error:
            self.error = error

    async def _take(self, message: pb.RunResponse) -> None:
        kind = message.WhichOneof("message")
        said = getattr(message, kind)
        if kind == "welcome":
            assert not self.welcome.worker_id
            self.welcome = said
        elif kind == "assigned":
            assert said.lease.token not in self.leases
            self.leases[said.lease.token] = said
            await self.on_assigned(said)
        elif kind == "events":
            assert said.events
            self.in_hand[said.lease.token] += 1
            await self.on_events(said)
        elif kind == "progress":
            self.caught_up[said.lease.token] = said.caught_up
            await self.on_progress(said)
        elif kind == "revoked":
            if said.lost:
                self.lost.append(said.lease.token)
                self.leases.pop(said.lease.token, None)
            else:
                await self.on_revoked(said)
        elif kind == "replay":
            await self.on_replay(said)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT)
            if self.beats and self.welcome.worker_id:
                try:
                    await self.say(heartbeat=pb.WorkerHeartbeat())
                except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    return

    # What it does by itself.

    async def begin(self, assigned: pb.Assigned) -> None:
        """Claims the partition in the read model, and begins after what is there."""
        self.model.claim(assigned.lease)
        build = self.model.build(assigned.lease.build)
        if assigned.task == pb.CLEAR:
            self.model.clear(assigned.lease)
            self.leases.pop(assigned.lease.token)
            await self.say(done=pb.Done(lease=assigned.lease))
        elif assigned.task == pb.SWITCH:
            self.model.live = assigned.lease.build
            self.leases.pop(assigned.lease.token)
            await self.say(done=pb.Done(lease=assigned.lease))
        else:
            after = build.checkpoints.get(assigned.lease.partition, assigned.checkpoint)
            await self.say(start=pb.Start(lease=assigned.lease, after_position=after, log_id=self.welcome.log_id))

    async def handle(self, events: pb.Events) -> None:
        """Handles all events of a message."""
        self.in_hand[events.lease.token] -= 1
        if self.model.apply(events.lease, events.events, events.position):
            await self.say(handled=pb.Handled(lease=events.lease, position=events.position, events=len(events.events)))

    async def store(self, progress: pb.Progress) -> None:
        """Stores a position, if nothing is in hand."""
        if not self.in_hand[progress.lease.token] and self.model.apply(progress.lease, (), progress.position):
            await self.say(handled=pb.Handled(lease=progress.lease, position=progress.position))

    async def give_back(self, revoked: pb.Revoked) -> None:
        """Gives a lease back."""
        self.leases.pop(revoked.lease.token, None)
        await self.say(released=pb.Released(lease=revoked.lease))

    # What a test asks.

    def got(self, kind: str) -> list[Any]:
        """All messages of a kind."""
        return [getattr(message, kind) for message in self.messages if message.WhichOneof("message") == kind]

    def partitions(self, build: int = 1) -> list[int]:
        """The partitions that it holds."""
        return sorted(one.lease.partition for one in self.leases.values() if one.lease.build == build)

    async def until(self, condition: Callable[[], Any], seconds: float = 30) -> Any:
        """Waits until something is so. Fails if the call ends before."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            if self._tasks[0].done():
                self._tasks[0].result()
                raise AssertionError(f"the call ended: {self.error}")
            assert time.monotonic() < end, f"waited in vain; the last messages: {self.messages[-5:]}"
            await asyncio.sleep(0.01)
        return found

    async def ends(self, seconds: float = 30) -> grpc.aio.AioRpcError | None:
        """Waits until the call ends; answers with how it failed, if it did."""
        await asyncio.wait_for(asyncio.shield(self._tasks[0]), seconds)
        self._tasks[0].result()
        self._tasks[1].cancel()
        return self.error

    async def stop(self) -> None:
        """Ends the call at once, as a process that is killed does."""
        self.call.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def ignore(_message: Any) -> None:
    """Does nothing."""


def event_positions(messages: list[Any]) -> list[int]:
    """The positions of all events of Events messages."""
    events: list[event_pb2.RecordedEvent] = [event for message in messages for event in message.events]
    return [event.position for event in events]
