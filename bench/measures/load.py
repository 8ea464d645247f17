"""Load one aggregate: read a stream of 10, and one of 1,000 events, by one caller."""

from __future__ import annotations

from bench import work
from bench.measures import Measure, Options, Results, values
from bench.peers import EVENTSOURCING, MINK, UMADB
from bench.table import Row

STREAMS = {work.TEN: 10, work.THOUSAND: 1000}


def measures(options: Options) -> list[Measure]:
    """One for each length."""
    return [
        Measure(
            f"load-{events}",
            "read",
            (MINK, UMADB, EVENTSOURCING),
            {"do": "loads", "stream": stream, "events": events, "seconds": options.seconds},
            options.seconds + 90,
        )
        for stream, events in STREAMS.items()
    ]


def rows(results: Results) -> list[Row]:
    """The latencies."""
    return [
        Row(f"load a stream of {events:,} events: {unit}", values(results, f"load-{events}", key))
        for events in STREAMS.values()
        for key, unit in (("p50_ms", "p50, ms"), ("p99_ms", "p99, ms"))
    ]
