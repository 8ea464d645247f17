"""Live delay: from just before an append is called to its receipt by a subscriber, at a steady rate of appends."""

from __future__ import annotations

from bench.measures import Measure, Options, Results, values
from bench.peers import EVENTSOURCING, MINK, UMADB
from bench.table import Row, Target

SUBSCRIBERS = (1, 100)


def measures(options: Options) -> list[Measure]:
    """With one subscriber, and with many. eventsourcing only with one: each takes a connection to Postgres and two threads."""
    return [
        Measure(
            f"live-{count}",
            "read",
            (MINK, UMADB, EVENTSOURCING) if count == 1 else (MINK, UMADB),
            {"do": "live", "subscribers": count, "rate": options.rate, "warmup": options.warmup, "seconds": options.seconds},
            options.seconds + 180,
        )
        for count in SUBSCRIBERS
    ]


def rows(results: Results) -> list[Row]:
    """The delays, and the server's processor time a delivery."""
    made = []
    for count in SUBSCRIBERS:
        label = f"live delay, {count} subscriber{'s' if count > 1 else ''}"
        targets = [Target(None, at_most=3.0, unit="ms")] if count == 1 else []
        made += [
            Row(f"{label}: p50, ms", values(results, f"live-{count}", "p50_ms"), targets=targets),
            Row(f"{label}: p99, ms", values(results, f"live-{count}", "p99_ms")),
            Row(
                f"{label}: server's processor time a delivery, with its share of the append, µs",
                values(results, f"live-{count}", "cpu_us.server"),
            ),
        ]
    return made
