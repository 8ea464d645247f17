"""Read the whole log, and catch up with it by a subscription from its beginning; and what an event costs in processor time."""

from __future__ import annotations

from bench.measures import Measure, Options, Results, values
from bench.peers import EVENTSOURCING, MINK, UMADB
from bench.table import Row, Target

KINDS = {
    "batches": "read the log, events counted",
    "events": "read the log, each event's fields looked at",
    "subscription": "catch-up subscription, events counted",
}


def measures(options: Options) -> list[Measure]:
    """One for each way of reading. The harness puts the number of events in."""
    return [
        Measure(
            f"read-{kind}",
            "read",
            (MINK, UMADB, EVENTSOURCING),
            {"do": "reads", "kind": kind, "seconds": options.seconds},
            options.seconds + 150,
        )
        for kind in KINDS
    ]


def rows(results: Results) -> list[Row]:
    """Events a second, and the processor's share."""
    made = []
    for kind, label in KINDS.items():
        with_target = kind != "events"
        targets = [Target(UMADB, at_least=0.6)] if with_target else []
        made.append(Row(f"{label}: per second", values(results, f"read-{kind}", "rate"), more_is_better=True, targets=targets))
        for part in ("server", "postgres", "client"):
            name = "Postgres" if part == "postgres" else part
            targets = [Target(None, at_most=2.5, unit="µs")] if with_target and part == "server" else []
            found = values(results, f"read-{kind}", f"cpu_us.{part}")
            made.append(Row(f"{label}: {name}'s processor time an event, µs", found, targets=targets, digits=2))
    return made
