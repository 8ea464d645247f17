"""What an operator asks a server, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from mink.v1 import operations_pb2

from mink_client.channel import Connection
from mink_client.errors import Unavailable
from mink_client.reading import Source


@dataclass(frozen=True, slots=True)
class TypeCount:
    """An event type and how often it occurs."""

    type: str
    events: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """The log's size and what is in it.

    Attributes:
        log_id: The log's id, a UUID made once.
        head: The newest position.
        events: Events that are in the log; removed ones do not count.
        streams: Streams that have events; deleted and emptied ones do not count.
        types: Different event types.
        top_types: The most frequent event types, most frequent first.
        size_bytes: Bytes on disk, with indexes.
    """

    log_id: str
    head: int
    events: int
    streams: int
    types: int
    top_types: tuple[TypeCount, ...]
    size_bytes: int


class Outcome(Enum):
    """How a check came out."""

    UNKNOWN = operations_pb2.Check.OUTCOME_UNSPECIFIED
    """The server said something that this client does not know."""
    OK = operations_pb2.Check.OK
    """As it should be."""
    WARNING = operations_pb2.Check.WARNING
    """It works, and wants attention."""
    FAILED = operations_pb2.Check.FAILED
    """It does not work."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    Attributes:
        component: What was checked. Example: `schema`.
        outcome: How it came out.
        message: What was found, for a person.
        recommendation: What to do about it; empty if nothing needs doing.
        took: How long the check took.
    """

    component: str
    outcome: Outcome
    message: str
    recommendation: str
    took: timedelta


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a server found about itself.

    Attributes:
        checks: One entry a check, in the order in which they ran.
        server_version: The server's version.
        server_time: When the checks were made, by the server's clock, in UTC.
    """

    checks: tuple[Check, ...]
    server_version: str
    server_time: datetime

    @property
    def healthy(self) -> bool:
        """Whether nothing failed. Warnings are allowed."""
        return all(check.outcome is not Outcome.FAILED for check in self.checks)


class FaultKind(Enum):
    """What kind of fault a verification found."""

    UNKNOWN = operations_pb2.LogFault.KIND_UNSPECIFIED
    """The server said something that this client does not know."""
    MISSING_EVENT = operations_pb2.LogFault.MISSING_EVENT
    """A position, or a version of a stream, has no event, and no removal accounts for it."""
    WRONG_ORDER = operations_pb2.LogFault.WRONG_ORDER
    """Versions and positions do not follow each other as they were given."""
    BROKEN_EVENT = operations_pb2.LogFault.BROKEN_EVENT
    """An event's bytes cannot be decoded, or its payload is not what it says it is."""
    CONTRADICTION = operations_pb2.LogFault.CONTRADICTION
    """An event's bytes and its columns say different things."""
    STRAY_EVENT = operations_pb2.LogFault.STRAY_EVENT
    """An event belongs to no stream, or was removed and is still there."""
    WRONG_STREAM = operations_pb2.LogFault.WRONG_STREAM
    """What is known of a stream does not fit its events."""
    WRONG_SNAPSHOT = operations_pb2.LogFault.WRONG_SNAPSHOT
    """A snapshot is ahead of its stream, belongs to none, or cannot be decoded."""


@dataclass(frozen=True, slots=True)
class LogFault:
    """Something that cannot be in a sound log.

    Attributes:
        kind: What kind of fault it is.
        message: What was found, for a person.
        position: The position concerned; 0: none.
        stream: The stream concerned; empty: none.
        version: The version concerned; 0: none.
    """

    kind: FaultKind
    message: str
    position: int
    stream: str
    version: int


@dataclass(frozen=True, slots=True)
class VerificationProgress:
    """How far a verification is.

    Attributes:
        step: What is being read. Example: `events`.
        position: The position up to which it was read.
        head: The newest position when the verification began.
    """

    step: str
    position: int
    head: int


@dataclass(frozen=True, slots=True)
class Verification:
    """How a verification of the log ended.

    Attributes:
        head: The newest position when it began.
        events: Events that were verified.
        streams: Streams that were verified, deleted ones included.
        snapshots: Snapshots that were verified.
        removed: Positions whose events were removed; 0 if there is a fault.
        fault: The first fault; None: the log is sound.
    """

    head: int
    events: int
    streams: int
    snapshots: int
    removed: int
    fault: LogFault | None

    @property
    def sound(self) -> bool:
        """Whether nothing is missing or bent."""
        return self.fault is None


_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_FAULT_KINDS = {kind.value: kind for kind in FaultKind}


def statistics(message: operations_pb2.GetStatisticsResponse) -> Statistics:
    """Statistics as the server tells them."""
    return Statistics(
        log_id=message.log_id,
        head=message.head,
        events=message.events,
        streams=message.streams,
        types=message.types,
        top_types=tuple(TypeCount(entry.type, entry.events) for entry in message.top_types),
        size_bytes=message.size_bytes,
    )


def diagnosis(message: operations_pb2.DiagnoseResponse) -> Diagnosis:
    """A diagnosis as the server tells it."""
    return Diagnosis(
        checks=tuple(
            Check(
                component=check.component,
                outcome=_OUTCOMES.get(check.outcome, Outcome.UNKNOWN),
                message=check.message,
                recommendation=check.recommendation,
                took=check.took.ToTimedelta(),
            )
            for check in message.checks
        ),
        server_version=message.server_version,
        server_time=message.server_time.ToDatetime(UTC),
    )


async def verify(connection: Connection, timeout: float, progress: Callable[[VerificationProgress], None] | None) -> Verification:
    """Asks for a verification and waits for its end.

    Args:
        connection: Where the call goes.
        timeout: Seconds that the server may be silent.
        progress: Told how far it is.

    Raises:
        MinkError: It could not be made to its end.
    """
    request = operations_pb2.VerifyLogRequest()
    source = Source(connection, lambda: connection.operations.VerifyLog(request), timeout)
    try:
        while (message := await source.next()) is not None:
            if message.HasField("result"):
                return _verification(message.result)
            if progress is not None and message.HasField("progress"):
                reached = message.progress
                progress(VerificationProgress(reached.step, reached.position, reached.head))
    finally:
        source.close()
    raise Unavailable("UNAVAILABLE", "the verification ended without a result")


def _verification(message: operations_pb2.VerifyLogResult) -> Verification:
    fault = None
    if message.HasField("fault"):
        found = message.fault
        kind = _FAULT_KINDS.get(found.kind, FaultKind.UNKNOWN)
        fault = LogFault(kind, found.message, found.position, found.stream, found.version)
    return Verification(message.head, message.events, message.streams, message.snapshots, message.removed, fault)
