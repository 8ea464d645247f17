"""Runs measures: servers up, clients up, each round the systems in turn, the median over the rounds."""

from __future__ import annotations

import statistics
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psycopg

from bench import clients, cpu, peers
from bench.clients import ClientProcess, MeasureFailedError

if TYPE_CHECKING:
    from bench.measures import Measure, Options, Results
    from bench.peers.base import Host, Place

PHASES = ("write", "read")
STARTING = (RuntimeError, TimeoutError, OSError, MeasureFailedError, psycopg.Error)
"""What a system that does not start, or cannot be filled, raises."""


def say(text: str) -> None:
    """Progress, beside the table."""
    print(text, file=sys.stderr, flush=True)


class Run:
    """One run over some systems. `failures` says what gave no figure, and why."""

    def __init__(self, host: Host, options: Options, systems: list[str]) -> None:
        self._host = host
        self._options = options
        self._systems = systems
        self._raw: dict[tuple[str, str], list[dict[str, float]]] = {}
        self.failures: dict[str, str] = {}

    def measure(self, measures: list[Measure]) -> Results:
        """Run everything; each phase has servers and logs of its own."""
        for phase in PHASES:
            chosen = [measure for measure in measures if measure.phase == phase]
            if chosen:
                self._phase(phase, chosen)
        return {key: _medians(rounds) for key, rounds in self._raw.items()}

    def _phase(self, phase: str, measures: list[Measure]) -> None:
        wanted = [system for system in self._systems if any(system in measure.systems for measure in measures)]
        totals = {system: self._fill(system, phase) if phase == "read" else 0 for system in wanted}
        with ExitStack() as stack:
            places: dict[str, Place] = {}
            connected: dict[str, ClientProcess] = {}
            for system in wanted:
                try:
                    places[system] = stack.enter_context(peers.server(system, self._host, phase_name(phase, system)))
                    connected[system] = stack.enter_context(clients.client(system, places[system], self._host.log))
                except STARTING as error:
                    self._failed(f"{system}: start", error)
            pids = sorted({pid for place in places.values() for pid in place.processes.values()})
            for number in range(self._options.rounds):
                for measure in measures:
                    order = [system for system in connected if system in measure.systems and totals[system] is not None]
                    for system in order if number % 2 == 0 else reversed(order):
                        self._one(measure, system, connected[system], totals[system] or 0, pids)

    def _fill(self, system: str, phase: str) -> int | None:
        """Write the log by a server that then stops: the reads find one that has nothing of it in its own memory."""
        try:
            with ExitStack() as stack:
                place = stack.enter_context(peers.server(system, self._host, phase_name(phase, system)))
                client = stack.enter_context(clients.client(system, place, self._host.log))
                total = int(client.call({"do": "fill", "events": self._options.log_events, "batch": 10}, 600))
        except STARTING as error:
            self._failed(f"{system}: fill", error)
            return None
        say(f"{system}: {total:,} events in the log")
        return total

    def _one(self, measure: Measure, system: str, client: ClientProcess, total: int, pids: list[int]) -> None:
        key = f"{system}: {measure.name}"
        if key in self.failures:
            return
        command = dict(measure.command)
        if command["do"] == "reads":
            command["total"] = total
        if not cpu.wait_until_idle(pids):
            say("  the servers did not come to rest in 20 s; measuring all the same")
        try:
            result = _flat(client.call(command, measure.timeout))
        except MeasureFailedError as error:
            self._failed(key, error)
            return
        self._raw.setdefault((measure.name, system), []).append(result)
        say(f"  {key}: " + ", ".join(f"{name} {value:,.2f}" for name, value in result.items()))

    def _failed(self, key: str, error: Exception) -> None:
        self.failures[key] = str(error)
        say(f"  {key}: FAILED: {error}")


def phase_name(phase: str, system: str) -> str:
    """Whose data a server of this phase has."""
    return f"{phase}-{peers.SYSTEMS.index(system)}"


def _flat(result: dict[str, Any]) -> dict[str, float]:
    times = {f"cpu_us.{part}": value for part, value in result.pop("cpu_us", {}).items()}
    return {**result, **times}


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
