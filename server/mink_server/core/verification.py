"""What a verification of the log says: how far it is, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What kind of fault it is; the names are those in `mink.v1.LogFault.Kind`, and are explained there."""

    MISSING_EVENT = "MISSING_EVENT"
    WRONG_ORDER = "WRONG_ORDER"
    BROKEN_EVENT = "BROKEN_EVENT"
    CONTRADICTION = "CONTRADICTION"
    STRAY_EVENT = "STRAY_EVENT"
    WRONG_STREAM = "WRONG_STREAM"
    WRONG_SNAPSHOT = "WRONG_SNAPSHOT"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that cannot be in a sound log.

    Attributes:
        kind: What kind of fault it is.
        message: What was found, for a person. Holds no payload.
        position: The position concerned; 0: none.
        stream: The stream concerned; empty: none.
        version: The version concerned; 0: none.
    """

    kind: FaultKind
    message: str
    position: int = 0
    stream: str = ""
    version: int = 0


class FaultFound(Exception):  # noqa: N818 - it ends a verification, and is not handled as an error
    """A check came upon a fault."""

    def __init__(self, kind: FaultKind, message: str, position: int = 0, stream: str = "", version: int = 0) -> None:
        self.fault = Fault(kind, message, position, stream, version)
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a verification is.

    Attributes:
        step: What is being read: events, streams, snapshots or removals.
        position: Up to where it was read; streams and snapshots are read in the order of their streams' first positions.
        head: The newest position when the verification began.
    """

    step: str
    position: int
    head: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a verification ended.

    Attributes:
        head: The newest position when it began.
        events: Events that were verified.
        streams: Streams that were verified.
        snapshots: Snapshots that were verified.
        removed: Positions up to the head whose events were removed. 0 if there is a fault: then they were not counted.
        fault: The first fault; None: the log is sound.
    """

    head: int
    events: int
    streams: int
    snapshots: int
    removed: int
    fault: Fault | None = None
