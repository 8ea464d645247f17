"""Mink's own metrics. `docs/metrics.md` says the same in a table."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from mink_server.telemetry.counting import Spread, SpreadBy, Total, TotalBy
from mink_server.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

BUILD: Final = Gauge("mink_build_info", "Always 1; the label says which version this is.", ["version"], registry=REGISTRY)
BUILD.labels(VERSION).set(1)
ERRORS: Final = TotalBy(
    "mink_errors", "Calls, and appends in sessions, that were answered with an error, by its reason.", "reason", REGISTRY
)
EVENTS_APPENDED: Final = TotalBy(
    "mink_events_appended", "Events committed by this server, by type; types beyond a number are other.", "type", REGISTRY, most=100
)
BYTES_APPENDED: Final = Total(
    "mink_bytes_appended", "Bytes of events committed by this server, as they are sent to readers.", REGISTRY
)
EVENTS_READ: Final = Total("mink_events_read", "Events read from the database for readers and subscribers.", REGISTRY)
APPENDS: Final = TotalBy(
    "mink_appends",
    "Appends, by outcome: appended, replayed, abandoned (the caller left before it was sent), or an error's reason.",
    "outcome",
    REGISTRY,
)
APPEND_SECONDS: Final = Spread(
    "mink_append_duration_seconds",
    "Time from an append's arrival to its answer.",
    (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    REGISTRY,
)
APPENDS_WAITING: Final = Gauge("mink_appends_waiting", "Appends that wait for the next batch.", registry=REGISTRY)
BATCH_APPENDS: Final = Spread("mink_batch_appends", "Appends committed together.", (1, 2, 5, 10, 20, 50, 100, 200, 500), REGISTRY)
BATCH_SECONDS: Final = Spread(
    "mink_batch_duration_seconds",
    "Time that a batch took, its commit included.",
    (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10),
    REGISTRY,
)
HEAD: Final = Gauge("mink_head_position", "The newest position that this server knows.", registry=REGISTRY)
SUBSCRIBERS: Final = Gauge("mink_subscribers", "Subscriptions, by mode: live or catching_up.", ["mode"], registry=REGISTRY)
LAG: Final = Gauge(
    "mink_subscriber_lag_events",
    "Events of the log that the subscription which is farthest behind has yet to look at; 0 without subscriptions.",
    registry=REGISTRY,
)
FELL_BEHIND: Final = Total("mink_subscribers_fell_behind", "Times a subscriber was too slow for the tail.", REGISTRY)
TAIL_BYTES: Final = Gauge("mink_tail_bytes", "Bytes of events that the tail keeps in memory.", registry=REGISTRY)
TAIL_HITS: Final = Total("mink_tail_hits", "Times a subscriber found its next events in the tail.", REGISTRY)
TAIL_MISSES: Final = Total("mink_tail_misses", "Times a subscriber had to read them from the database.", REGISTRY)
PROJECTION_EVENTS: Final = TotalBy(
    "mink_projection_events", "Events that workers connected to this server have handled, by projection.", "projection", REGISTRY
)
PROJECTION_ERRORS: Final = TotalBy(
    "mink_projection_errors",
    "Times that a handler of a worker connected to this server has failed, tries that were repeated included, by projection.",
    "projection",
    REGISTRY,
)
PROJECTION_SECONDS: Final = SpreadBy(
    "mink_projection_duration_seconds",
    "Time that workers connected to this server took for the events of one answer, by projection.",
    "projection",
    (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
    REGISTRY,
)
CALLS_IN_FLIGHT: Final = Gauge("mink_calls_in_flight", "Calls that are served.", registry=REGISTRY)
REQUEST_BYTES_IN_FLIGHT: Final = Gauge("mink_request_bytes_in_flight", "Bytes of requests that are served.", registry=REGISTRY)
RESPONSE_BYTES_IN_FLIGHT: Final = Gauge(
    "mink_response_bytes_in_flight", "Bytes held for responses that clients have not taken.", registry=REGISTRY
)
REFUSED: Final = Counter(
    "mink_refused",
    "Calls refused as OVERLOADED, by bound: calls, memory, receiving, request_bytes, response_bytes, subscriptions, "
    "subscriptions_per_client.",
    ["bound"],
    registry=REGISTRY,
)
CUT_OFF: Final = Counter(
    "mink_cut_off",
    "Calls ended because their client was too slow, by what it was at: receiving or sending.",
    ["doing"],
    registry=REGISTRY,
)
for _bound in (
    "calls", "memory", "receiving", "request_bytes", "response_bytes", "subscriptions", "subscriptions_per_client",
):  # fmt: skip
    REFUSED.labels(_bound)
for _doing in ("receiving", "sending"):
    CUT_OFF.labels(_doing)
MEMORY_FULL: Final = Gauge(
    "mink_memory_full", "1 while the server refuses calls because its memory is nearly used up.", registry=REGISTRY
)
TASKS: Final = Gauge("mink_tasks", "Tasks of the event loop.", registry=REGISTRY)
DATABASE_UP: Final = Gauge("mink_database_up", "Whether Postgres answered when it was last asked: 1 or 0.", registry=REGISTRY)
LOG_SIZE: Final = Gauge(
    "mink_log_size_bytes", "Bytes that the log takes in the database, indexes included, at most a minute ago.", registry=REGISTRY
)
POOL_SIZE: Final = Gauge("mink_pool_size", "Connections that readers may use.", registry=REGISTRY)
POOL_IN_USE: Final = Gauge("mink_pool_in_use", "Connections that readers use.", registry=REGISTRY)
POOL_WAITING: Final = Gauge("mink_pool_waiting", "Readers that wait for a connection.", registry=REGISTRY)
RECONNECTS: Final = Counter(
    "mink_database_reconnects", "Connections opened again after a loss, by user.", ["user"], registry=REGISTRY
)
CERTIFICATE_EXPIRY: Final = Gauge(
    "mink_tls_certificate_expiry_timestamp_seconds",
    "When the server's certificate expires, in seconds since 1970; NaN without TLS.",
    registry=REGISTRY,
)
CERTIFICATE_EXPIRY.set(math.nan)
RELOADS: Final = Counter(
    "mink_reloads",
    "Files read again while the server runs: tokens or certificate, ok or failed.",
    ["file", "outcome"],
    registry=REGISTRY,
)

# How far behind each subscription is, asked when somebody looks.
_lags: Final[set[Callable[[], int]]] = set()
LAG.set_function(lambda: max((lag() for lag in _lags), default=0))


@contextmanager
def lag_shown(lag: Callable[[], int]) -> Iterator[None]:
    """Shows a subscription's lag while it lasts; `lag` says how many events it is behind."""
    _lags.add(lag)
    try:
        yield
    finally:
        _lags.discard(lag)
