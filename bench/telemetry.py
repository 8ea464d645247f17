"""`python -m bench.telemetry`: what metrics, traces and the access log cost the server's processor, per append.

Servers that differ in nothing else take turns with small portions of the same work, so that a noisy machine is noisy for all of
them. A portion's cost is compared with what the server without metrics took in the same round. A second one without metrics shows
how much of a difference is noise.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from concurrent import futures
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import uvloop
from mink.v1 import event_pb2, event_store_pb2, event_store_pb2_grpc, expectation_pb2
from mink_client import NO_STREAM, Mink, NewEvent
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from bench import machine, work
from bench.postgres import postgres
from bench.processes import free_port, running, wait_until
from bench.run import say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from bench.postgres import Postgres

BARE, CONTROL = "nothing", "nothing, once more"
SAMPLED = {"OTEL_BSP_MAX_QUEUE_SIZE": "20000"}
VARIANTS: dict[str, dict[str, str]] = {
    BARE: {},
    CONTROL: {},
    "metrics": {},
    "metrics and traces, none recorded": {"OTEL_TRACES_SAMPLER": "always_off"},
    "metrics and traces, 1 in 100 recorded": {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"},
    "metrics and traces, all recorded": SAMPLED | {"OTEL_TRACES_SAMPLER": "always_on"},
    "metrics and access log": {"MINK_ACCESS_LOG": "true"},
}


class _Sink(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans, and forgets them."""

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        return trace_service_pb2.ExportTraceServiceResponse()


@contextmanager
def sink() -> Iterator[str]:
    """A collector in this process: what it costs is not the server's."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_Sink(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(0)


@contextmanager
def mink(variant: str, host: Postgres, collector: str, log: Any) -> Iterator[tuple[str, int]]:
    """A server, on a database of its own: its address and process."""
    ports = [free_port() for _ in range(3)]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MINK_", "DATABASE_", "OTEL_"))}
    names = ("MINK_LISTEN", "MINK_HTTP_LISTEN", "MINK_METRICS_LISTEN")
    environment = clean | VARIANTS[variant] | {name: f"127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)}
    environment["DATABASE_URL"] = host.database("telemetry-" + "-".join(filter(str.isalnum, variant.replace(",", "").split())))
    if "traces" in variant:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector
    module = "bench.bare" if variant in (BARE, CONTROL) else "mink_server"
    command = [sys.executable, "-m", module, "--migrate"]

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{ports[1]}/health/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    with running(command, env=environment, stdout=subprocess.DEVNULL, stderr=log) as process:
        wait_until(ready, process, what=variant)
        yield f"127.0.0.1:{ports[0]}", process.pid


@dataclass
class Server:
    """A variant, ready to be given work: each `do` makes one append."""

    pid: int
    do: dict[str, Callable[[], Awaitable[Any]]]


async def connect(address: str, pid: int, stack: AsyncExitStack) -> Server:
    """Clients of a server: one appends by calls of their own, the other through a session."""
    client = await stack.enter_async_context(Mink(address))
    stub = event_store_pb2_grpc.EventStoreStub(await stack.enter_async_context(grpc.aio.insecure_channel(address)))

    async def by_session() -> None:
        await client.append(work.new_stream(), [NewEvent.raw_json(work.EVENT_TYPE, work.payload().decode())], expected=NO_STREAM)

    async def by_call() -> None:
        event = event_pb2.NewEvent(type=work.EVENT_TYPE, json=work.payload().decode())
        await stub.AppendToStream(
            event_store_pb2.AppendToStreamRequest(stream=work.new_stream(), events=[event], state=expectation_pb2.NO_STREAM)
        )

    return Server(pid, {"session": by_session, "calls": by_call})


def nanoseconds(pid: int) -> int:
    """Processor time of all threads of a process. The usual clock counts hundredths of a second, which is too coarse."""
    taken = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # it has just ended
            taken += int((thread / "schedstat").read_text().split()[0])
    return taken


async def portion(server: Server, way: str, callers: int, appends: int) -> float:
    """Microseconds of the server's processor per append."""
    left = iter(range(appends))
    do = server.do[way]

    async def caller() -> None:
        for _ in left:
            await do()

    before = nanoseconds(server.pid)
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    return (nanoseconds(server.pid) - before) / appends / 1e3


async def measure(servers: dict[str, tuple[str, int]], rounds: int, ways: list[tuple[str, int, int]]) -> list[list[str]]:
    """The rows of the table."""
    rows = []
    async with AsyncExitStack() as stack:
        ready = {variant: await connect(address, pid, stack) for variant, (address, pid) in servers.items()}
        for way, callers, appends in ways:
            taken: dict[str, list[float]] = {variant: [] for variant in ready}
            for server in ready.values():
                await portion(server, way, callers, appends // 2)
            for number in range(rounds):
                for variant in list(ready) if number % 2 == 0 else reversed(ready):
                    taken[variant].append(await portion(ready[variant], way, callers, appends))
            for variant, values in taken.items():
                more = [(value / bare - 1) * 100 for value, bare in zip(values, taken[BARE], strict=True)]
                low, _, high = statistics.quantiles(more, n=4) if len(more) > 1 else (more[0],) * 3
                rows.append(
                    [
                        f"{way}, {callers} callers",
                        variant,
                        f"{statistics.median(values):.1f}",
                        "" if variant == BARE else f"{statistics.median(more):+.1f} % ({low:+.1f} to {high:+.1f})",
                    ]
                )
                say("  " + " | ".join(rows[-1]))
    return rows


def main() -> int:
    """Run, print, and leave nothing behind."""
    parser = argparse.ArgumentParser(prog="python -m bench.telemetry", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="portions of work for each server (default: 20)")
    parser.add_argument("--appends", type=int, default=3000, help="appends by calls in a portion; four times as many by session")
    parser.add_argument("--folder", type=Path, help="where data is kept while it runs (default: /tmp)")
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS), help="default: all")
    chosen = parser.parse_args()
    load_before = os.getloadavg()
    ways = [("calls", 1, chosen.appends // 3), ("calls", 64, chosen.appends), ("session", 64, chosen.appends * 4)]
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="mink-bench-", dir=chosen.folder))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        log = stack.enter_context((folder / "log").open("w+b"))
        host = stack.enter_context(postgres(folder, log))
        collector = stack.enter_context(sink())
        wanted = [BARE, *(variant for variant in chosen.only if variant != BARE)]
        servers = {variant: stack.enter_context(mink(variant, host, collector, log)) for variant in wanted}
        for what, value in machine.describe(folder, load_before, host.version):
            say(f"{what}: {value}")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rows = runner.run(measure(servers, chosen.rounds, ways))
    print("| work | the server has | processor, µs an append | more than with nothing (middle half of the rounds) |")
    print("|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
