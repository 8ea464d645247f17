"""Applying events to a read model: all of a batch in one transaction; event by event, where one of them is poison."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, TypeVar

from mink_client.projections.failures import Applied, Fault, HandlerFailed, HandlerTimeout, Poison, fault
from mink_client.projections.handlers import Work
from mink_client.projections.lease import under
from mink_client.projections.singly import Singly, not_yet
from mink_client.projections.target import Checkpoint, LeaseLost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from mink_client.events import RecordedEvent
    from mink_client.projections.definition import Definition
    from mink_client.projections.lease import Lease
    from mink_client.projections.target import Transaction

__all__ = ["Applied", "Applier", "Fault", "LeaseLost", "Poison"]

_log: Final = logging.getLogger("mink_client.projections")

_HOOK_TIMEOUT: Final = 600.0
"""Seconds that a target and the projection's hooks may take to clear, to switch, or to set up."""

T = TypeVar("T")


class Applier:
    """Handles the events of one partition under one lease. One method at a time.

    Each raises `LeaseLost` when the target has seen a greater token, and `Fault` when handling cannot go on. A method that is
    cancelled has committed what it was at, or nothing of it, when it ends.
    """

    def __init__(self, definition: Definition, lease: Lease, log_id: str, park: Callable[[Poison], Awaitable[None]]) -> None:
        """Prepares it.

        Args:
            definition: The projection. Its target is open.
            lease: The lease.
            log_id: The log's id.
            park: Sets an event aside; returns when that is durable.
        """
        self._definition = definition
        self._lease = lease
        self._log_id = log_id
        self._park = park
        self._target = definition.target
        self._retry = definition.retry

    async def claim(self) -> Checkpoint | None:
        """Fences: from now on nobody with a smaller token commits. Sets the read model up.

        Returns:
            Where the read model stands; None: its target does not know, and Mink's checkpoint holds.
        """
        found = await self._patiently(lambda: self._target.claim(self._lease, self._log_id, self._definition.hooks))
        start = self._definition.start
        if found is None and self._target.transactional and start != "end":
            # It has not begun, or was lost: it begins at the beginning, whatever Mink remembers.
            return Checkpoint(0 if start == "beginning" else start, self._log_id)
        return found

    async def apply(self, events: Sequence[RecordedEvent], position: int) -> Applied:
        """Handles events, and moves the checkpoint.

        Args:
            events: The events, in order; none: only the checkpoint moves.
            position: Every event of the partition up to it is among these or was handled before.
        """
        if not events:
            await self._patiently(lambda: self._target.move(self._lease, position))
            return Applied(position, 0, 0, 0)
        singly = Singly(self._definition, self._lease, self._park, self._run)
        with under(self._lease):
            rest = await self._all(events, position, singly)
            if rest:
                await singly.apply(rest, position)
        return Applied(position, len(events), singly.errors, singly.skipped)

    async def replay(self, event: RecordedEvent) -> Poison | None:
        """Handles a parked event once more; exactly once, where the target is transactional.

        Args:
            event: The event.

        Returns:
            What went wrong again; None: it is handled.
        """
        attempt = 0
        with under(self._lease):
            while True:
                attempt += 1
                try:
                    async with self._target.transaction(self._lease) as transaction:
                        if not await transaction.replayed(event.position):
                            await self._run(transaction, [event])
                except LeaseLost:
                    raise
                except Exception as raised:  # noqa: BLE001 - whatever a handler raises
                    error = raised.error if isinstance(raised, HandlerFailed) else raised
                    if attempt >= self._retry.attempts or not self._retry.passes(error):
                        return Poison.of(error, event, attempt)
                else:
                    return None
                await asyncio.sleep(self._retry.delay(attempt))

    async def clear(self) -> None:
        """Clears the read model of the build, with all its partitions' checkpoints."""
        await self._patiently(lambda: self._target.clear(self._lease, self._log_id, self._definition.hooks))

    async def switch(self) -> None:
        """Makes the build the one that readers see."""
        await self._patiently(lambda: self._target.switch(self._lease, self._definition.hooks))

    async def _all(self, events: Sequence[RecordedEvent], position: int, singly: Singly) -> Sequence[RecordedEvent]:
        """All in one transaction; answers with what has to be handled event by event."""
        attempt = 0
        while True:
            attempt += 1
            event: RecordedEvent | None = None
            try:
                await self._at_once(events, position)
            except LeaseLost:
                raise
            except HandlerFailed as failed:
                error, event = failed.error, failed.event
                events = singly.left(events, failed)
            except Exception as raised:  # noqa: BLE001 - the target's
                error = raised
                singly.failed(None)
            else:
                return ()
            _log.debug("%s: attempt %d failed: %s", self._lease.projection, attempt, type(error).__name__)
            if not self._retry.passes(error):
                return events
            if attempt >= self._retry.attempts:
                if isinstance(error, HandlerTimeout):
                    return events
                raise singly.fault(error, event, attempt, passing=True)
            await asyncio.sleep(self._retry.delay(attempt))

    async def _at_once(self, events: Sequence[RecordedEvent], position: int) -> None:
        async with self._target.transaction(self._lease) as transaction:
            todo = not_yet(events, transaction.position)
            if todo:
                await self._run(transaction, todo)
            await transaction.move(position)

    async def _run(self, transaction: Transaction, events: Sequence[RecordedEvent]) -> None:
        """Calls handlers.

        Raises:
            HandlerFailed: One of them failed.
        """
        timeout = self._retry.timeout
        work = Work(self._definition.handlers, events, timeout)
        try:
            async with asyncio.timeout(timeout) as clock:
                work.limit(clock)
                await transaction.run(work)
        except LeaseLost:
            raise
        except Exception as error:
            if isinstance(error, TimeoutError) and clock.expired():
                error = HandlerTimeout(f"the handler took longer than {timeout:g} s")
            raise HandlerFailed(error, work.event, work.done) from error

    async def _patiently(self, act: Callable[[], Awaitable[T]]) -> T:
        """Does something with the target, again and again while what fails passes."""
        attempt = 0
        with under(self._lease):
            while True:
                attempt += 1
                try:
                    async with asyncio.timeout(_HOOK_TIMEOUT):
                        return await act()
                except LeaseLost:
                    raise
                except Exception as error:
                    passing = self._retry.passes(error)
                    if attempt >= self._retry.attempts or not passing:
                        poison = Poison.of(error, None, attempt)
                        raise fault(self._definition, self._lease, poison, passing=passing) from error
                await asyncio.sleep(self._retry.delay(attempt))
