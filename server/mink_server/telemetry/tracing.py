"""Traces, by OpenTelemetry: off, and not even loaded, unless its environment variables name a collector."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from mink_server.settings import SettingsError
from mink_server.telemetry.tracing_settings import Collector, collector
from mink_server.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

    from mink_server.core.log import Writes
    from mink_server.telemetry.export import Quiet
    from mink_server.telemetry.spans import BatchSpans

# Seconds that spans may take to be sent at the end, and that giving them up may take.
_GRACE: Final = 2.0
_GIVING_UP: Final = 0.5


class Tracing:
    """Traces that are sent to a collector. Made by `start`.

    Attributes:
        collector: Where they go.
        tracer: Makes spans.
        batches: Makes spans of batches.
    """

    def __init__(self, where: Collector, provider: TracerProvider, quiet: Quiet) -> None:
        from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor  # noqa: PLC0415 - only who has traces loads it

        from mink_server.telemetry.spans import BatchSpans, Children  # noqa: PLC0415 - see above

        self._provider = provider
        self._quiet = quiet
        self._statements: Any = AsyncPGInstrumentor()  # type: ignore[no-untyped-call]
        self._statements.instrument(tracer_provider=Children(provider))
        self.collector = where
        self.tracer: Tracer = provider.get_tracer("mink_server", VERSION)
        self.batches: BatchSpans = BatchSpans(self.tracer)

    def writes(self, writes: Writes) -> Writes:
        """What takes appends, with a span for each append."""
        from mink_server.telemetry.spans import TracedWrites  # noqa: PLC0415 - see above

        return TracedWrites(writes, self.tracer)

    async def stop(self) -> None:
        """Sends what there is, for at most two seconds; a collector that is away is not waited for."""
        self._statements.uninstrument()
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            try:
                self._provider.shutdown()
            finally:
                with suppress(RuntimeError):  # the loop has ended before
                    loop.call_soon_threadsafe(ended.set)

        # In a thread that the process does not wait for: OpenTelemetry's own end may take half a minute.
        threading.Thread(target=end, name="mink-traces-end", daemon=True).start()
        for seconds in (0.0 if self._quiet.lost else _GRACE, _GIVING_UP):
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await ended.wait()
            self._quiet.abort()


def start() -> Tracing | None:
    """Starts traces if the environment asks for them.

    Raises:
        SettingsError: A variable of OpenTelemetry's cannot be used; the text is one line that names it.
    """
    # OpenTelemetry means an empty variable to be one that is not set, and does not always keep to it.
    for name in [name for name, value in os.environ.items() if name.startswith("OTEL_") and not value.strip()]:
        del os.environ[name]
    where = collector(os.environ)
    if where is None:
        return None
    try:
        return _start(where)
    except Exception as error:
        # The checks know the mistakes that people make. What is left is named by its type: its text may hold a secret.
        raise SettingsError(f"OTEL_…: OpenTelemetry cannot use its settings ({type(error).__name__})") from error


def _start(where: Collector) -> Tracing:
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource  # noqa: PLC0415 - only who has traces loads it
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    from mink_server.telemetry.export import Quiet, exporter  # noqa: PLC0415 - see above

    resource = Resource({SERVICE_VERSION: VERSION}).merge(Resource.create())
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "mink"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    # Spans that find no room while the collector is away are dropped, and not spoken of one by one.
    logging.getLogger("opentelemetry.sdk._shared_internal").setLevel(logging.ERROR)
    quiet = Quiet(exporter(where), where)
    provider.add_span_processor(BatchSpanProcessor(quiet))
    return Tracing(where, provider, quiet)
