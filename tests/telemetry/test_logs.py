"""What is in a server's log, and what is not."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import textwrap
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from mink.v1 import errors_pb2
from mink.v1 import event_store_pb2 as pb
from mink_server.rpc.errors import to_failure, to_status
from mink_server.telemetry.call import CURRENT, Call, Method
from structlog.testing import capture_logs

from tests.rpc.conftest import Client, connected, event, failure, serve, to
from tests.telemetry.test_traces import CALL, Trace, one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.servers import MinkProcess
    from tests.telemetry.receivers import Receiver

HUSH = "4111-1111-1111-1111"
PASSWORD = "pa55w0rd-of-the-database"


def lines(process: MinkProcess, text: str = "call") -> list[dict[str, Any]]:
    """A server's log lines of one event."""
    parsed = [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]
    return [line for line in parsed if line["event"] == text]


async def logged(process: MinkProcess, method: str, count: int = 1) -> list[dict[str, Any]]:
    """The lines of the access log about a method, once there are enough."""
    for _ in range(500):
        found = [line for line in lines(process) if line["method"].endswith("/" + method)]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(process.output)


async def test_without_the_flag_a_call_leaves_no_line(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server()
    async with connected(process) as client:
        await client.append("A", event())
    assert lines(process) == []


async def test_the_access_log_has_a_line_for_each_call(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server(MINK_ACCESS_LOG="true")
    async with connected(process) as client:
        await client.store.AppendToStream(to("A", event()), metadata=(("x-request-id", "order-7"),))
        await failure(client.store.GetStream(pb.GetStreamRequest(stream="B")))
        (append,) = await logged(process, "AppendToStream")
        (get,) = await logged(process, "GetStream")
    assert re.fullmatch(r"ipv4:127\.0\.0\.1:\d+", append.pop("peer"))
    assert append.pop("duration_ms") > 0
    assert append.pop("timestamp")
    assert append == {
        "event": "call", "level": "info", "method": "/mink.v1.EventStore/AppendToStream", "code": "OK", "identity": "anybody",
        "request_id": "order-7", "received": 1, "sent": 1,
    }  # fmt: skip
    assert (get["code"], get["reason"], get["sent"]) == ("NOT_FOUND", "STREAM_NOT_FOUND", 0)
    assert re.fullmatch("[0-9a-f]{32}", get["request_id"])


async def test_sessions_subscriptions_and_calls_cut_short_have_theirs(
    start_server: Callable[..., MinkProcess], blocked: Callable[..., Any]
) -> None:
    process = start_server(MINK_ACCESS_LOG="true")
    async with connected(process) as client:
        await client.session(*(pb.SessionAppend(request_id=n, to_stream=to(f"A-{n}", event())) for n in range(5)))
        subscription = client.store.SubscribeAll(pb.SubscribeAllRequest(after_position=0))
        while (await subscription.read()).WhichOneof("message") != "caught_up":
            pass
        subscription.cancel()
        async with blocked(process):
            with pytest.raises(grpc.aio.AioRpcError):
                await client.store.AppendToStream(to("A", event()), timeout=0.3)
            (late,) = await logged(process, "AppendToStream")
    (session,) = await logged(process, "AppendSession")
    (followed,) = await logged(process, "SubscribeAll")
    assert (session["code"], session["received"]) == ("OK", 1)
    assert session["sent"] >= 1
    assert (followed["code"], followed["received"]) == ("CANCELLED", 1)
    assert followed["sent"] >= 2
    assert late["code"] == "DEADLINE_EXCEEDED"


async def test_a_line_names_the_trace(receiver: Receiver, traced: Callable[..., MinkProcess]) -> None:
    process = traced(MINK_ACCESS_LOG="true")
    async with connected(process) as client:
        await client.store.AppendToStream(to("A", event()), metadata=(trace := Trace()).metadata)
        span = await one(receiver, CALL + "AppendToStream", trace.id)
        (line,) = await logged(process, "AppendToStream")
    assert (line["trace_id"], line["span_id"]) == (trace.id, span.id)


@pytest.mark.parametrize("given", ["a\nb", "x" * 5000, '{"event": "forged"}', "\x1b[31mred"])
async def test_a_request_id_cannot_forge_lines(given: str) -> None:
    class Context:
        def invocation_metadata(self) -> Any:
            return (("x-request-id", given),)

    request_id = Call(Method("s", "m", "unary"), Context()).request_id
    assert request_id.isprintable()
    assert len(request_id) <= 100


async def everything_that_goes_wrong(client: Client) -> None:
    """Bad input of all kinds, each with something secret in it, and some that is right."""
    secret = (("authorization", f"Bearer {HUSH}"), ("x-secret", HUSH))
    payload = json.dumps({"card": HUSH})
    for request in (
        to("A", event(json=payload, card=HUSH)),
        to("A", event(json=payload), exact_version=7),
        to("A", event(json='{"card": ' + HUSH)),
        to("A", event(json=payload, event_id=HUSH)),
        to("A", event(binary=HUSH.encode() * 100_000)),
        to("A", event(json=payload, **{"k" * 300: HUSH})),
        to("", event(json=payload)),
    ):
        with suppress(grpc.aio.AioRpcError):
            await client.store.AppendToStream(request, metadata=secret, timeout=5)
    appends = [pb.SessionAppend(request_id=n, to_stream=to("A", event(json=payload), exact_version=70 + n)) for n in range(3)]
    with suppress(grpc.aio.AioRpcError):
        call = client.store.AppendSession(metadata=secret, timeout=5)
        await call.write(pb.AppendSessionRequest(appends=appends))
        await call.done_writing()
        async for _ in call:
            pass
    raw = client.channel.unary_unary("/mink.v1.EventStore/AppendToStream")
    for junk in (HUSH.encode(), b"\x0a\xff" + HUSH.encode()):
        with pytest.raises(grpc.aio.AioRpcError):
            await raw(junk, metadata=secret, timeout=5)


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_no_payload_and_no_secret_is_ever_in_the_log(
    start_server: Callable[..., MinkProcess], own_postgres: Any, log_format: str
) -> None:
    dsn = own_postgres.dsn.replace("mink@", f"mink:{PASSWORD}@", 1)
    assert PASSWORD in dsn
    process = start_server(
        dsn=dsn, MINK_LOG_LEVEL="debug", MINK_LOG_FORMAT=log_format, MINK_ACCESS_LOG="true", MINK_DATABASE_TIMEOUT="0.5"
    )
    async with connected(process) as client:
        await everything_that_goes_wrong(client)
        own_postgres.halt()
        await everything_that_goes_wrong(client)
    process.terminate()
    process.wait(30)
    written = process.output
    assert "DATABASE_UNAVAILABLE" in written
    assert "WRONG_EXPECTED_VERSION" in written
    assert HUSH not in written
    assert PASSWORD not in written
    assert "Traceback" not in written


async def test_a_wrong_password_is_not_in_the_log(own_postgres: Any) -> None:
    done = await asyncio.to_thread(
        serve, DATABASE_URL=f"postgresql://nobody:{PASSWORD}@127.0.0.1:1/x?sslmode=nonsense", MINK_LOG_LEVEL="debug"
    )
    assert done.returncode == 1
    assert PASSWORD not in done.stderr


class Context:
    """As much of a call's context as is asked for."""

    def invocation_metadata(self) -> Any:
        return (("x-request-id", "order-7"),)


@pytest.fixture
def call() -> Iterator[Call]:
    """A call that is being served."""
    token = CURRENT.set(Call(Method("mink.v1.EventStore", "GetStream", "unary"), Context()))
    made = CURRENT.get()
    assert made is not None
    yield made
    CURRENT.reset(token)


def test_an_error_that_nobody_expected_tells_the_client_the_id_that_the_log_has(call: Call) -> None:
    with capture_logs() as logs:
        status = to_status(ZeroDivisionError(HUSH))
    assert [line["request_id"] for line in logs] == ["order-7"]
    assert b"order-7" in dict(status.trailing_metadata)["grpc-status-details-bin"]
    assert call.reason == "INTERNAL"


def test_an_append_of_a_session_gets_the_sessions_id(call: Call) -> None:
    CURRENT.set(None)  # its outcome is told by the writer
    with capture_logs() as logs:
        told = to_failure(ZeroDivisionError(HUSH), call)
    assert [line["request_id"] for line in logs] == ["order-7"]
    assert b"order-7" in errors_pb2.Failure.FromString(told).details[0].value
    assert call.reason == "", "the session itself goes on"


BEGINNING = f"""
import asyncio, logging, sys
import structlog
from mink_server.core.errors import DatabaseUnavailableError
from mink_server.telemetry.call import CURRENT, Call, Method
from mink_server.telemetry.logging import configure, unhandled
configure("debug", sys.argv[1])
log = structlog.get_logger("test")
library = logging.getLogger("some.library")
HUSH = {HUSH!r}
"""


def written(code: str, log_format: str) -> str:
    """What code writes into the log, in a process of its own."""
    command = [sys.executable, "-c", BEGINNING + textwrap.dedent(code), log_format]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_exception_is_told_by_its_type_and_place_and_not_by_its_text(log_format: str) -> None:
    code = """
        def fail():
            try:
                int(HUSH)
            except ValueError as error:
                raise DatabaseUnavailableError("the database cannot be reached") from error
        for logger in (log, library):
            try:
                fail()
            except DatabaseUnavailableError:
                logger.exception("it failed")
        try:
            open("/nowhere/" + HUSH)
        except OSError:
            log.exception("it failed, too")
    """
    text = written(code, log_format)
    assert text.count("ValueError") == text.count("mink_server.core.errors.DatabaseUnavailableError: the database cannot be") == 2
    assert text.count(" in fail") == 4
    assert "FileNotFoundError: No such file or directory" in text
    assert HUSH not in text


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_text_makes_no_second_line_and_is_not_long(log_format: str) -> None:
    code = r"""
        log.warning("a\nb\x1b[31m\u2028", why="c\r\nd", long="x" * 100_000)
        library.warning("e\nf")
    """
    text = written(code, log_format)
    assert text.count("\n") == len(text.splitlines()) == 2
    assert "\x1b" not in text
    assert len(text) < 5_000


def test_what_asyncio_could_tell_nobody_is_told_without_what_it_holds() -> None:
    code = """
        async def break_down():
            raise KeyError(HUSH)
        async def main():
            asyncio.get_running_loop().set_exception_handler(unhandled)
            task = asyncio.create_task(break_down(), name="mink-broken")
            await asyncio.wait((task,))
        asyncio.run(main())
    """
    line = json.loads(written(code, "json"))
    assert (line["event"], line["task"], line["level"]) == ("unhandled", "mink-broken", "error")
    assert line["what"] == "Task exception was never retrieved"
    assert line["exception"].startswith("KeyError\n")
    assert HUSH not in str(line)


def test_a_line_says_which_call_it_is_about() -> None:
    code = """
        class Context:
            def invocation_metadata(self):
                return (("x-request-id", "order-7"),)
        CURRENT.set(Call(Method("mink.v1.EventStore", "GetStream", "unary"), Context()))
        log.debug("quiet")
        log.warning("loud", request_id="another")
    """
    quiet, loud = map(json.loads, written(code, "json").splitlines())
    assert (quiet["request_id"], quiet["method"], quiet["identity"]) == ("order-7", "/mink.v1.EventStore/GetStream", "anybody")
    assert loud["request_id"] == "another"
