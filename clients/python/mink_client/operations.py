"""What an operator asks a server, and what it answers."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from mink.v1 import operations_pb2


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
        streams: Streams that have events.
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


_OUTCOMES = {outcome.value: outcome for outcome in Outcome}


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
