"""A collector that is away costs nothing but a log line; a variable that cannot be used is named."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.rpc.conftest import connected, event, serve
from tests.telemetry.receivers import grpc_receiver
from tests.telemetry.test_traces import CALL, Trace, append, one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.servers import MinkProcess


def lines(process: MinkProcess, text: str) -> list[dict[str, Any]]:
    """The JSON lines of a server's log about something."""
    return [json.loads(line) for line in process.output.splitlines() if line.startswith("{") and text in line]


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address that refuses connections, and is nobody else's meanwhile."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_a_server_whose_collector_is_away_serves_and_stops_in_time(
    start_server: Callable[..., MinkProcess], nobody: str, protocol: str
) -> None:
    process = start_server(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{nobody}",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
        OTEL_BSP_SCHEDULE_DELAY="20",
        OTEL_BSP_MAX_QUEUE_SIZE="100",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="10",
    )
    async with connected(process) as client:
        end = time.monotonic() + 20
        while not lines(process, "traces cannot be sent"):
            assert time.monotonic() < end
            await asyncio.gather(*(append(client, Trace(), f"A-{n}") for n in range(50)))
        for _ in range(5):
            await asyncio.gather(*(append(client, Trace(), f"A-{n}") for n in range(50)))
            await asyncio.sleep(0.3)
    process.terminate()
    assert process.wait(20) == 0  # OpenTelemetry alone would take half a minute
    (said,) = lines(process, "traces cannot be sent")
    assert said["collector"].startswith(f"http://{nobody}")
    assert said["why"]
    assert lines(process, '"level": "warning"') == [said]
    assert lines(process, '"level": "error"') == []
    assert "Traceback" not in process.output


async def test_a_collector_that_never_answers_does_not_hold_up_the_end(
    start_server: Callable[..., MinkProcess], silent: str
) -> None:
    process = start_server(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{silent}", OTEL_EXPORTER_OTLP_TIMEOUT="60", OTEL_BSP_SCHEDULE_DELAY="20"
    )
    async with connected(process) as client:
        await append(client, Trace())
    process.terminate()
    assert process.wait(20) == 0  # OpenTelemetry alone would take half a minute
    assert "Traceback" not in process.output


async def test_a_collector_that_comes_back_gets_traces_again(start_server: Callable[..., MinkProcess]) -> None:
    with socket.socket() as place:  # nobody else gets the port while the collector is away
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        place.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{place.getsockname()[1]}"
        process = start_server(
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{address}", OTEL_EXPORTER_OTLP_TIMEOUT="0.5", OTEL_BSP_SCHEDULE_DELAY="20"
        )
        async with connected(process) as client:
            end = time.monotonic() + 20
            while not lines(process, "traces cannot be sent"):
                assert time.monotonic() < end
                await append(client, Trace())
            async with grpc_receiver(address) as receiver:
                while not lines(process, "takes traces again"):
                    assert time.monotonic() < end + 20
                    await append(client, trace := Trace())
                    await asyncio.sleep(0.05)
                await append(client, trace)
                assert await receiver.until(lambda: receiver.named(CALL + "AppendToStream", trace.id))
                (again,) = lines(process, "takes traces again")
                assert again["spans_lost"] > 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "tcp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://host:port"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://host:1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hush@host:4317"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "two words"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_PROPAGATORS", "tracecontext,pigeon"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5000"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "-1"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem"),
    ],
)
def test_a_variable_that_cannot_be_used_stops_the_server_with_a_line_that_names_it(name: str, value: str) -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "DATABASE_URL": "postgresql://127.0.0.1:1/none"} | {name: value}
    done = serve(**env)
    assert done.returncode == 1
    assert done.stderr.startswith(f"mink serve: {name}: ")
    assert done.stderr.count("\n") == 1
    assert "hush" not in done.stderr


@pytest.mark.parametrize("argument", ["half", "2", "-0.1", "nan"])
def test_a_ratio_is_a_number_from_0_to_1(argument: str) -> None:
    done = serve(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG=argument,
        DATABASE_URL="postgresql://127.0.0.1:1/none",
    )
    assert (done.returncode, done.stderr) == (1, "mink serve: OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1\n")


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
    ids=["nothing set", "empty", "disabled", "no exporter"],
)
async def test_without_traces_opentelemetry_is_not_even_loaded(
    start_server: Callable[..., MinkProcess], env: dict[str, str]
) -> None:
    process = start_server(**env)
    async with connected(process) as client:
        await append(client, Trace())
        assert (await client.read("A"))[0].metadata == {}
    loaded = await asyncio.to_thread(Path(f"/proc/{process.pid}/maps").read_text)
    assert "uvloop" in loaded
    assert "wrapt" not in loaded  # a compiled part of what instruments asyncpg
    assert "traces" not in process.output


def test_the_server_can_be_loaded_without_opentelemetry() -> None:
    code = "import sys, mink_server.app, mink_server.cli.serve; sys.exit(any(m.startswith('opentelemetry') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


async def test_an_empty_variable_is_one_that_is_not_set(start_server: Callable[..., MinkProcess]) -> None:
    async with grpc_receiver() as receiver:
        process = start_server(
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"http://{receiver.address}",
            OTEL_EXPORTER_OTLP_ENDPOINT="",
            OTEL_TRACES_SAMPLER="",
            OTEL_PROPAGATORS=" ",
            OTEL_BSP_SCHEDULE_DELAY="50",
            OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        )
        async with connected(process) as client:
            await append(client, trace := Trace(), "A", event())
            await one(receiver, CALL + "AppendToStream", trace.id)
