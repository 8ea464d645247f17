"""Spans of what lies behind a call: appends, the batches that they are committed in, and statements.

A batch serves many callers, so its span is a child of the first one's and has links to the others', and theirs have links to it.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context, get_value
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    TracerProvider,
    get_current_span,
    set_span_in_context,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mink_server.core.errors import MinkError
from mink_server.core.limits import MAX_METADATA_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from mink_server.core.events import Append
    from mink_server.core.log import Writes

# In the context of a call whose caller has sent a trace.
CONTINUED: Final = "mink-continued"
_MOST_LINKS: Final = 64
_LONGEST_STATE: Final = 512
_NOTHING: Final = Context()
_w3c: Final = TraceContextTextMapPropagator()


class TracedWrites:
    """Takes appends, and knows which span each belongs to: its call's, or (in a session) one of its own.

    Args:
        writes: Takes them in earnest.
        tracer: Makes spans.
    """

    def __init__(self, writes: Writes, tracer: Tracer) -> None:
        self._writes = writes
        self._tracer = tracer

    def submit(self, append: Append) -> None:
        """See Writes."""
        span = get_current_span()
        if span.get_span_context().is_valid:
            known = bool(get_value(CONTINUED))
            self._hand_on(append, span, known=known)
            self._writes.submit(append)
            return
        # A session is one long call; its own span says nothing of an append.
        parent = _parent(append)
        span = self._begin(append, parent)
        self._hand_on(append, span, known=get_current_span(parent).get_span_context().is_valid)
        if not span.is_recording():
            self._writes.submit(append)
            return
        done = append.done

        def ended(append: Append) -> None:
            _end(span, append.outcome)
            done(append)

        append.done = ended
        try:
            self._writes.submit(append)
        except MinkError as error:
            _end(span, error)
            raise

    def _begin(self, append: Append, parent: Context) -> Span:
        attributes: dict[str, str | int] = {"mink.events": sum(len(write.events) for write in append.writes)}
        if len(append.writes) == 1:
            attributes["mink.stream"] = append.writes[0].stream
        return self._tracer.start_span("mink.append", parent, SpanKind.SERVER, attributes)

    @staticmethod
    def _hand_on(append: Append, span: Span, *, known: bool) -> None:
        """Puts a span into an append, and into the metadata of its events that have none.

        A trace that began here and is not recorded is left out: nobody knows of it.
        """
        if span.is_recording():
            append.span = span
        if not (known or span.get_span_context().trace_flags.sampled):
            return
        added: dict[str, str] = {}
        _w3c.inject(added, set_span_in_context(span, _NOTHING))
        if len(added.get("tracestate", "")) > _LONGEST_STATE:
            del added["tracestate"]
        for write in append.writes:
            for event in write.events:
                metadata = event.metadata or {}
                if "traceparent" not in metadata and len(metadata) + len(added) <= MAX_METADATA_ENTRIES:
                    event.metadata = {**metadata, **added}


def _parent(append: Append) -> Context:
    """The context that the first event with a trace was made in."""
    for write in append.writes:
        for event in write.events:
            if event.metadata and "traceparent" in event.metadata:
                return _w3c.extract(event.metadata, _NOTHING)
    return _NOTHING


def _end(span: Span, outcome: object) -> None:
    if isinstance(outcome, MinkError):
        span.set_attribute("mink.reason", outcome.reason)
        if outcome.reason in FAULTS:
            span.set_status(Status(StatusCode.ERROR, outcome.reason))
    span.end()


# Of the reasons of errors, those that are the server's doing: OpenTelemetry wants no others to count as errors of a server's span.
FAULTS: Final = frozenset({"INTERNAL", "DATABASE_UNAVAILABLE", "SHUTTING_DOWN", "DEADLINE_EXCEEDED"})


class BatchSpans:
    """Makes spans of batches.

    Args:
        tracer: Makes spans.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def batch(self, appends: Sequence[Append], size: int) -> AbstractContextManager[Callable[[MinkError], None]]:
        """The span of a batch, current while it lasts; none if none of its appends is recorded.

        Args:
            appends: What is in it.
            size: Bytes of their events.

        Returns:
            What to call with the error of appends that failed with the batch.
        """
        spans: list[Span] = [append.span for append in appends if append.span is not None]
        return self._linked(spans, appends, size) if spans else _unrecorded()

    @contextmanager
    def _linked(self, spans: list[Span], appends: Sequence[Append], size: int) -> Iterator[Callable[[MinkError], None]]:
        first, *others = spans
        attributes = {
            "mink.appends": len(appends),
            "mink.events": sum(len(write.events) for append in appends for write in append.writes),
            "mink.bytes": size,
        }
        links = [Link(span.get_span_context()) for span in others[:_MOST_LINKS]]
        below = set_span_in_context(first, _NOTHING)
        batch = self._tracer.start_span("mink.append_batch", below, attributes=attributes, links=links)
        for span in others:
            span.add_link(batch.get_span_context())

        def failed(error: MinkError) -> None:
            batch.set_attribute("mink.reason", error.reason)
            batch.set_status(Status(StatusCode.ERROR, error.reason))

        with use_span(batch, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            yield failed


@contextmanager
def _unrecorded() -> Iterator[Callable[[MinkError], None]]:
    """Keeps asyncpg's instrumentation from finding out, at some cost, that there is nothing to do."""
    with suppress_instrumentation():
        yield _ignore


def _ignore(_: MinkError) -> None:
    pass


class Children(TracerProvider):
    """Makes spans only below spans that are recorded, and keeps what exceptions say out of them: it may quote what callers sent.

    For asyncpg's instrumentation, which would begin a trace for every statement that the server runs for itself.

    Args:
        provider: Makes the spans.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        """See TracerProvider."""
        return _ChildTracer(self._provider.get_tracer(*args, **kwargs))


# Where asyncpg's instrumentation puts the statement, and where it will. Its name would be the first word: of ours, a comment.
_STATEMENT: Final = frozenset({"db.statement", "db.query.text"})


@lru_cache(maxsize=256)
def _without_comment(statement: str) -> str:
    lines = [line for line in statement.splitlines() if not line.startswith("--")]
    return "\n".join(lines).strip() or statement


class _ChildTracer(Tracer):
    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def start_span(self, name: str, *args: Any, **kwargs: Any) -> Span:
        if not get_current_span().is_recording():
            return INVALID_SPAN
        return self._tracer.start_span(name, *args, **kwargs)

    @contextmanager
    def start_as_current_span(  # type: ignore[override]
        self, name: str, *, kind: SpanKind = SpanKind.CLIENT, attributes: Mapping[str, Any] | None = None, **_: Any
    ) -> Iterator[Span]:
        if not get_current_span().is_recording():
            yield INVALID_SPAN
            return
        shown = dict(attributes or {})
        for key in _STATEMENT.intersection(shown):
            shown[key] = _without_comment(shown[key])
            name = shown[key].split(maxsplit=1)[0]
        span = self._tracer.start_span(name, kind=kind, attributes=shown)
        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            yield span
