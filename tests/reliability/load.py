"""Writers and subscribers that keep a history; how long each check takes; and things that go wrong on purpose."""

from __future__ import annotations

import asyncio
import os
import random
import time
import urllib.request
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

import grpc
import pytest
from mink.v1 import event_store_pb2 as pb
from mink.v1.event_store_pb2_grpc import EventStoreStub
from mink_client import ANY, NO_STREAM, STREAM_EXISTS, Mink, NewEvent, WrongExpectedVersion
from mink_client.channel import OPTIONS

from tests.support.history import Deliveries, History, Seen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence

    from mink_client import Expected
    from mink_client.subscription import Subscription

    from tests.support.servers import MinkProcess

TYPES = ("Opened", "Changed", "Closed")
# Seconds that a subscriber may need to get to the end of the log once the writers have stopped.
CATCH_UP = 60.0


def lasting(short: float, long: float) -> pytest.MarkDecorator:
    """Gives a test its `seconds`: a short form for `make test`, and a long one for `make reliability`."""
    return pytest.mark.parametrize(
        "seconds",
        [
            pytest.param(short, id="short"),
            pytest.param(long, id="long", marks=[pytest.mark.reliability, pytest.mark.timeout(180 + 3 * long)]),
        ],
    )


def report(what: str, **figures: object) -> None:
    """Prints figures of a check (`pytest -rA` shows them), with the load of the machine."""
    values = ", ".join(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in figures.items())
    print(f"{what}: {values}; load average {os.getloadavg()[0]:.1f}")


async def restart(server: MinkProcess) -> None:
    """Starts a server again on its address, while the clients go on."""
    await asyncio.to_thread(server.start)


async def values(server: MinkProcess) -> dict[str, float]:
    """What the server's metrics say, by name with labels."""

    def get() -> str:
        with urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=10) as response:
            return response.read().decode()

    lines = (await asyncio.to_thread(get)).splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


async def read_log(client: Mink) -> list[Seen]:
    """The log as ReadAll gives it."""
    return [Seen.of(event) async for batch in client.read_all_batches(timeout=30) for event in batch]


async def messages(
    address: str, *, after: int = 0, log_id: str = "", types: Sequence[str] = ()
) -> AsyncIterator[pb.SubscribeAllResponse]:
    """One SubscribeAll call without the client library: its messages, until it fails."""
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        request = pb.SubscribeAllRequest(after_position=after, log_id=log_id, filter=pb.EventFilter(types=types))
        call = EventStoreStub(channel).SubscribeAll(request, wait_for_ready=True)
        try:
            async for message in call:
                yield message
        finally:
            call.cancel()


def position_of(message: pb.SubscribeAllResponse) -> int:
    """The position that a message carries."""
    return getattr(message, message.WhichOneof("message")).position


