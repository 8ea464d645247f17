"""A worker of a projection that speaks nothing but the protocol: for tests of the server and of what operators see.

It counts events. An event whose type is `Poison` fails, as the test says.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import grpc
from mink.v1 import projections_pb2 as pb
from mink.v1.projections_pb2_grpc import ProjectionsStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

POISON = "Poison"


class TinyWorker:
    """Runs while its `async with` block does.

    Args:
        address: The server's.
        projection: The projection's name.
        worker: A name for the worker.
        on_poison: `stop` or `park`.
        hello: Further fields of its Hello.

    Attributes:
        handled: Positions that were handled, in order; those of a rebuild again.
        going: Events are handled while it is set.
        mended: Whether `Poison` can be handled by now.
        deaf: Whether it ignores that leases are revoked.
        cleared: How often the read model was cleared.
        switched: How often it was switched.
    """

    def __init__(self, address: str, projection: str, *, worker: str = "tiny", on_poison: str = "stop", **hello: Any) -> None:
        self._address = address
        self._hello = pb.Hello(projection=projection, worker=worker, **{"revision": 1, "partitions": 1, **hello})
        self._on_poison = on_poison
        self.handled: list[int] = []
        self.going = asyncio.Event()
        self.going.set()
        self.mended = False
        self.deaf = False
        self.cleared = 0
        self.switched = 0
        self._log_id = ""
        self._said: asyncio.Queue[pb.RunRequest] = asyncio.Queue()
        self._batches: asyncio.Queue[pb.Events] = asyncio.Queue()
        self._held: dict[int, pb.LeaseKey] = {}
        self._parked: dict[int, asyncio.Event] = {}
        self._welcome = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._channel = grpc.aio.insecure_channel(self._address, (("grpc.use_local_subchannel_pool", 1),))
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._work())]
        welcome = asyncio.create_task(self._welcome.wait())
        await asyncio.wait([welcome, *self._tasks], timeout=20, return_when=asyncio.FIRST_COMPLETED)
        welcome.cancel()
        if not self._welcome.is_set():
            await self.__aexit__()
            raise RuntimeError("the server did not welcome the worker")
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        found = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._channel.close()
        for error in found:
            if isinstance(error, Exception):
                raise error

    async def _run(self) -> None:
        call = ProjectionsStub(self._channel).Run(self._requests())
        async for message in call:
            kind = message.WhichOneof("message")
            if (take := getattr(self, f"_on_{kind}", None)) is not None:
                take(getattr(message, kind))

    async def _requests(self) -> AsyncIterator[pb.RunRequest]:
        yield pb.RunRequest(hello=self._hello)
        while True:
            try:
                async with asyncio.timeout(0.5):
                    said = await self._said.get()
            except TimeoutError:
                said = pb.RunRequest(heartbeat=pb.WorkerHeartbeat())
            yield said

    def _say(self, **message: Any) -> None:
        self._said.put_nowait(pb.RunRequest(**message))

    def _on_welcome(self, message: pb.Welcome) -> None:
        self._log_id = message.log_id
        self._welcome.set()

    def _on_assigned(self, message: pb.Assigned) -> None:
        lease = message.lease
        self._held[lease.token] = lease
        if message.task == pb.HANDLE_EVENTS:
            self._say(start=pb.Start(lease=lease, after_position=message.checkpoint, log_id=self._log_id))
            return
        if message.task == pb.CLEAR:
            self.cleared += 1
        else:
            self.switched += 1
        self._say(done=pb.Done(lease=lease))

    def _on_events(self, message: pb.Events) -> None:
        self._batches.put_nowait(message)

    def _on_progress(self, message: pb.Progress) -> None:
        # Behind what is in hand: it is about what was sent before.
        self._batches.put_nowait(pb.Events(position=message.position, lease=message.lease))

    def _on_revoked(self, message: pb.Revoked) -> None:
        if message.lost or not self.deaf:
            self._held.pop(message.lease.token, None)
            self._say(released=pb.Released(lease=message.lease))

    def _on_parked(self, message: pb.Parked) -> None:
        self._parked[message.position].set()

    def _on_replay(self, message: pb.Replay) -> None:
        event = message.event
        replayed = pb.Replayed(lease=message.lease, position=event.position)
        if not self.mended:
            replayed.error.CopyFrom(self._error(event))
        self._say(replayed=replayed)

    async def _work(self) -> None:
        while True:
            batch = await self._batches.get()
            for event in batch.events:
                await self.going.wait()
                if batch.lease.token not in self._held:
                    break
                if event.type == POISON and not self.mended and not await self._set_aside(batch.lease, event):
                    break
                self.handled.append(event.position)
            else:
                if batch.lease.token in self._held:
                    self._say(handled=pb.Handled(lease=batch.lease, position=batch.position, events=len(batch.events)))

    async def _set_aside(self, lease: pb.LeaseKey, event: Any) -> bool:
        """Parks an event, or gives the lease back."""
        if self._on_poison == "stop":
            self._held.pop(lease.token, None)
            self._say(faulted=pb.Faulted(lease=lease, error=self._error(event)))
            return False
        parked = self._parked[event.position] = asyncio.Event()
        self._say(park=pb.Park(lease=lease, error=self._error(event)))
        async with asyncio.timeout(20):
            await parked.wait()
        return True

    @staticmethod
    def _error(event: Any) -> pb.HandlerError:
        return pb.HandlerError(
            position=event.position, type=event.type, stream=event.stream, message="this is \x1b[31mpoison", attempts=3
        )
