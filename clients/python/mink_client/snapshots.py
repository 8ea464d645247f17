"""Snapshots: a state saved for a stream at a version."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mink.v1 import snapshots_pb2


@dataclass(frozen=True, slots=True)
class RawJson:
    """A state that is JSON text already; it comes back byte for byte. The server checks it.

    Attributes:
        text: The text.
    """

    text: str


class Snapshot:
    """A state saved for a stream at a version. A thin view of the message that came."""

    __slots__ = ("_message",)

    def __init__(self, message: snapshots_pb2.Snapshot) -> None:
        self._message = message

    @property
    def stream(self) -> str:
        """The stream's name."""
        return self._message.stream

    @property
    def version(self) -> int:
        """The version of the last event that the state includes."""
        return self._message.version

    @property
    def is_json(self) -> bool:
        """Whether the state is JSON text."""
        return self._message.WhichOneof("state") == "json"

    @property
    def data(self) -> bytes:
        """The state, byte for byte as it was saved; JSON text as UTF-8."""
        return self._message.json.encode() if self.is_json else self._message.binary

    @property
    def text(self) -> str:
        """The state as text.

        Raises:
            UnicodeDecodeError: The state is bytes that are no UTF-8.
        """
        return self._message.json if self.is_json else self._message.binary.decode()

    def json(self) -> Any:
        """The state, parsed anew with each call.

        Raises:
            ValueError: The state is bytes that are not JSON.
        """
        return json.loads(self._message.json if self.is_json else self._message.binary)

    @property
    def metadata(self) -> dict[str, str]:
        """What is known about the state beside itself. A copy."""
        return dict(self._message.metadata)

    @property
    def saved_at(self) -> datetime:
        """When the server saved it, in UTC."""
        return self._message.saved_at.ToDatetime(UTC)

    def __repr__(self) -> str:
        return f"Snapshot({self.stream!r} version {self.version})"


@dataclass(frozen=True, slots=True)
class SnapshotSaved:
    """What became of a state.

    Attributes:
        saved: Whether it was saved; false if a newer snapshot was kept.
        version: The version of the snapshot that the stream now has.
    """

    saved: bool
    version: int
