"""Measures for a client whose calls block: a caller is a thread."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from bench import work
from bench.drivers.samples import Samples, summary, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.cpu import Meter


class ThreadClient(ABC):
    """A system gives the operations; this gives the measures."""

    def prepare(self, callers: int) -> None:  # noqa: B027  most have nothing to prepare
        """Size pools for so many callers; called outside the measured time."""

    @abstractmethod
    def append_one(self, stream: str, data: bytes) -> int:
        """One event to a stream that must not be there yet; gives its position."""

    @abstractmethod
    def append_many(self, stream: str, data: list[bytes]) -> None:
        """Several events to a stream, whatever it has."""

    @abstractmethod
    def read_all(self, kind: str, total: int) -> int:
        """Read the log once; gives the number of events seen."""

    @abstractmethod
    def read_stream(self, stream: str) -> int:
        """Read one stream, looking at each event's fields; gives the number of events."""

    @abstractmethod
    def subscribe(self, after: int) -> tuple[Iterator[bytes], Callable[[], None]]:
        """The payloads that follow a position, as they come, and how to end them. Ending must wake the iterator."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""

    def fill(self, events: int, batch: int) -> int:
        self.prepare(16)
        appends = list(work.plan(events, batch))
        with ThreadPoolExecutor(16) as pool:
            for done in [pool.submit(self.append_many, stream, [work.payload() for _ in range(n)]) for stream, n in appends]:
                done.result(timeout=600)
        return sum(n for _, n in appends)

    def appends(self, callers: int, warmup: float, seconds: float, meter: Meter) -> dict[str, Any]:
        self.prepare(callers)
        stop = threading.Event()
        samples: list[Samples] = [[] for _ in range(callers)]

        def caller(mine: Samples) -> None:
            clock = time.perf_counter
            while not stop.is_set():
                began = clock()
                self.append_one(work.new_stream(), work.payload())
                ended = clock()
                mine.append((ended, ended - began))

        with ThreadPoolExecutor(callers) as pool:
            running = [pool.submit(caller, mine) for mine in samples]
            try:
                time.sleep(warmup)
                began = meter.start()
                time.sleep(seconds)
                elapsed, cpu = meter.stop()
            finally:
                stop.set()
            for done in running:
                done.result(timeout=60)
        return summary(within(samples, began, elapsed), elapsed, cpu)

    def reads(self, kind: str, total: int, seconds: float, meter: Meter) -> dict[str, Any]:
        self.prepare(1)
        self.read_all(kind, total)
        count = 0
        began = meter.start()
        while time.perf_counter() - began < seconds:
            seen = self.read_all(kind, total)
            if seen < total:
                raise RuntimeError(f"read {seen} of {total} events")
            count += seen
        elapsed, cpu = meter.stop()
        return summary([], elapsed, cpu, count)

    def loads(self, stream: str, events: int, seconds: float, meter: Meter) -> dict[str, Any]:
        self.prepare(1)
        for _ in range(20):
            self.read_stream(stream)
        taken = []
        began = meter.start()
        while (now := time.perf_counter()) - began < seconds:
            if (seen := self.read_stream(stream)) != events:
                raise RuntimeError(f"read {seen} of {events} events of {stream}")
            taken.append(time.perf_counter() - now)
        elapsed, cpu = meter.stop()
        return summary(taken, elapsed, cpu)

    def live(self, subscribers: int, rate: float, warmup: float, seconds: float, meter: Meter) -> dict[str, Any]:
        self.prepare(1 + 2 * subscribers)
        after = self.append_one(work.new_stream(), work.payload())
        seen: list[list[tuple[int, int]]] = [[] for _ in range(subscribers)]
        open_ones = [self.subscribe(after) for _ in range(subscribers)]
        stopped = threading.Event()

        def follow(events: Iterator[bytes], mine: list[tuple[int, int]]) -> None:
            clock = time.perf_counter_ns
            try:
                for data in events:
                    mine.append((work.sent_at(data), clock()))  # noqa: PERF401  each is seen as it comes
            except Exception:
                if not stopped.is_set():
                    raise

        sent = 0
        with ThreadPoolExecutor(subscribers) as pool:
            running = [pool.submit(follow, events, mine) for (events, _), mine in zip(open_ones, seen, strict=True)]
            try:
                sent += self._steadily(rate, warmup)
                deadline = time.monotonic() + 30
                while not all(seen) and time.monotonic() < deadline:
                    sent += self._steadily(rate, 0.1)
                began = meter.start()
                sent += self._steadily(rate, seconds)
                elapsed, cpu = meter.stop()
                deadline = time.monotonic() + 10
                while any(len(mine) < sent for mine in seen) and time.monotonic() < deadline:
                    time.sleep(0.05)
            finally:
                stopped.set()
                for _, end in open_ones:
                    end()
            for done in running:
                done.result(timeout=30)
        return deliveries(seen, sent, began, elapsed, cpu)

    def _steadily(self, rate: float, seconds: float) -> int:
        began, count = time.perf_counter(), 0
        while (due := count / rate) < seconds:
            time.sleep(max(0.0, began + due - time.perf_counter()))
            self.append_one(work.new_stream(), work.payload())
            count += 1
        return count


def deliveries(seen: list[list[tuple[int, int]]], sent: int, began: float, elapsed: float, cpu: dict[str, float]) -> dict[str, Any]:
    """Delays of what was sent in the window; an error if a subscriber did not get everything, once."""
    for mine in seen:
        if len(mine) != sent:
            raise RuntimeError(f"a subscriber got {len(mine)} of {sent} events")
    window = range(int(began * 1e9), int((began + elapsed) * 1e9))
    return summary([(got - at) / 1e9 for mine in seen for at, got in mine if at in window], elapsed, cpu)
