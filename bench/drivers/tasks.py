"""Measures for a client whose calls are awaited: a caller is a task. The loop is uvloop's."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import uvloop

from bench import work
from bench.drivers.samples import Samples, summary, within
from bench.drivers.threads import deliveries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from bench.cpu import Meter


class TaskClient(ABC):
    """A system gives the operations; this gives the measures. See `threads.py`, which it mirrors."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

    @abstractmethod
    async def append_one(self, stream: str, data: bytes) -> int:
        """One event to a stream that must not be there yet; gives its position."""

    @abstractmethod
    async def append_many(self, stream: str, data: list[bytes]) -> None:
        """Several events to a stream, whatever it has."""

    @abstractmethod
    async def read_all(self, kind: str, total: int) -> int:
        """Read the log once; gives the number of events seen."""

    @abstractmethod
    async def read_stream(self, stream: str) -> int:
        """Read one stream, looking at each event's fields; gives the number of events."""

    @abstractmethod
    def subscribe(self, after: int, index: int) -> AsyncIterator[bytes]:
        """The payloads that follow a position, as they come; `index` tells subscribers apart."""

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of connections."""

    def close(self) -> None:
        try:
            self._run(self.aclose(), 30)
        finally:
            self._runner.close()

    def _run(self, work_to_do: Coroutine[Any, Any, Any], timeout: float) -> Any:
        return self._runner.run(asyncio.wait_for(work_to_do, timeout))

    def fill(self, events: int, batch: int) -> int:
        return int(self._run(self._fill(events, batch), 3600))

    async def _fill(self, events: int, batch: int) -> int:
        appends = iter(work.plan(events, batch))

        async def writer() -> int:
            mine = 0
            for stream, n in appends:
                await self.append_many(stream, [work.payload() for _ in range(n)])
                mine += n
            return mine

        async with asyncio.TaskGroup() as group:
            writers = [group.create_task(writer()) for _ in range(64)]
        return sum(task.result() for task in writers)

    def appends(self, callers: int, warmup: float, seconds: float, meter: Meter) -> dict[str, Any]:
        return dict(self._run(self._appends(callers, warmup, seconds, meter), warmup + seconds + 60))

    async def _appends(self, callers: int, warmup: float, seconds: float, meter: Meter) -> dict[str, Any]:
        stop = False
        samples: list[Samples] = [[] for _ in range(callers)]

        async def caller(mine: Samples) -> None:
            clock = time.perf_counter
            while not stop:
                began = clock()
                await self.append_one(work.new_stream(), work.payload())
                ended = clock()
                mine.append((ended, ended - began))

        async with asyncio.TaskGroup() as group:
            for mine in samples:
                group.create_task(caller(mine))
            await asyncio.sleep(warmup)
            began = meter.start()
            await asyncio.sleep(seconds)
            elapsed, cpu = meter.stop()
            stop = True
        return summary(within(samples, began, elapsed), elapsed, cpu)

    def reads(self, kind: str, total: int, seconds: float, meter: Meter) -> dict[str, Any]:
        return dict(self._run(self._reads(kind, total, seconds, meter), seconds + 120))

    async def _reads(self, kind: str, total: int, seconds: float, meter: Meter) -> dict[str, Any]:
        await self.read_all(kind, total)
        count = 0
        began = meter.start()
        while time.perf_counter() - began < seconds:
            seen = await self.read_all(kind, total)
            if seen < total:
                raise RuntimeError(f"read {seen} of {total} events")
            count += seen
        elapsed, cpu = meter.stop()
        return summary([], elapsed, cpu, count)

    def loads(self, stream: str, events: int, seconds: float, meter: Meter) -> dict[str, Any]:
        return dict(self._run(self._loads(stream, events, seconds, meter), seconds + 60))

    async def _loads(self, stream: str, events: int, seconds: float, meter: Meter) -> dict[str, Any]:
        for _ in range(20):
            await self.read_stream(stream)
        taken = []
        began = meter.start()
        while (now := time.perf_counter()) - began < seconds:
            if (seen := await self.read_stream(stream)) != events:
                raise RuntimeError(f"read {seen} of {events} events of {stream}")
            taken.append(time.perf_counter() - now)
        elapsed, cpu = meter.stop()
        return summary(taken, elapsed, cpu)

    def live(self, subscribers: int, rate: float, warmup: float, seconds: float, meter: Meter) -> dict[str, Any]:
        return dict(self._run(self._live(subscribers, rate, warmup, seconds, meter), warmup + seconds + 90))

    async def _live(self, subscribers: int, rate: float, warmup: float, seconds: float, meter: Meter) -> dict[str, Any]:
        after = await self.append_one(work.new_stream(), work.payload())
        seen: list[list[tuple[int, int]]] = [[] for _ in range(subscribers)]

        async def follow(index: int) -> None:
            clock = time.perf_counter_ns
            async for data in self.subscribe(after, index):
                seen[index].append((work.sent_at(data), clock()))

        sent = 0
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(follow(index)) for index in range(subscribers)]
            sent += await self._steadily(rate, warmup)
            deadline = time.monotonic() + 30
            while not all(seen) and time.monotonic() < deadline:
                sent += await self._steadily(rate, 0.1)
            began = meter.start()
            sent += await self._steadily(rate, seconds)
            elapsed, cpu = meter.stop()
            deadline = time.monotonic() + 10
            while any(len(mine) < sent for mine in seen) and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            for task in running:
                task.cancel()
        return deliveries(seen, sent, began, elapsed, cpu)

    async def _steadily(self, rate: float, seconds: float) -> int:
        began, count = time.perf_counter(), 0
        while (due := count / rate) < seconds:
            await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
            await self.append_one(work.new_stream(), work.payload())
            count += 1
        return count