class Workload:
    """Writers and three kinds of subscribers, spread over servers, from `async with` until `finish`.

    Writers append 1 to 5 events to one of 64 streams, half of them expecting an exact version; a writer that was wrong about
    the version takes it from the error and goes on. Appends are retried by the client library alone.

    Args:
        addresses: The servers.
        writers: How many writers.
        streams: How many streams.
        timeout: Seconds that an append may take with all its retries.
    """

    def __init__(self, *addresses: str, writers: int = 16, streams: int = 64, timeout: float = 30.0) -> None:
        self.history = History()
        self.acknowledged: Counter[str] = Counter()
        self.wrong_versions = 0
        self.replayed = 0
        self.slowest = 0.0
        self._addresses = addresses
        self._writers = writers
        self._streams = [f"Stream-{i}" for i in range(streams)]
        self._versions: dict[str, int] = {}
        self._timeout = timeout
        self._stop = False
        self._stack = AsyncExitStack()
        self._clients: list[Mink] = []
        self._writing: list[asyncio.Task[None]] = []
        self._following: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for address in self._addresses:
            self._clients.append(await self._stack.enter_async_context(Mink(address, timeout=self._timeout)))
        last = len(self._addresses) - 1
        follow = [
            self._follow(self._clients[0].subscribe_all(), self.history.subscriber("client, everything")),
            self._follow(
                self._clients[last].subscribe_all(types=[TYPES[0]]),
                self.history.subscriber("client, one type", lambda event: event.type == TYPES[0]),
            ),
            self._follow_raw(self._addresses[last], self.history.subscriber("stub, everything")),
        ]
        self._following = [asyncio.create_task(one) for one in follow]
        self._writing = [asyncio.create_task(self._write(number)) for number in range(self._writers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop = True
        tasks = [*self._writing, *self._following]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._stack.aclose()

    async def run(self, seconds: float) -> None:
        """Goes on for a while; fails at once if a writer or a subscriber does."""
        done, _ = await asyncio.wait([*self._writing, *self._following], timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    async def while_running(self, work: Awaitable[Any]) -> Any:
        """Does something else meanwhile."""
        result = await work
        await self.run(0)
        return result

    @property
    def appends(self) -> int:
        """How many appends were acknowledged."""
        return self.acknowledged.total()

    async def progress(self, address: str = "", appends: int = 50, seconds: float = 30) -> float:
        """Waits until appends were acknowledged (through that server), and says how long it took."""
        start, end = time.monotonic(), time.monotonic() + seconds

        def count() -> int:
            return self.acknowledged[address] if address else self.appends

        wanted = count() + appends
        while count() < wanted:
            assert time.monotonic() < end, f"writers are stuck: {wanted - count()} of {appends} appends missing after {seconds} s"
            await self.run(0.02)
        return time.monotonic() - start

    async def finish(self, what: str) -> list[Seen]:
        """Stops the writers, waits for the subscribers, and judges everything."""
        self._stop = True
        async with asyncio.timeout(self._timeout + 15):
            await asyncio.gather(*self._writing)
        log = await read_log(self._clients[0])
        for client in self._clients[1:]:
            assert await read_log(client) == log
        end = time.monotonic() + CATCH_UP
        for deliveries in self.history.deliveries:
            last = next((event for event in reversed(log) if deliveries.wants(event)), None)
            while last is not None and (not deliveries.seen or deliveries.seen[-1].position < last.position):
                if time.monotonic() > end:
                    break  # the judge says what is missing
                await self.run(0.05)
        await self.run(0.3)  # what comes once too often may come late
        self.history.check(log)
        assert self.appends > 0
        report(
            what,
            appends=self.appends,
            events=len(log),
            wrong_versions=self.wrong_versions,
            replayed=self.replayed,
            slowest_append_s=self.slowest,
            appends_by_server=tuple(self.acknowledged[address] for address in self._addresses),
        )
        return log

    # Writers and subscribers.

    async def _write(self, number: int) -> None:
        chance = random.Random(number)
        which = number % len(self._clients)
        client, address = self._clients[which], self._addresses[which]
        while not self._stop:
            stream = chance.choice(self._streams)
            events = [NewEvent(chance.choice(TYPES), {"writer": number, "text": "x" * 100}) for _ in range(chance.randint(1, 5))]
            attempt = self.history.attempt(stream, events)
            began = time.monotonic()
            try:
                done = await client.append(stream, events, expected=self._expected(stream, chance))
            except WrongExpectedVersion as error:
                self.history.refuse(attempt)
                self._versions[stream] = max(error.actual, self._versions.get(stream, 0))
                self.wrong_versions += 1
            else:
                self.history.acknowledge(attempt, done)
                self._versions[stream] = max(done.version, self._versions.get(stream, 0))
                self.acknowledged[address] += 1
                self.replayed += done.replayed
            self.slowest = max(self.slowest, time.monotonic() - began)

    def _expected(self, stream: str, chance: random.Random) -> Expected:
        known = self._versions.get(stream, 0)
        if chance.random() < 0.5:
            return known
        return chance.choice([ANY, STREAM_EXISTS if known else NO_STREAM])

    @staticmethod
    async def _follow(subscription: Subscription, deliveries: Deliveries) -> None:
        async with subscription as events:
            async for event in events:
                deliveries.seen.append(Seen.of(event))

    @staticmethod
    async def _follow_raw(address: str, deliveries: Deliveries) -> None:
        position = 0
        while True:
            first = True
            stream = messages(address, after=position)
            try:
                async for message in stream:
                    kind = message.WhichOneof("message")
                    assert kind == "checkpoint" or not first, f"the first message is {kind}"
                    assert position_of(message) >= position, "positions went backwards"
                    first = False
                    position = position_of(message)
                    if kind == "events":
                        assert message.events.events, "a batch without events"
                        deliveries.seen.extend(map(Seen.of, message.events.events))
                        assert message.events.events[-1].position <= position
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                    raise
            finally:
                await stream.aclose()
            await asyncio.sleep(0.1)
