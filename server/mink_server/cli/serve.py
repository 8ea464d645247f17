"""`mink serve`."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mink_server.settings import Settings, SettingsError, for_clients, is_loopback, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from mink_server.app import App


def _settings_help() -> str:
    """Every setting with its default, for `mink serve --help`."""
    lines = ["Settings, as environment variables:", ""]
    for field in Settings.model_fields.values():
        default = field.default
        shown = "not set" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
        lines += ["\b", f"{field.validation_alias}  [{shown}]", f"    {field.description}", ""]
    return "\n".join(lines)


def serve(
    listen: Annotated[str | None, typer.Option(help="Where gRPC is served (MINK_LISTEN).")] = None,
    http_listen: Annotated[str | None, typer.Option(help="Where health checks are served (MINK_HTTP_LISTEN).")] = None,
    metrics_listen: Annotated[str | None, typer.Option(help="Where /metrics is served (MINK_METRICS_LISTEN).")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the embedded Postgres keeps its data (MINK_DATA_DIR).")] = None,
    migrate: Annotated[bool | None, typer.Option("--migrate", help="Apply pending migrations first (MINK_MIGRATE).")] = None,
    insecure: Annotated[
        bool | None, typer.Option("--insecure", help="Serve other addresses than loopback without TLS and tokens (MINK_INSECURE).")
    ] = None,
) -> None:
    """Runs the event store, on DATABASE_URL or on an embedded Postgres."""
    flags: dict[str, Any] = {
        "listen": listen,
        "http_listen": http_listen,
        "metrics_listen": metrics_listen,
        "data_dir": data_dir,
        "migrate": migrate,
        "insecure": insecure,
    }
    try:
        settings = load(**{name: value for name, value in flags.items() if value is not None})
    except SettingsError as error:
        _fail(str(error))

    from mink_server.telemetry.logging import configure  # noqa: PLC0415 - a wrong setting is told before the server is loaded

    configure(settings.log_level, settings.log_format)
    # gRPC's core writes lines of its own, in a form of its own, about what Mink says anyway.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    _loop_runner(settings)


serve.__doc__ = f"{serve.__doc__}\n\n{_settings_help()}"


def _loop_runner(settings: Settings) -> None:
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform

        factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    except ImportError:
        factory = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_run(settings))


async def _run(settings: Settings) -> None:
    from mink_server.app import App  # noqa: PLC0415 - see above
    from mink_server.core.errors import MinkError  # noqa: PLC0415
    from mink_server.storage.embedded import EmbeddedPostgresError  # noqa: PLC0415
    from mink_server.telemetry.logging import unhandled  # noqa: PLC0415

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(unhandled)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    app = App(settings)
    starting = asyncio.create_task(app.start())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return
        try:
            await starting
        except (EmbeddedPostgresError, MinkError, OSError, SettingsError) as error:
            _fail(_why(error, settings))
        _quiet_collector()
        _announce(app, settings)
        await stop.wait()
        _say(f"Stopping: calls in flight have {settings.drain_seconds:g} s.")
        await app.stop()
        _say("Stopped.")
    finally:
        stopping.cancel()


def _quiet_collector() -> None:
    """Keeps the garbage collector from looking at all that the start has made, again and again: 40 ms each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _announce(app: App, settings: Settings) -> None:
    _say(f"Mink is running on {app.database}.")
    _say(f"  gRPC     {app.grpc_address}")
    _say(f"  health   http://{app.http_address}/health/ready")
    _say(f"  metrics  http://{app.metrics_address}/metrics")
    if app.embedded_url:
        # It has no password: who may open the socket's folder may read the data files as well.
        _say(f"  Postgres {app.embedded_url}")
    if app.tracing is not None:
        _say(f"  traces   {app.tracing.collector.url} ({app.tracing.collector.protocol})")
    for line in _who_can_reach(settings):
        _say(f"  {line}")
    for line in for_clients(settings):
        _say(f"  Warning: {line}")


def _who_can_reach(settings: Settings) -> list[str]:
    """What whoever starts it should know about who can do what."""
    tls = "TLS" if settings.tls_client_ca_file is None else "mutual TLS"
    lines = []
    if settings.tls_cert_file is not None:
        lines.append(f"gRPC is served over {tls}.")
    if settings.tokens_file is not None:
        lines.append(f"Callers need a token or a certificate that {settings.tokens_file} knows.")
    if settings.secured:
        return lines
    if not all(map(is_loopback, (settings.listen, settings.http_listen, settings.metrics_listen))):
        open_to_all = settings.tokens_file is None and settings.tls_client_ca_file is None
        can = "can read, append and delete" if open_to_all else "can listen, and what is sent is not encrypted"
        return [*lines, f"Anyone who reaches these addresses {can}: --insecure is on."]
    return (
        [*lines, "Only this machine can reach them."]
        if lines
        else ["Only this machine can reach them: there is no TLS and no token."]
    )


def _why(error: Exception, settings: Settings) -> str:
    text = str(error) or type(error).__name__
    if not isinstance(error, OSError):
        return text
    # Which of them it was, if two have the same address, cannot be told: both are named.
    named = [
        name
        for name, address in (
            ("MINK_LISTEN", settings.listen),
            ("MINK_HTTP_LISTEN", settings.http_listen),
            ("MINK_METRICS_LISTEN", settings.metrics_listen),
        )
        if text.startswith(f"cannot listen on {address}: ")
    ]
    return f"{', '.join(named)}: {text}" if named else text


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - for the person who started it


def _fail(message: str) -> Any:
    _say(f"mink serve: {message}")
    raise typer.Exit(1)
