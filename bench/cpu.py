"""Processor time of processes and of all that they started."""

from __future__ import annotations

import time
from contextlib import suppress

import psutil


def seconds(pid: int) -> float:
    """User and system seconds of a process, its living children, and the children that it has outlived."""
    process = psutil.Process(pid)
    total = sum(process.cpu_times()[:4])
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            total += sum(child.cpu_times()[:4])
    return total


class Meter:
    """Processor seconds of the parts of a system (server, Postgres, client) between `start` and `stop`."""

    def __init__(self, processes: dict[str, int]) -> None:
        self._processes = processes
        self._before: dict[str, float] = {}
        self._began = 0.0

    def _now(self) -> dict[str, float]:
        return {part: seconds(pid) for part, pid in self._processes.items()} | {"client": time.process_time()}

    def start(self) -> float:
        """Begin; gives the time."""
        self._before = self._now()
        self._began = time.perf_counter()
        return self._began

    def stop(self) -> tuple[float, dict[str, float]]:
        """The wall seconds and each part's processor seconds since `start`."""
        elapsed = time.perf_counter() - self._began
        after = self._now()
        return elapsed, {part: after[part] - before for part, before in self._before.items()}


def wait_until_idle(pids: list[int], *, share: float = 0.03, timeout: float = 20.0) -> bool:
    """Wait until all these together use less than `share` of a core: no system pays for another's flushing or vacuum."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        before = sum(map(seconds, pids))
        time.sleep(0.4)
        if sum(map(seconds, pids)) - before <= max(share * 0.4, 0.011):
            return True
    return False
