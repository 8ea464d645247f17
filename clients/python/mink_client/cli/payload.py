"""Events and payloads as this command writes them. JSON payloads go through as text, so that no number and no key is touched."""

import base64

from mink_client import RecordedEvent, Snapshot
from mink_client.cli.output import to_json
from mink_client.cli.text import timestamp


def event_json(event: RecordedEvent) -> str:
    """An event as a JSON object."""
    head = to_json(
        {
            "position": event.position,
            "stream": event.stream,
            "version": event.version,
            "type": event.type,
            "id": event.id,
            "recorded_at": timestamp(event.recorded_at),
            "metadata": event.metadata,
        }
    )
    return f"{head[:-1]},{member('data', event)}}}"


def exported(event: RecordedEvent) -> str:
    """An event as an item of an export, with the names that go-mink gives its fields."""
    head = to_json({"id": event.id, "stream_id": event.stream, "version": event.version, "type": event.type})
    tail = to_json(
        {"metadata": event.metadata, "timestamp": timestamp(event.recorded_at), "position": event.position},
    )
    return f"{head[:-1]},{member('data', event)},{tail[1:]}"


def member(name: str, source: RecordedEvent | Snapshot) -> str:
    """A payload or state as a member of a JSON object. Bytes come as base64, and a second member says that they are bytes."""
    if source.is_json:
        return f'"{name}":{source.text}'
    encoded = base64.b64encode(source.data).decode()
    return f'"{name}":{{"data_base64":"{encoded}"}},"binary":true'


def shown(source: RecordedEvent | Snapshot) -> str:
    """A payload or state for a person, on one line."""
    if source.is_json:
        # Outside of strings, where JSON has its line ends and tabs, a space means the same.
        return source.text.translate({9: " ", 10: " ", 13: " "})
    data = source.data
    return f"<{len(data)} bytes> {data[:16].hex(' ')}{' …' if len(data) > 16 else ''}".rstrip()
