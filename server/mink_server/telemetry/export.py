"""Sends spans to a collector, in a thread of its own, and says so when it cannot: one line, then at most one a minute."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

import structlog
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from mink_server.telemetry.tracing_settings import Collector

log = structlog.get_logger(__name__)

_SAY_EVERY: Final = 60.0


def exporter(collector: Collector) -> SpanExporter:
    """OpenTelemetry's exporter for a collector, which reads headers, timeouts and certificates from the environment.

    Raises:
        Exception: Whatever OpenTelemetry raises for what it cannot use.
    """
    if collector.protocol == "grpc":
        from grpc import Compression  # noqa: PLC0415 - only the exporter that is used is loaded
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc  # noqa: PLC0415

        compression = Compression.Gzip if collector.compression == "gzip" else Compression.NoCompression
        return Grpc(endpoint=collector.url, insecure=collector.plain, compression=compression)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http  # noqa: PLC0415

    return Http(endpoint=collector.url)


class Quiet(SpanExporter):
    """An exporter whose failures cost nothing but a log line now and then.

    Attributes:
        lost: Spans that could not be sent since the collector last took some.

    Args:
        exporter: What sends.
        collector: Where to, for the log.
    """

    def __init__(self, exporter: SpanExporter, collector: Collector) -> None:
        self._exporter = exporter
        self._collector = collector
        self._said = -_SAY_EVERY
        self._told = False
        self._stopping = threading.Lock()
        self._stopped = False
        self.lost = 0
        self._why = _Why()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends spans. Does not raise."""
        if self._stopped:
            self.lost += len(spans)
            return SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - no trace is worth more than the thread that sends them
            self._why.text = type(error).__name__
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            if self._told:
                self._told = False
                log.info("the collector takes traces again", collector=self._collector.url, spans_lost=self.lost)
            self.lost = 0
        else:
            self.lost += len(spans)
            self._say()
        return result

    def _say(self) -> None:
        now = time.monotonic()
        if now - self._said >= _SAY_EVERY and not self._stopped:
            self._said = now
            self._told = True
            log.warning("traces cannot be sent", collector=self._collector.url, why=self._why.text, spans_lost=self.lost)

    def abort(self) -> None:
        """Gives up whatever is being sent, and sends nothing more."""
        with self._stopping:
            if not self._stopped:
                self._stopped = True
                self._exporter.shutdown()

    def shutdown(self) -> None:
        """Ends."""
        self.abort()


class _Why(logging.Handler):
    """Keeps what exporters last said in the log of their own. It goes into Mink's lines and nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""
        logger = logging.getLogger("opentelemetry")
        logger.handlers = [self]
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a record's text."""
        if record.name.startswith("opentelemetry.exporter"):
            self.text = record.getMessage()[:300]
