"""Event by event, each in a savepoint: so that only a poison event is stopped at, skipped or parked, never its neighbours."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from mink_client.projections.failures import Applied, Fault, HandlerFailed, HandlerTimeout, Poison, fault
from mink_client.projections.policies import OnPoison
from mink_client.projections.target import LeaseLost, TransactionSpoiled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from mink_client.events import RecordedEvent
    from mink_client.projections.definition import Definition
    from mink_client.projections.lease import Lease
    from mink_client.projections.target import Transaction

    Run: TypeAlias = Callable[[Transaction, Sequence[RecordedEvent]], Awaitable[None]]

_COMMIT_EVERY: Final = 1.0
"""Seconds of work after which what is handled is committed."""
_MOST_POISONS: Final = 50
"""Poison events in one transaction at most."""


def not_yet(events: Sequence[RecordedEvent], position: int | None) -> Sequence[RecordedEvent]:
    """The events that are not handled yet. Some may be, where the connection broke during a commit that succeeded.

    Args:
        events: The events, in order.
        position: Where the read model stands; None: the target does not know.
    """
    if position is None or not events or events[0].position > position:
        return events
    return [event for event in events if event.position > position]


class _Again(Exception):  # noqa: N818
    """The transaction cannot go on; what is known by now is kept, and the rest done again."""


class _Verdict(NamedTuple):
    """An event that is not tried any more."""

    error: Exception
    passing: bool


class _Piece:
    """What happens in one transaction."""

    def __init__(self) -> None:
        self.passed = 0  # events that need not be looked at again, once it is committed
        self.handled: list[RecordedEvent] = []
        self.poisons: list[Poison] = []
        self.moved = False
        self.stopped_at: tuple[RecordedEvent, _Verdict] | None = None
        self.wait: float | None = None


class Singly:
    """Handles the events of one `apply` one by one; keeps its counts.

    Attributes:
        errors: How often a handler failed.
        skipped: How many events were skipped.
    """

    def __init__(self, definition: Definition, lease: Lease, park: Callable[[Poison], Awaitable[None]], run: Run) -> None:
        """Prepares it.

        Args:
            definition: The projection.
            lease: The lease.
            park: Sets an event aside; returns when that is durable.
            run: Calls handlers.
        """
        self.errors = 0
        self.skipped = 0
        self._definition = definition
        self._lease = lease
        self._park = park
        self._run = run
        self._target = definition.target
        self._retry = definition.retry
        self._attempts: Counter[int] = Counter()  # by position
        self._verdicts: dict[int, _Verdict] = {}  # by position
        self._troubles = 0  # failures of the target's in a row
        self._alone = not self._target.transactional  # whether each event gets a transaction of its own
        self._done: Applied | None = None

    def failed(self, event: RecordedEvent | None) -> None:
        """A try has failed.

        Args:
            event: At this event; None: it is not known at which one.
        """
        self.errors += 1
        if event is not None:
            self._attempts[event.position] += 1

    def left(self, events: Sequence[RecordedEvent], failed: HandlerFailed) -> Sequence[RecordedEvent]:
        """Some events were tried together, and one has failed; answers with what is not handled.

        Args:
            events: All of them.
            failed: How.
        """
        self.failed(failed.event)
        if self._target.transactional:
            return events
        # There is no way back: what is handled is not handled again.
        self._passed(events[: failed.done])
        return events[failed.done :]

    def _passed(self, events: Sequence[RecordedEvent]) -> None:
        """Events are handled for good."""
        if events:
            before = 0 if self._done is None else self._done.events
            self._done = Applied(events[-1].position, before + len(events), self.errors, self.skipped)

    def fault(self, error: Exception, event: RecordedEvent | None, attempts: int, *, passing: bool) -> Fault:
        """The fault that a failure comes to.

        Args:
            error: The failure.
            event: The event; None: no single one's.
            attempts: How often it was tried.
            passing: Whether it may pass.
        """
        poison = Poison.of(error, event, attempts)
        return fault(self._definition, self._lease, poison, passing=passing, applied=self._done)

    async def apply(self, events: Sequence[RecordedEvent], position: int) -> None:
        """Handles events.

        Args:
            events: The events, in order; at least one.
            position: Where the checkpoint is afterwards.

        Raises:
            Fault: An event is poison, and stopped at; those before it are committed. Or what should pass does not.
        """
        left = events
        while left:
            piece = _Piece()
            try:
                async with self._target.transaction(self._lease) as transaction:
                    left = not_yet(left, transaction.position)
                    await self._handle(transaction, left, piece)
                    if self._definition.on_poison is OnPoison.PARK:
                        await self._park_all(piece.poisons)
                    piece.moved = True
                    await transaction.move(position if piece.passed == len(left) else left[piece.passed].position - 1)
            except LeaseLost:
                raise
            except _Again:
                pass
            except Exception as error:  # noqa: BLE001 - the target's, or from parking: handlers' are dealt with
                await self._trouble(error, piece)
                continue
            else:
                self._troubles = 0
                left = self._committed(left, piece)
            if piece.wait is not None:
                await asyncio.sleep(piece.wait)

    def _committed(self, events: Sequence[RecordedEvent], piece: _Piece) -> Sequence[RecordedEvent]:
        """A transaction is committed; answers with the events that are left."""
        if self._definition.on_poison is OnPoison.SKIP:
            self.skipped += len(piece.poisons)
        self._passed(events[: piece.passed])
        if piece.stopped_at is not None:
            event, verdict = piece.stopped_at
            raise self.fault(verdict.error, event, self._attempts[event.position], passing=verdict.passing)
        return events[piece.passed :]

    async def _handle(self, transaction: Transaction, events: Sequence[RecordedEvent], piece: _Piece) -> None:
        """Handles events, until one has to be waited for or stopped at, or it is time to commit."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _COMMIT_EVERY
        for event in events[:1] if self._alone else events:
            if event.position not in self._verdicts:
                error = await self._try(transaction, event)
                if error is None:
                    piece.handled.append(event)
                else:
                    self._judge(event, error, piece)
                    if not transaction.usable:
                        raise _Again
                if piece.wait is not None:
                    return
            if event.position in self._verdicts and not self._passes_over(event, piece):
                return
            piece.passed += 1
            if loop.time() >= until or len(piece.poisons) >= _MOST_POISONS:
                return

    async def _try(self, transaction: Transaction, event: RecordedEvent) -> Exception | None:
        try:
            async with transaction.savepoint():
                await self._run(transaction, [event])
        except HandlerFailed as failed:
            self.failed(event)
            return failed.error
        except TransactionSpoiled as spoiled:
            self.failed(event)
            return spoiled
        return None

    def _judge(self, event: RecordedEvent, error: Exception, piece: _Piece) -> None:
        """Decides whether an event that failed is tried again."""
        attempts = self._attempts[event.position]
        passing = self._retry.passes(error)
        if passing and attempts < self._retry.attempts:
            piece.wait = self._retry.delay(attempts)
        else:
            # A handler that always takes too long is no outage: it is this event's.
            self._verdicts[event.position] = _Verdict(error, passing and not isinstance(error, HandlerTimeout))

    def _passes_over(self, event: RecordedEvent, piece: _Piece) -> bool:
        """Whether to go on behind an event that is not tried any more."""
        verdict = self._verdicts[event.position]
        if verdict.passing or self._definition.on_poison is OnPoison.STOP:
            piece.stopped_at = event, verdict
            return False
        piece.poisons.append(Poison.of(verdict.error, event, self._attempts[event.position]))
        return True

    async def _park_all(self, poisons: Sequence[Poison]) -> None:
        found = await asyncio.gather(*(self._park(poison) for poison in poisons), return_exceptions=True)
        for error in found:
            if error is not None:
                raise error

    async def _trouble(self, error: Exception, piece: _Piece) -> None:
        """The transaction failed, by no handler's fault; or at its end, as constraints do that are checked late."""
        self.errors += 1
        if self._retry.passes(error):
            self._troubles += 1
            if self._troubles >= self._retry.attempts:
                raise self.fault(error, None, self._troubles, passing=True) from error
            await asyncio.sleep(self._retry.delay(self._troubles))
        elif not piece.moved or not piece.handled:
            raise self.fault(error, None, 1, passing=False) from error
        elif len(piece.handled) > 1 or not self._alone:
            self._alone = True
        else:
            event = piece.handled[0]
            self._attempts[event.position] += 1
            self._verdicts[event.position] = _Verdict(error, False)
