"""Traces, if the process has them: the caller's trace goes along with calls and into events, and each call is a span.

Nothing here imports OpenTelemetry before the process does: who never loads it pays for one look into a dictionary.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import grpc

from mink_client.errors import MinkError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

T = TypeVar("T")
Metadata = tuple[tuple[str, str | bytes], ...]

_PACKAGE: Final = "mink_client"
_API: Final = "opentelemetry.trace"
_OK: Final = grpc.StatusCode.OK.value[0]


class _WithMetadata(Protocol):
    @property
    def metadata(self) -> Mapping[str, str]: ...


class _StreamingCall(Protocol):
    def __aiter__(self) -> AsyncIterator[Any]: ...
    def cancel(self) -> bool: ...


class Tracing:
    """OpenTelemetry, as far as this package uses it."""

    def __init__(self) -> None:
        from opentelemetry import context, propagate, trace  # noqa: PLC0415 - see above
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._trace = trace
        self._context = context
        self._propagate = propagate
        self._w3c = TraceContextTextMapPropagator()
        # Made before or after the process sets a provider, it follows the one that is set.
        self._tracer = trace.get_tracer(_PACKAGE)

    def start(self, path: str, target: str) -> "Span | None":
        """Begins the span of a call. None if there is no trace to continue, and no provider that begins one.

        Args:
            path: The call's path: `/mink.v1.EventStore/GetStream`.
            target: The server's address.
        """
        span = self._tracer.start_span(path[1:], kind=self._trace.SpanKind.CLIENT, attributes=_attributes(path, target))
        return span if span.get_span_context().is_valid else None

    def current(self, span: "Span") -> "AbstractContextManager[Span]":
        """Makes a span the current one."""
        return self._trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False)

    @contextmanager
    def during(self, span: "Span") -> "Iterator[None]":
        """Makes a span the current one, and ends it with what came of the call."""
        with self.current(span):
            error: BaseException | None = None
            try:
                yield
            except BaseException as raised:
                error = raised
                raise
            finally:
                self.end(span, error)

    async def traced(self, span: "Span", call: Awaitable[T]) -> T:
        """Waits for a call within its span."""
        with self.during(span):
            return await call

    def end(self, span: "Span", error: BaseException | None = None) -> None:
        """Ends a span.

        Args:
            span: The span of a call. One that is only carried on, because nothing is recorded here, is left alone.
            error: What the call raised. Its message stays out of the trace.
        """
        if not span.is_recording():
            return
        if error is None:
            span.set_attribute("rpc.grpc.status_code", _OK)
        else:
            span.set_attribute("error.type", _kind(error))
            if isinstance(error, grpc.aio.AioRpcError):
                span.set_attribute("rpc.grpc.status_code", error.code().value[0])
            span.set_status(self._trace.StatusCode.ERROR, _kind(error))
        span.end()

    def carry(self, metadata: Metadata | None) -> Metadata | None:
        """The metadata of a call, with what the process's propagator adds of the current context."""
        if not self._context.get_current():
            return metadata
        carrier: dict[str, str] = {}
        self._propagate.inject(carrier)
        # gRPC refuses a call for a header that it cannot send; a trace is not worth that.
        added = tuple((key.lower(), value) for key, value in carrier.items() if value.isascii() and value.isprintable())
        return (*(metadata or ()), *added) or None

    def for_events(self, span: "Span") -> dict[str, str]:
        """What goes into the metadata of events: `traceparent`, and `tracestate` if there is one. No baggage: events stay."""
        carrier: dict[str, str] = {}
        self._w3c.inject(carrier, self._trace.set_span_in_context(span, self._context.Context()))
        return carrier

    def context_of(self, metadata: Mapping[str, str]) -> "Context":
        """The current context, in which the span that the metadata names is the current one."""
        return self._w3c.extract(metadata, self._context.get_current())


_tracing: Tracing | None = None


def tracing() -> Tracing | None:
    """OpenTelemetry, if this process has loaded it."""
    global _tracing  # noqa: PLW0603 - found once
    if _tracing is None and _API in sys.modules:
        _tracing = Tracing()
    return _tracing


def context_of(event: _WithMetadata) -> "Context":
    """The context in which the append of an event was traced, so that whoever handles the event continues the trace.

    ```python
    with tracer.start_as_current_span("bill the order", context=context_of(event)):
        ...
    ```

    Args:
        event: An event, usually a `RecordedEvent`.

    Returns:
        The current context, with the span of the append as the parent of spans to come; as it is, if the event has no
        `traceparent` in its metadata or one that is damaged.

    Raises:
        ImportError: OpenTelemetry is not installed.
    """
    try:
        found = tracing() or Tracing()
    except ImportError:
        raise ImportError("traces need OpenTelemetry; run: pip install 'mink-client[otel]'") from None
    return found.context_of(event.metadata)


class TracedStream(Generic[T]):
    """A call that answers with a stream, and its span, which ends with the call."""

    def __init__(self, tracing: Tracing, span: "Span", call: _StreamingCall) -> None:
        self._tracing = tracing
        self._span: Span | None = span
        self._call = call
        self._messages = aiter(call)

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await anext(self._messages)
        except StopAsyncIteration:
            self._end(None)
            raise
        except BaseException as error:
            self._end(error)
            raise

    def cancel(self) -> bool:
        """Ends the call. A reader that has enough is no failure."""
        self._end(None)
        return self._call.cancel()

    def _end(self, error: BaseException | None) -> None:
        if self._span is not None:
            self._tracing.end(self._span, error)
            self._span = None


@lru_cache(256)
def _attributes(path: str, target: str) -> dict[str, str | int]:
    _, service, method = path.split("/")
    host, _, port = target.rpartition(":")
    known: dict[str, str | int] = {
        "rpc.system": "grpc",
        "rpc.service": service,
        "rpc.method": method,
        "server.address": host or target,
    }
    if port.isdecimal():
        known["server.port"] = int(port)
    return known


def _kind(error: BaseException) -> str:
    if isinstance(error, MinkError):
        return error.reason
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code().name
    return "CANCELLED" if isinstance(error, asyncio.CancelledError) else type(error).__name__
