"""Bounds on what a request may hold."""

from __future__ import annotations

from dataclasses import dataclass

MAX_STREAM_NAME = 500  # characters
MAX_TYPE_NAME = 255  # characters
MAX_METADATA_ENTRIES = 100
MAX_METADATA_KEY = 255  # characters
MAX_FILTER_ENTRIES = 1000
MAX_STREAMS_IN_APPEND = 100
MAX_PAGE_SIZE = 1000
MAX_PROJECTIONS = 1000
MAX_PROJECTION_NAME = 200  # characters
MAX_WORKER_NAME = 200  # characters
MAX_PARTITIONS = 256
MAX_WORKERS = 1000  # of one projection
MAX_ERROR_TEXT = 2000  # characters
MAX_PARKED = 100_000  # of one build
MAX_BIGINT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that an operator sets; sizes in bytes, `event_bytes` and `request_bytes` count payload, metadata and type."""

    event_bytes: int = 1024 * 1024
    request_bytes: int = 4 * 1024 * 1024
    events_per_append: int = 10_000


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bounds on what all clients together may have under way; sizes in bytes, ages in seconds.

    Attributes:
        connections: Connections of clients.
        connection_age: After which a connection, a session and a subscription begin anew; 0: never.
        calls: Calls that are served.
        request_bytes: Requests that are served.
        response_bytes: Memory for responses that clients have not taken.
        subscriptions: Subscriptions.
        subscriptions_per_client: Subscriptions of one identity or, if nobody says who they are, of one address.
    """

    connections: int
    connection_age: float
    calls: int
    request_bytes: int
    response_bytes: int
    subscriptions: int
    subscriptions_per_client: int
