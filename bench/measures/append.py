"""Append one event to a new stream, by 1 to 200 callers at once; and what an append costs in processor time."""

from __future__ import annotations

from bench.measures import Measure, Options, Results, values
from bench.peers import EVENTSOURCING, SYSTEMS, UMADB
from bench.table import Row, Target

CALLERS = (1, 16, 64, 200)
TARGETS = {
    (1, "p50_ms"): [Target(UMADB, at_most=1.4), Target(EVENTSOURCING, at_most=1.0)],
    (64, "rate"): [Target(UMADB, at_least=1.5)],
    (200, "rate"): [Target(UMADB, at_least=2.0)],
}


def measures(options: Options) -> list[Measure]:
    """One for each number of callers."""
    return [
        Measure(
            f"append-{callers}",
            "write",
            SYSTEMS,
            {"do": "appends", "callers": callers, "warmup": options.warmup, "seconds": options.seconds},
            options.seconds + 150,
        )
        for callers in CALLERS
    ]


def rows(results: Results) -> list[Row]:
    """Rate, p50 and p99 for each, and the processor's share."""
    made = []
    for callers in CALLERS:
        label = f"append, {callers} caller{'s' if callers > 1 else ''}"
        for key, unit in (("rate", "per second"), ("p50_ms", "p50, ms"), ("p99_ms", "p99, ms")):
            found = values(results, f"append-{callers}", key)
            made.append(Row(f"{label}: {unit}", found, more_is_better=key == "rate", targets=TARGETS.get((callers, key), [])))
    for callers in (1, 64):
        for part in ("server", "postgres", "client"):
            found = values(results, f"append-{callers}", f"cpu_us.{part}")
            name = "Postgres" if part == "postgres" else part
            made.append(Row(f"processor time an append, {callers} caller{'s' if callers > 1 else ''}: {name}, µs", found))
    return made
