"""`python -m bench.projections`: how fast a log is replayed into a read model, and how soon after its append an event is in it."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import uvloop
from mink_client import NO_STREAM, Mink, NewEvent

from bench import machine, work
from bench.cpu import seconds as cpu_seconds
from bench.peers.base import Host
from bench.peers.mink import MinkClient, server
from bench.postgres import postgres
from bench.processes import running
from bench.projections.read_model import SEEN
from bench.run import say

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 300.0
MINK = str(Path(sys.executable).with_name("mink"))
PEER = "eventsourcing, projection runner"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.projections", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events that Mink replays (default: 1,000,000)")
    parser.add_argument("--slow-events", type=int, default=30_000, help="events of what takes one transaction or statement each")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median is taken (default: 3)")
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[100.0, 2000.0], help="appends a second while delays are measured"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="how long delays are measured at each rate")
    parser.add_argument("--folder", type=Path, help="where data is kept while it runs (default: /tmp)")
    return parser.parse_args()


@contextmanager
def workers(host: Host, address: str, name: str, count: int) -> Iterator[list[int]]:
    """Worker processes of a projection: their process ids."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MINK_", "DATABASE_", "OTEL_"))}
    environment["BENCH_READ_MODEL"] = host.postgres.database("read-model")
    command = [MINK, "worker", "run", f"bench.projections.read_model:{name}"]
    command += ["--server", address, "--http-listen", "off"]
    with ExitStack() as stack:
        yield [stack.enter_context(running(command, env=environment, stdout=host.log, stderr=host.log)).pid for _ in range(count)]


def replay(host: Host, address: str, name: str, table: str, count: int, events: int, pids: dict[str, int]) -> dict[str, float]:
    """Runs workers until they have counted so many events: events a second, and processor time an event by part."""
    schema = {"ByBatch": "by_batch", "ByEvent": "by_event", "Partitioned": "partitioned"}[name]
    host.postgres.database("read-model")
    host.postgres.execute(f"drop schema if exists {schema} cascade", "read-model")

    def counted() -> int:
        with suppress(Exception):  # the table is not there yet
            return int(host.postgres.execute(f"select coalesce(sum(n), 0) from {schema}.{table}", "read-model")[0][0])
        return 0

    def times(of: list[int]) -> dict[str, float]:
        return {part: cpu_seconds(pid) for part, pid in pids.items()} | {"worker": sum(map(cpu_seconds, of))}

    end = time.monotonic() + PATIENCE
    with workers(host, address, name, count) as processes:
        while not (first := counted()):
            time.sleep(0.02)
            if time.monotonic() > end:
                raise TimeoutError(f"{name}: nothing was counted")
        began, before = time.perf_counter(), times(processes)
        while (now := counted()) < events:
            time.sleep(0.02)
            if time.monotonic() > end:
                raise TimeoutError(f"{name}: {now} of {events} events were counted")
        took, after = time.perf_counter() - began, times(processes)
        if name != "ByEvent" and now != events:
            raise RuntimeError(f"{name} counted {now} events, of {events}")
    delete = [MINK, "projection", "delete", name, "--yes", "--server", address]
    subprocess.run(
        delete, check=True, stdout=host.log, stderr=host.log, timeout=60
    )  # so that the next one begins at the first event
    done = now - first
    return {"per second": done / took} | {part: (after[part] - before[part]) / done * 1e6 for part in after}


