"""How projections are, as metrics: made of what was seen last, so that one which is gone leaves no series behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mink_server.core.projections.model import State
from mink_server.core.projections.state import checkpoint_of, lag_of, state_of
from mink_server.telemetry.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import CollectorRegistry

    from mink_server.core.projections.model import Observed


class ProjectionGauges(Collector):
    """Lag, checkpoint and state of every projection. All servers of one log show the same: take the maximum, not the sum.

    Args:
        registry: Where they are shown.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.observed: Sequence[Observed] = ()
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """See Collector."""
        lag = GaugeMetricFamily(
            "mink_projection_lag_events", "Positions between a projection's checkpoint and the head.", labels=["projection"]
        )
        seconds = GaugeMetricFamily(
            "mink_projection_lag_seconds",
            "Age of the oldest event that a projection has not handled; 0 if there is none.",
            labels=["projection"],
        )
        checkpoint = GaugeMetricFamily(
            "mink_projection_checkpoint_position", "Every event up to it is handled by a projection.", labels=["projection"]
        )
        parked = GaugeMetricFamily("mink_projection_parked_events", "Events that were set aside.", labels=["projection"])
        states = GaugeMetricFamily(
            "mink_projection_state", "1 for what a projection is doing, 0 for all else.", labels=["projection", "state"]
        )
        for observed in self.observed:
            row = observed.row
            name = [row.name]
            position = checkpoint_of(row.live)
            lag.add_metric(name, max(observed.head - position, 0))
            seconds.add_metric(name, lag_of(observed).total_seconds())
            checkpoint.add_metric(name, position)
            parked.add_metric(name, row.parked)
            now = state_of(row, observed.now)
            for state in State:
                states.add_metric([row.name, state.value], state is now)
        return lag, seconds, checkpoint, parked, states


PROJECTIONS: Final = ProjectionGauges(REGISTRY)
