"""The worker's numbers for Prometheus, made when somebody looks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from mink_client.worker.status import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from prometheus_client.core import Metric

    from mink_client.worker.status import RunnerStatus, Spread

_PROJECTION: Final = ("projection",)


class WorkerCollector(Collector):
    """Metrics out of what the runners wrote down."""

    def __init__(self, status: Callable[[], Sequence[RunnerStatus]]) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        found = self._status()
        yield _gauge("mink_worker_connected", "Whether the server has welcomed the worker: 1 or 0.", found, lambda s: s.connected)
        yield _gauge("mink_worker_partitions", "Partitions whose leases the worker holds.", found, lambda s: len(s.held))
        yield _gauge(
            "mink_worker_faulted_partitions", "Partitions that it held, and that are faulted.", found, lambda s: len(s.faulted)
        )
        events = CounterMetricFamily("mink_worker_events", "Events handled.", labels=_PROJECTION)
        errors = CounterMetricFamily(
            "mink_worker_errors",
            "Errors, by kind: transient (tried again), poison (stopped a partition), skipped, parked, lost (a lease).",
            labels=("projection", "kind"),
        )
        seconds = HistogramMetricFamily("mink_worker_batch_duration_seconds", "Time that a batch took.", labels=_PROJECTION)
        for one in found:
            events.add_metric([one.projection], one.events)
            for kind in KINDS:
                errors.add_metric([one.projection, kind], one.errors[kind])
            seconds.add_metric([one.projection], _buckets(one.durations), one.durations.total)
        yield from (events, errors, seconds)
        yield _gauge(
            "mink_worker_position", "The position up to which every partition held is handled.", found, lambda s: s.position
        )
        yield _gauge("mink_worker_lag_events", "How many positions that is behind the log.", found, lambda s: s.lag)


def worker_registry(status: Callable[[], Sequence[RunnerStatus]]) -> CollectorRegistry:
    """A registry with the worker's metrics alone.

    Args:
        status: Says how the projections are.
    """
    registry = CollectorRegistry()
    registry.register(WorkerCollector(status))
    return registry


def _gauge(name: str, text: str, found: Sequence[RunnerStatus], value: Callable[[RunnerStatus], float | None]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=_PROJECTION)
    for one in found:
        number = value(one)
        if number is not None:
            family.add_metric([one.projection], number)
    return family


def _buckets(spread: Spread) -> list[tuple[str, float]]:
    """Cumulative counts, as Prometheus has them."""
    found: list[tuple[str, float]] = []
    count = 0
    for bound, here in zip(spread.bounds, spread.counts, strict=True):
        count += here
        found.append(("+Inf" if math.isinf(bound) else str(bound), count))
    return found