async def delays(dsn: str, address: str, rate: float, seconds: float) -> list[float]:
    """Milliseconds from just before an append to when its count can be seen in the read model."""
    sent: dict[int, int] = {}
    seen: list[tuple[int, int]] = []
    heard = asyncio.Event()

    def hear(*given: Any) -> None:
        seen.append((int(given[3]), time.perf_counter_ns()))
        heard.set()

    listener = await asyncpg.connect(dsn)
    await listener.add_listener(SEEN, hear)
    async with Mink(address) as mink, asyncio.TaskGroup() as group:

        async def append() -> None:
            at = time.perf_counter_ns()
            event = NewEvent.raw_json(work.EVENT_TYPE, work.payload().decode())
            done = await mink.append(work.new_stream(), [event], expected=NO_STREAM)
            sent[done.last_position] = at

        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(began + number / rate - time.perf_counter(), 0))
            group.create_task(append())
    while not seen or seen[-1][0] < max(sent):
        heard.clear()
        async with asyncio.timeout(10):
            await heard.wait()
    await listener.close()
    found, reached = [], iter(seen)
    position, at = next(reached)
    for wanted in sorted(sent):
        while position < wanted:
            position, at = next(reached)
        found.append((at - sent[wanted]) / 1e6)
    return found


def measure_delays(host: Host, address: str, options: argparse.Namespace) -> list[list[str]]:
    """The rows of the delays."""
    rows = []
    dsn = host.postgres.database("read-model")
    with workers(host, address, "Delays", 1), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        with suppress(TimeoutError):  # until the worker is there
            runner.run(delays(dsn, address, 50, 5))
        for rate in options.rates:
            found = runner.run(delays(dsn, address, rate, options.seconds))
            cuts = statistics.quantiles(found, n=100)
            rows.append([f"delay at {rate:g} appends a second", f"p50 {cuts[49]:.1f} ms", f"p99 {cuts[98]:.1f} ms", ""])
    return rows


def peer(host: Host, number: int, events: int) -> dict[str, float]:
    """What the library's runner does, on a database of its own."""
    database = f"peer-{number}"
    host.postgres.database(database)
    command = [sys.executable, "-m", "bench.projections.peer", database, str(host.postgres.socket), str(events)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=host.log, timeout=PATIENCE)
    told: dict[str, Any] = json.loads(done.stdout)
    return {"per second": told["events"] / told["seconds"], "worker": told["cpu"] / told["events"] * 1e6}


def main() -> int:
    """Run, print, and leave nothing behind."""
    load_before = os.getloadavg()
    options = arguments()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="mink-bench-", dir=options.folder))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        log = stack.enter_context((folder / "log").open("w+b"))
        host = Host(folder, stack.enter_context(postgres(folder, log)), log)
        for what, value in machine.describe(folder, load_before, host.postgres.version):
            say(f"{what}: {value}")
        figures: dict[str, list[dict[str, float]]] = {}
        for number in range(options.rounds):
            figures.setdefault(PEER, []).append(peer(host, number, options.slow_events))
            with ExitStack() as round_stack:
                place = round_stack.enter_context(server(host, f"projections-{number}"))
                client = MinkClient(place.address)
                round_stack.callback(client.close)
                total = client.fill(options.events, 10)
                for what, name, table, count, events in (
                    ("Mink, one worker, batch handler", "ByBatch", "counts", 1, total),
                    ("Mink, one worker, a statement an event", "ByEvent", "counts", 1, options.slow_events),
                    ("Mink, four partitions, one worker", "Partitioned", "counts_apart", 1, total),
                    ("Mink, four partitions, four workers", "Partitioned", "counts_apart", 4, total),
                ):
                    if name == "Partitioned":  # each from the beginning
                        host.postgres.execute(
                            "delete from mink.projections where name = 'Partitioned'", f"mink-projections-{number}"
                        )
                    figures.setdefault(what, []).append(replay(host, place.address, name, table, count, events, place.processes))
                    say(f"  {what}: {figures[what][-1]['per second']:,.0f} events a second")
                if number == options.rounds - 1:
                    rows = measure_delays(host, place.address, options)
    base = statistics.median(each["per second"] for each in figures[PEER])
    print("| | events a second | against the library's runner | processor time an event, µs |")
    print("|---|---|---|---|")
    for what, found in figures.items():
        rate = statistics.median(each["per second"] for each in found)
        parts = [part for part in found[0] if part != "per second"]
        times = ", ".join(f"{part} {statistics.median(each[part] for each in found):.2f}" for part in parts)
        print(f"| {what} | {rate:,.0f} | {rate / base:.1f} x | {times} |")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
