"""Does an append slow down as the log grows? Two Mink servers on one Postgres, a small log and a large one, in turn."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from bench import clients, cpu, peers
from bench.run import STARTING, say
from bench.table import Row, Target

if TYPE_CHECKING:
    from bench.clients import ClientProcess
    from bench.measures import Options, Results
    from bench.peers.base import Host

SMALL = 10_000
BATCH = 100


def measure(host: Host, options: Options, events: int) -> tuple[Results, dict[str, str]]:
    """Fill both through Mink, vacuum, and take turns appending with one caller."""
    taken: dict[int, list[dict[str, Any]]] = {SMALL: [], events: []}
    sizes: dict[int, int] = {}
    with ExitStack() as stack:
        connected: dict[int, ClientProcess] = {}
        pids: set[int] = set()
        try:
            for size in taken:
                place = stack.enter_context(peers.server(peers.MINK, host, f"large-{size}"))
                pids |= set(place.processes.values())
                connected[size] = stack.enter_context(clients.client(peers.MINK, place, host.log))
                began = time.monotonic()
                sizes[size] = connected[size].call({"do": "fill", "events": size, "batch": BATCH}, 3700)
                say(f"{sizes[size]:,} events in {time.monotonic() - began:.0f} s")
                host.postgres.execute("VACUUM (ANALYZE)", f"mink-large-{size}")
            host.postgres.execute("CHECKPOINT")
            for number in range(options.rounds):
                for size in sorted(taken, reverse=number % 2 == 1):
                    cpu.wait_until_idle(sorted(pids), timeout=60)
                    command = {"do": "appends", "callers": 1, "warmup": options.warmup, "seconds": options.seconds}
                    taken[size].append(connected[size].call(command, options.seconds + 120))
                    say(f"  {sizes[size]:,} events: p50 {taken[size][-1]['p50_ms']:.3f} ms")
        except STARTING as error:
            return {}, {"large": str(error)}
    medians = {
        (f"large-{'small' if size == SMALL else 'large'}", peers.MINK): {
            "events": sizes[size],
            **{key: statistics.median(each[key] for each in rounds) for key in ("p50_ms", "p99_ms", "rate")},
        }
        for size, rounds in taken.items()
    }
    return medians, {}


def rows(results: Results) -> list[Row]:
    """Both latencies, and their ratio, which has the target."""
    small, big = (results.get((f"large-{name}", peers.MINK)) for name in ("small", "large"))
    if not small or not big:
        return []
    ratio = {peers.MINK: big["p50_ms"] / small["p50_ms"]}
    return [
        *(
            Row(f"append, 1 caller, {each['events']:,} events in the log: p50, ms", {peers.MINK: each["p50_ms"]})
            for each in (small, big)
        ),
        Row("append p50, large log over small", ratio, targets=[Target(None, at_most=1.15, unit="x")]),
    ]
