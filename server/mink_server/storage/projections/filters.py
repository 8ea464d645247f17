"""Filters as JSON. The same filter is always the same text."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Final

from mink_server.core.filters import EventFilter

_PARTS: Final = ("streams", "stream_prefixes", "categories", "types")


def text_of(where: EventFilter | None) -> str | None:
    """A filter as JSON text; None: all events. Its partition is not a part of it."""
    if where is None:
        return None
    parts = {part: sorted(set(getattr(where, part))) for part in _PARTS}
    given = {part: names for part, names in parts.items() if names}
    return json.dumps(given, ensure_ascii=False) if given else None


@lru_cache(maxsize=1024)
def filter_of(text: str | None) -> EventFilter | None:
    """The filter in JSON text; None: all events."""
    if text is None:
        return None
    parts = json.loads(text)
    return EventFilter(
        streams=frozenset(parts.get("streams", ())),
        stream_prefixes=tuple(parts.get("stream_prefixes", ())),
        categories=frozenset(parts.get("categories", ())),
        types=frozenset(parts.get("types", ())),
    )
