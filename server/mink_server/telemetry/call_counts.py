"""Counts of calls, under the names that dashboards for gRPC expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import Histogram
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from mink_server.telemetry.counting import Distribution
from mink_server.telemetry.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mink_server.telemetry.call import Method

_LABELS: Final = ("grpc_type", "grpc_service", "grpc_method")
_BOUNDS: Final = Histogram.DEFAULT_BUCKETS[:-1]


class CallCounts:
    """What is counted of a method's calls.

    Attributes:
        started: Calls that began.
        received: Messages that clients have sent.
        sent: Messages that were sent.
        handled: Calls that ended, by their code as Prometheus gets it, such as NotFound.
        seconds: How long they took.
    """

    __slots__ = ("handled", "received", "seconds", "sent", "started")

    def __init__(self) -> None:
        self.started = 0
        self.received = 0
        self.sent = 0
        self.handled: dict[str, int] = {}
        self.seconds = Distribution(_BOUNDS)


class _Calls(Collector):
    """All methods' counts."""

    def __init__(self) -> None:
        self.of: dict[Method, CallCounts] = {}
        REGISTRY.register(self)

    def collect(self) -> Iterable[Metric]:
        started = CounterMetricFamily("grpc_server_started", "Calls started.", labels=_LABELS)
        handled = CounterMetricFamily("grpc_server_handled", "Calls ended, by status code.", labels=(*_LABELS, "grpc_code"))
        received = CounterMetricFamily("grpc_server_msg_received", "Messages that clients have sent.", labels=_LABELS)
        sent = CounterMetricFamily("grpc_server_msg_sent", "Messages sent to clients.", labels=_LABELS)
        seconds = HistogramMetricFamily("grpc_server_handling_seconds", "Time from a call's start to its end.", labels=_LABELS)
        for method, counts in self.of.items():
            labels = [method.kind, method.service, method.name]
            started.add_metric(labels, counts.started)
            received.add_metric(labels, counts.received)
            sent.add_metric(labels, counts.sent)
            seconds.add_metric(labels, *counts.seconds.shown())
            for code, count in counts.handled.items():
                handled.add_metric([*labels, code], count)
        return [started, handled, seconds, received, sent]


_calls: Final = _Calls()


def counts_of(method: Method) -> CallCounts:
    """The counts of a method."""
    return _calls.of.setdefault(method, CallCounts())
