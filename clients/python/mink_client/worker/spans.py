"""Each apply as a span, if the process has OpenTelemetry; nothing here loads it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mink_client.tracing import tracing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mink_client.events import RecordedEvent
    from mink_client.projections.lease import Lease


@contextmanager
def apply_span(lease: Lease, events: Sequence[RecordedEvent]) -> Iterator[None]:
    """A span around an apply, in which the handlers' own spans are children. Its error is named by type; a message may hold data.

    Args:
        lease: Under which lease.
        events: What is applied; nothing: there is no span.
    """
    traces = tracing()
    if traces is None or not events:
        yield
        return
    attributes: dict[str, str | int] = {
        "projection": lease.projection,
        "partition": lease.partition,
        "build": lease.build,
        "events": len(events),
        "first_position": events[0].position,
        "last_position": events[-1].position,
    }
    with traces._tracer.start_as_current_span(
        f"projection.{lease.projection}.apply",
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(traces._trace.StatusCode.ERROR, type(error).__name__)
            raise
