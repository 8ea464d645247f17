"""What a failed handler leaves behind: what is said of it, and what is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mink_client.events import RecordedEvent
    from mink_client.projections.definition import Definition
    from mink_client.projections.lease import Lease

_LONGEST: Final = 2000


@dataclass(frozen=True, slots=True)
class Applied:
    """How handling went.

    Attributes:
        position: Every event of the partition up to this position is handled.
        events: How many events that were, those included that were skipped or parked.
        errors: How often a handler failed meanwhile, tries that were repeated included.
        skipped: How many events were skipped because their handler failed.
    """

    position: int
    events: int
    errors: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Poison:
    """What went wrong.

    Attributes:
        position: The event's position; 0 if it was no single event's.
        type: Its type.
        stream: Its stream.
        message: What went wrong, for a person: at most 2000 characters.
        attempts: How often it was tried.
    """

    position: int
    type: str
    stream: str
    message: str
    attempts: int

    @classmethod
    def of(cls, error: BaseException, event: RecordedEvent | None, attempts: int) -> Poison:
        """What went wrong.

        Args:
            error: The failure.
            event: The event; None: no single one's.
            attempts: How often it was tried.
        """
        if event is None:
            return cls(0, "", "", describe(error), attempts)
        return cls(event.position, event.type, event.stream, describe(error), attempts)


class Fault(Exception):  # noqa: N818 - what the partition is afterwards
    """Handling cannot go on.

    Attributes:
        poison: What went wrong.
        restart_after: Seconds after which to try again without being asked; None: when an operator restarts it.
        applied: What was handled before; None: nothing.
    """

    def __init__(self, poison: Poison, restart_after: float | None, applied: Applied | None = None) -> None:
        super().__init__(poison.message)
        self.poison = poison
        self.restart_after = restart_after
        self.applied = applied


class HandlerFailed(Exception):  # noqa: N818 - never leaves the package
    """A handler raised something.

    Attributes:
        error: What it raised.
        event: The event; None: no single one.
        done: How many events before it were handled.
    """

    def __init__(self, error: Exception, event: RecordedEvent | None, done: int) -> None:
        super().__init__(type(error).__name__)
        self.error = error
        self.event = event
        self.done = done


class NoException(Exception):  # noqa: N818 - never leaves the package
    """A handler raised what is no `Exception`, and what neither ends the process nor was asked for: a failure like others.

    Attributes:
        raised: What it raised.
    """

    def __init__(self, raised: BaseException) -> None:
        super().__init__(type(raised).__name__)
        self.raised = raised


class HandlerTimeout(TimeoutError):  # noqa: N818 - never leaves the package but by its name
    """A handler took too long. That may pass; an event with which it does not is poison."""


def fault(definition: Definition, lease: Lease, poison: Poison, *, passing: bool, applied: Applied | None = None) -> Fault:
    """The fault that a failure comes to, by the projection's restart policy.

    Args:
        definition: The projection.
        lease: The lease.
        poison: What went wrong.
        passing: Whether it was no event's fault, and may pass.
        applied: What was handled before; None: nothing.
    """
    return Fault(poison, definition.faults.restart_after((lease.build, lease.partition), passing=passing), applied)


def describe(error: BaseException) -> str:
    """What an error says, for a person: its class and text, at most 2000 characters.

    Args:
        error: The error.
    """
    if isinstance(error, NoException):
        error = error.raised
    # A database's error has details apart, and in them values of rows: those stay out.
    text = getattr(error, "message", None) if hasattr(error, "sqlstate") else None
    if not isinstance(text, str):
        try:
            text = str(error)
        except BaseException as another:  # noqa: BLE001 - a user's class
            text = f"(no text: its __str__ raised {type(another).__name__})"
    if isinstance(error, BaseExceptionGroup):
        text = "; ".join(describe(part) for part in error.exceptions[:3])
    whole = f"{type(error).__name__}: {text}" if text else type(error).__name__
    whole = whole[:_LONGEST].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return whole.encode(errors="replace").decode()
