"""Metrics that cost next to nothing to count: plain numbers, made into Prometheus's families when somebody looks.

Prometheus's own take a lock for every number, which a server that counts a dozen for each append notices. These are for the event
loop's thread alone.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import CollectorRegistry

OTHER: Final = "other"


class Total(Collector):
    """A counter.

    Args:
        name: Its name, without _total.
        documentation: What it counts.
        registry: Where it is shown.
    """

    def __init__(self, name: str, documentation: str, registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._value = 0
        registry.register(self)

    def add(self, times: int) -> None:
        """Counts."""
        self._value += times

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        return [CounterMetricFamily(self._name, self._documentation, value=self._value)]


class TotalBy(Collector):
    """A counter by a label. If callers choose the label's values, only so many have a count of their own: nobody can make it grow.

    Args:
        name: Its name, without _total.
        documentation: What it counts.
        label: The label's name.
        registry: Where it is shown.
        most: How many values have a count of their own, the first ones seen; the others share `other`. None: all have.
    """

    def __init__(self, name: str, documentation: str, label: str, registry: CollectorRegistry, most: int | None = None) -> None:
        self._name = name
        self._documentation = documentation
        self._label = label
        self._counts: dict[str, int] = {}
        self.most = most
        registry.register(self)

    def add(self, value: str, times: int = 1) -> None:
        """Counts one value."""
        if value not in self._counts:
            value = self._new(value)
        self._counts[value] += times

    def add_each(self, values: Iterable[str]) -> None:
        """Counts one for each."""
        counts = self._counts
        for value in values:
            if value in counts:
                counts[value] += 1
            else:
                counts[self._new(value)] += 1

    def forget(self, value: str) -> None:
        """Shows one value no more."""
        self._counts.pop(value, None)

    def _new(self, value: str) -> str:
        if value != OTHER and self.most is not None and len(self._counts) - (OTHER in self._counts) >= self.most:
            value = OTHER
        self._counts.setdefault(value, 0)
        return value

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        family = CounterMetricFamily(self._name, self._documentation, labels=[self._label])
        for value, count in self._counts.items():
            family.add_metric([value], count)
        return [family]


class Distribution:
    """How values are spread, for a histogram.

    Args:
        bounds: The upper bounds of its buckets, rising, without infinity.
    """

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = [float(bound) for bound in bounds]
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Takes a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def observe_each(self, values: Sequence[float]) -> None:
        """Takes several values."""
        bounds, counts = self._bounds, self._counts
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self._sum += sum(values)

    def shown(self) -> tuple[list[tuple[str, float]], float]:
        """The buckets, each with all below it, and the sum."""
        return list(zip([*map(str, self._bounds), "+Inf"], map(float, accumulate(self._counts)), strict=True)), self._sum


class Spread(Distribution, Collector):
    """A histogram.

    Args:
        name: Its name.
        documentation: What it shows.
        bounds: The upper bounds of its buckets, rising, without infinity.
        registry: Where it is shown.
    """

    def __init__(self, name: str, documentation: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        super().__init__(bounds)
        self._name = name
        self._documentation = documentation
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        buckets, total = self.shown()
        return [HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=total)]


class SpreadBy(Collector):
    """A histogram by a label.

    Args:
        name: Its name.
        documentation: What it shows.
        label: The label's name.
        bounds: The upper bounds of its buckets, rising, without infinity.
        registry: Where it is shown.
    """

    def __init__(self, name: str, documentation: str, label: str, bounds: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._label = label
        self._bounds = bounds
        self._of: dict[str, Distribution] = {}
        registry.register(self)

    def observe(self, value: str, seen: float) -> None:
        """Takes what was seen of one value of the label."""
        if value not in self._of:
            self._of[value] = Distribution(self._bounds)
        self._of[value].observe(seen)

    def forget(self, value: str) -> None:
        """Shows one value no more."""
        self._of.pop(value, None)

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=[self._label])
        for value, distribution in self._of.items():
            family.add_metric([value], *distribution.shown())
        return [family]
