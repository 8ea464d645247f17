"""Events: what is appended, where it went, and how it comes back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from mink.v1 import event_pb2, event_store_pb2

from mink_client._uuid7 import uuid7
from mink_client.expectation import Expected

JsonValue: TypeAlias = Mapping[str, Any] | Sequence[Any] | str | int | float | bool | None
"""What `json.dumps` takes. Text stands for a JSON string; for text that is JSON already use `NewEvent.raw_json`."""

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_NO_METADATA: Final[Mapping[str, str]] = MappingProxyType({})


def to_json(value: Any) -> str:
    """Compact JSON text.

    Raises:
        TypeError: Something in the value has no JSON form.
        ValueError: A number is not finite, or the value contains itself.
    """
    return _encode(value)


class NewEvent:
    """An event to append. It gets its id when it is made, so that sending it again is safe.

    Attributes:
        type: What happened, 1 to 255 characters, no control characters.
        data: The payload: JSON text (`str`), or any bytes (`bytes`).
        id: A UUID as text, in the canonical form.
        metadata: What is known about the event beside its facts.
    """

    __slots__ = ("data", "id", "metadata", "type")

    type: str
    data: str | bytes
    id: str
    metadata: Mapping[str, str]

    def __init__(
        self,
        type: str,  # noqa: A002 - what the protos call it
        payload: JsonValue | bytes,
        *,
        id: str | None = None,  # noqa: A002
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Makes an event.

        Args:
            type: What happened. Example: `OrderPlaced`.
            payload: Anything with a JSON form; or bytes, which are kept as they are.
            id: A UUID; not given, or empty: a new UUIDv7.
            metadata: Text by name. Example: `{"userId": "7"}`.

        Raises:
            TypeError: The payload has no JSON form.
            ValueError: A number in the payload is not finite.
        """
        self.type = type
        self.data = bytes(payload) if isinstance(payload, bytes | bytearray | memoryview) else _encode(payload)
        self.id = str(id) if id else uuid7()
        self.metadata = _NO_METADATA if metadata is None else metadata

    @classmethod
    def raw_json(cls, type: str, text: str, *, id: str | None = None, metadata: Mapping[str, str] | None = None) -> "NewEvent":  # noqa: A002
        """Makes an event out of text that is JSON already; it comes back byte for byte.

        Args:
            type: What happened.
            text: JSON text. The server checks it.
            id: A UUID; not given: a new UUIDv7.
            metadata: Text by name.
        """
        event = cls(type, b"", id=id, metadata=metadata)
        event.data = text
        return event

    @property
    def is_json(self) -> bool:
        """Whether the payload is JSON text; otherwise it is bytes."""
        return isinstance(self.data, str)

    def __repr__(self) -> str:
        return f"NewEvent({self.type!r}, id={self.id!r})"


class RecordedEvent:
    """An event in the log. A thin view of the message that came: a field costs something only when it is asked for."""

    __slots__ = ("_message",)

    def __init__(self, message: event_pb2.RecordedEvent) -> None:
        self._message = message

    @property
    def position(self) -> int:
        """The event's number in the log: 1, 2, 3 …, in the order of commits."""
        return self._message.position

    @property
    def version(self) -> int:
        """The event's number in its stream, which begins with 1."""
        return self._message.version

    @property
    def id(self) -> str:
        """The event's UUID, in the canonical form."""
        return self._message.id

    @property
    def stream(self) -> str:
        """The name of the event's stream."""
        return self._message.stream

    @property
    def category(self) -> str:
        """The part of the stream's name before its first `-`; the whole name if it has none."""
        return self._message.stream.partition("-")[0]

    @property
    def type(self) -> str:
        """What happened."""
        return self._message.type

    @property
    def is_json(self) -> bool:
        """Whether the payload is JSON text."""
        return self._message.WhichOneof("payload") == "json"

    @property
    def data(self) -> bytes:
        """The payload, byte for byte as it was appended; JSON text as UTF-8."""
        message = self._message
        return message.json.encode() if message.WhichOneof("payload") == "json" else message.binary

    @property
    def text(self) -> str:
        """The payload as text, byte for byte as it was appended.

        Raises:
            UnicodeDecodeError: The payload is bytes that are no UTF-8.
        """
        message = self._message
        return message.json if message.WhichOneof("payload") == "json" else message.binary.decode()

    def json(self) -> Any:
        """The payload, parsed anew with each call.

        Raises:
            ValueError: The payload is bytes that are not JSON.
        """
        message = self._message
        return json.loads(message.json if message.WhichOneof("payload") == "json" else message.binary)

    @property
    def metadata(self) -> dict[str, str]:
        """What is known about the event beside its facts. A copy."""
        return dict(self._message.metadata)

    @property
    def recorded_at(self) -> datetime:
        """When the server recorded the event, by the server's clock, in UTC."""
        return self._message.recorded_at.ToDatetime(UTC)

    def __eq__(self, other: object) -> bool:
        return self._message == other._message if isinstance(other, RecordedEvent) else NotImplemented

    def __hash__(self) -> int:
        return hash((self._message.position, self._message.id))

    def __repr__(self) -> str:
        message = self._message
        return f"RecordedEvent({message.position}, {message.stream!r} version {message.version}, {message.type!r})"


class Direction(Enum):
    """The order in which events are read."""

    FORWARDS = event_store_pb2.FORWARDS
    """Oldest first."""
    BACKWARDS = event_store_pb2.BACKWARDS
    """Newest first."""


FORWARDS: Final = Direction.FORWARDS
BACKWARDS: Final = Direction.BACKWARDS


class AppendResult:
    """Where the events of one append are.

    Attributes:
        version: The version of the last event appended.
        first_position: The position of the first event appended.
        last_position: The position of the last one. The positions between are this append's, without a hole.
        replayed: Whether the events were there already: this append was sent before, and this is the answer that it got.
    """

    __slots__ = ("first_position", "last_position", "replayed", "version")

    def __init__(self, version: int, first_position: int, last_position: int, replayed: bool) -> None:
        self.version = version
        self.first_position = first_position
        self.last_position = last_position
        self.replayed = replayed

    def _key(self) -> tuple[int, int, int, bool]:
        return self.version, self.first_position, self.last_position, self.replayed

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, AppendResult) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return (
            f"AppendResult(version={self.version}, first_position={self.first_position}, "
            f"last_position={self.last_position}, replayed={self.replayed})"
        )


@dataclass(frozen=True, slots=True)
class StreamAppend:
    """One stream's part of an append to several.

    Attributes:
        stream: The stream's name. A stream may be named once.
        events: The events, in order; none: the stream is only checked.
        expected: What is expected of the stream: a version, `ANY`, `NO_STREAM` or `STREAM_EXISTS`.
    """

    stream: str
    events: Sequence[NewEvent]
    expected: Expected


@dataclass(frozen=True, slots=True)
class StreamAppended:
    """Where one stream's events are.

    Attributes:
        stream: The stream's name.
        version: The version that the stream has after the append.
        first_position: The position of the first event appended to this stream; 0 if it was only checked.
        last_position: The position of the last one; 0 if it was only checked.
    """

    stream: str
    version: int
    first_position: int
    last_position: int


@dataclass(frozen=True, slots=True)
class AppendManyResult:
    """Where the events of an append to several streams are.

    Attributes:
        streams: One entry for each part, in the order given.
        first_position: The position of the first event appended.
        last_position: The position of the last one.
        replayed: Whether the events were there already.
    """

    streams: tuple[StreamAppended, ...]
    first_position: int
    last_position: int
    replayed: bool
