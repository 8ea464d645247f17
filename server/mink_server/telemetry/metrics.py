"""Mink's own metrics. `docs/metrics.md` says the same in a table."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

EVENTS_APPENDED: Final = Counter("mink_events_appended", "Events committed by this server.", registry=REGISTRY)
EVENTS_READ: Final = Counter("mink_events_read", "Events read from the database for readers and subscribers.", registry=REGISTRY)
APPENDS: Final = Counter(
    "mink_appends", "Appends, by outcome: appended, replayed, or an error's reason.", ["outcome"], registry=REGISTRY
)
APPEND_SECONDS: Final = Histogram(
    "mink_append_duration_seconds",
    "Time from an append's arrival to its answer.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
APPENDS_WAITING: Final = Gauge("mink_appends_waiting", "Appends that wait for the next batch.", registry=REGISTRY)
BATCH_APPENDS: Final = Histogram(
    "mink_batch_appends", "Appends committed together.", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500), registry=REGISTRY
)
BATCH_SECONDS: Final = Histogram(
    "mink_batch_duration_seconds",
    "Time that a batch took, its commit included.",
    buckets=(0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10),
    registry=REGISTRY,
)
HEAD: Final = Gauge("mink_head_position", "The newest position that this server knows.", registry=REGISTRY)
SUBSCRIBERS: Final = Gauge("mink_subscribers", "Subscriptions, by mode: live or catching_up.", ["mode"], registry=REGISTRY)
FELL_BEHIND: Final = Counter("mink_subscribers_fell_behind", "Times a subscriber was too slow for the tail.", registry=REGISTRY)
TAIL_BYTES: Final = Gauge("mink_tail_bytes", "Bytes of events that the tail keeps in memory.", registry=REGISTRY)
TAIL_HITS: Final = Counter("mink_tail_hits", "Times a subscriber found its next events in the tail.", registry=REGISTRY)
TAIL_MISSES: Final = Counter("mink_tail_misses", "Times a subscriber had to read them from the database.", registry=REGISTRY)
POOL_SIZE: Final = Gauge("mink_pool_size", "Connections that readers may use.", registry=REGISTRY)
POOL_IN_USE: Final = Gauge("mink_pool_in_use", "Connections that readers use.", registry=REGISTRY)
POOL_WAITING: Final = Gauge("mink_pool_waiting", "Readers that wait for a connection.", registry=REGISTRY)
RECONNECTS: Final = Counter(
    "mink_database_reconnects", "Connections opened again after a loss, by user.", ["user"], registry=REGISTRY
)
