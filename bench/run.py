"""Runs measures: servers up, clients up, each round the systems in turn, the median over the rounds."""

from __future__ import annotations

import statistics
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from bench import clients, cpu, peers
from bench.clients import ClientProcess, MeasureFailedError

if TYPE_CHECKING:
    from bench.measures import Measure, Options, Results
    from bench.peers.base import Host, Place

PHASES = ("write", "read")


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
        with ExitStack() as stack:
            places: dict[str, Place] = {}
            connected: dict[str, ClientProcess] = {}
            for system in wanted:
                try:
                    name = f"{phase}-{peers.SYSTEMS.index(system)}"
                    places[system] = stack.enter_context(peers.server(system, self._host, name))
                    connected[system] = stack.enter_context(clients.client(system, places[system], self._host.log))
                except (RuntimeError, TimeoutError, OSError, MeasureFailedError) as error:
                    self._failed(f"{system}: start", error)
            totals = self._fill(connected, phase)
            pids = sorted({pid for place in places.values() for pid in place.processes.values()})
            for number in range(self._options.rounds):
                for measure in measures:
                    order = [system for system in wanted if system in totals and system in measure.systems]
                    for system in order if number % 2 == 0 else reversed(order):
                        self._one(measure, system, connected[system], totals[system], pids)

    def _fill(self, connected: dict[str, ClientProcess], phase: str) -> dict[str, int]:
        if phase != "read":
            return dict.fromkeys(connected, 0)
        totals = {}
        for system, client in connected.items():
            try:
                totals[system] = int(client.call({"do": "fill", "events": self._options.log_events, "batch": 10}, 600))
                say(f"{system}: {totals[system]:,} events in the log")
            except MeasureFailedError as error:
                self._failed(f"{system}: fill", error)
        return totals

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


def _flat(result: dict[str, Any]) -> dict[str, float]:
    times = {f"cpu_us.{part}": value for part, value in result.pop("cpu_us", {}).items()}
    return {**result, **times}


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
