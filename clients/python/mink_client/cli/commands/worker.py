"""`mink worker run`: projections, in this process."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mink_client import MinkError
from mink_client.cli import options
from mink_client.cli.command import command
from mink_client.cli.errors import Failure, explain, wrong_call
from mink_client.cli.session import Session

if TYPE_CHECKING:
    from mink_client.projections.definition import Definition
    from mink_client.worker import Worker

_log: Final = logging.getLogger("mink_client.worker")

_OFF: Final = "off"
_STUCK: Final = 15.0
"""Seconds after the drain in which everything else must end."""
_STUCK_AT_ONCE: Final = 5.0

_Projections = Annotated[
    list[str],
    typer.Argument(metavar="PROJECTION", help="The projections: package.module:Name, or a module that is one.", show_default=False),
]
_MaxPartitions = Annotated[
    int, typer.Option("--max-partitions", min=0, max=256, metavar="N", help="Take so many partitions of each at most; 0: all.")
]
_Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="A name for this worker; host:pid if not given.", show_default=False)
]
_Listen = Annotated[
    str,
    typer.Option("--http-listen", envvar="MINK_WORKER_HTTP_LISTEN", metavar="HOST:PORT|off", help="Where health and metrics are."),
]
_Drain = Annotated[
    float, typer.Option("--drain-seconds", min=0, max=3600, metavar="S", help="How long SIGTERM lets finish what is under way.")
]
_Wait = Annotated[
    float | None,
    typer.Option(
        "--wait",
        min=0.1,
        max=86400,
        metavar="S",
        help="Give up if no server has answered by then; otherwise wait.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    command(app, "run", formats=False)(_run)


async def _run(
    session: Session,
    projections: _Projections,
    max_partitions: _MaxPartitions = 0,
    name: _Name = None,
    http_listen: _Listen = "127.0.0.1:8081",
    drain_seconds: _Drain = 10.0,
    wait: _Wait = None,
    verbose: options.Verbose = False,
) -> None:
    """Run projections until SIGTERM or Ctrl-C, which finish what is under way; a second one ends at once.

    The current folder is where modules are looked for first. A server that is not there yet, or goes away, is waited for.
    /health/live, /health/ready and /metrics are at --http-listen.
    """
    _needs_extra(http_listen != _OFF)
    logging.getLogger("mink_client").setLevel(logging.DEBUG if verbose else logging.WARNING)
    _log.setLevel(logging.DEBUG if verbose else logging.INFO)
    definitions = [_load(one) for one in projections]
    async with session.client() as mink:
        from mink_client.worker import Worker  # noqa: PLC0415 - see above

        try:
            worker = Worker(mink, definitions, name=name, max_partitions=max_partitions, drain_seconds=drain_seconds, patience=wait)
        except ValueError as error:
            raise wrong_call(str(error)) from None
        async with AsyncExitStack() as running:
            if http_listen != _OFF:
                await _serve(worker, http_listen, running)
            with _signals(worker, drain_seconds):
                await _until_stopped(worker, session)


async def _until_stopped(worker: "Worker", session: Session) -> None:
    from mink_client.projections.definition import DefinitionError  # noqa: PLC0415 - nothing else here needs it

    try:
        await worker.run()
    except DefinitionError as error:
        raise wrong_call(f"{_which(error)}{error}") from error
    except MinkError as error:
        failure = explain(error, session.server)
        raise Failure(_which(error) + failure.message, failure.code) from error
    except Exception as error:  # what a target raises that cannot be opened
        raise Failure(f"{_which(error)}{type(error).__name__}: {error}") from error
    _log.info("stopped")


def _which(error: Exception) -> str:
    """Whose error it is."""
    return "".join(f"{note}: " for note in getattr(error, "__notes__", ()))


def _needs_extra(http: bool) -> None:
    try:
        if http:
            import mink_client.worker.health  # noqa: PLC0415 - the extra may be missing
            import mink_client.worker.http  # noqa: F401, PLC0415
    except ImportError as error:
        raise Failure(f"mink worker needs {error.name}, which is not installed; run: pip install 'mink-client[worker]'") from None


def _load(text: str) -> "Definition":
    from mink_client.projections.definition import DefinitionError  # noqa: PLC0415 - nothing else here needs them
    from mink_client.projections.loading import load  # noqa: PLC0415

    try:
        return load(text)
    except DefinitionError as error:
        raise wrong_call(str(error)) from error


async def _serve(worker: "Worker", address: str, running: AsyncExitStack) -> None:
    from mink_client.worker.health import health_app  # noqa: PLC0415 - needs the extra
    from mink_client.worker.http import HttpServer  # noqa: PLC0415

    try:
        server = HttpServer(health_app(worker), address)
    except ValueError as error:
        raise wrong_call(f"--http-listen (MINK_WORKER_HTTP_LISTEN): {error}") from None
    try:
        await server.start()
    except OSError as error:
        raise Failure(f"{error}; --http-listen (MINK_WORKER_HTTP_LISTEN) chooses another address, or off") from None
    running.push_async_callback(server.stop)
    _log.info("health and metrics at http://%s/", server.address)


@contextmanager
def _signals(worker: "Worker", drain_seconds: float) -> Iterator[None]:
    """SIGTERM and SIGINT drain the worker; a second one ends it at once.

    They are heard also while a handler blocks the event loop, and what hangs for ever does not keep the process.
    """
    loop = asyncio.get_running_loop()
    heard = 0

    def stop(number: int, _frame: object) -> None:
        nonlocal heard
        heard += 1
        at_once = heard > 1
        loop.call_soon_threadsafe(lambda: worker.stop(at_once=at_once))
        _leave_after(_STUCK_AT_ONCE if at_once else drain_seconds + _STUCK)
        if not at_once:
            loop.call_soon_threadsafe(_log.info, "stopping: %s", signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_after(seconds: float) -> None:
    """Ends the process, whatever still hangs in it: a thread cannot be cancelled."""

    def leave() -> None:
        sys.stderr.write("mink: something hangs; ending without it\n")
        sys.stderr.flush()
        os._exit(1)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()
