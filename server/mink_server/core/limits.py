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
MAX_BIGINT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that an operator sets; sizes in bytes, `event_bytes` and `request_bytes` count payload, metadata and type."""

    event_bytes: int = 1024 * 1024
    request_bytes: int = 4 * 1024 * 1024
    events_per_append: int = 10_000
