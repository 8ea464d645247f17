"""The leases of one worker, and what was decided about them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from mink_server.core.projections.model import Member
from mink_server.rpc.projections import messages
from mink_server.rpc.projections.holding import Held

if TYPE_CHECKING:
    from collections.abc import Callable

    from mink_server.core.projections.model import Grant, Lease, Orders, Progress
    from mink_server.rpc.projections.outbox import Outbox

log = structlog.get_logger(__name__)


class Leases:
    """The leases of one worker.

    Args:
        projection: The projection's name.
        worker: The worker's id.
        outbox: The worker's.
        seconds: How long a lease lasts.
    """

    def __init__(self, projection: str, worker: str, outbox: Outbox, seconds: float) -> None:
        self.projection = projection
        self._worker = worker
        self._outbox = outbox
        self._seconds = seconds
        self._clock = asyncio.get_running_loop().time
        self._held: dict[int, Held] = {}
        self._leaving = False
        self._none = asyncio.Event()
        self._none.set()

    def find(self, build: int, partition: int, token: int) -> Held | None:
        """A lease, if it is held."""
        held = self._held.get(token)
        return held if held is not None and (held.lease.build, held.lease.partition) == (build, partition) else None

    def has(self, held: Held) -> bool:
        """Whether a lease is still held."""
        return held.lease.token in self._held

    # What a round and a save need.

    def member(self) -> Member:
        """What a round needs to know: all leases are renewed that the worker may keep."""
        now = self._clock()
        leases = {held.lease: held.take(now) if held.due(now) else None for held in self._held.values()}
        return Member(self.projection, self._worker, self._leaving, leases)

    def moved(self) -> list[Progress]:
        """What is to be saved between rounds."""
        now = self._clock()
        return [held.take(now) for held in self._held.values() if held.moved]

    def put_back(self, progress: Progress) -> None:
        """What `member` or `moved` gave was not saved."""
        if held := self._held.get(progress.lease.token):
            held.put_back(progress)

    # What was decided.

    def obey(self, orders: Orders, as_of: float, renewed: Member) -> None:
        """Does what a round has decided.

        Args:
            orders: The decision.
            as_of: Loop time at which the round began.
            renewed: What the round knew of the worker.
        """
        for lease in renewed.leases:
            if held := self._held.get(lease.token):
                held.until = as_of + self._seconds
                if held.replays is not None:
                    held.replays.wait(orders.replays.get(lease, ()), as_of)
        for lease in orders.lost:
            self.lost(lease)
        for grant in orders.grants:
            self._grant(grant, as_of)
        for lease in orders.revokes:
            if held := self._held.get(lease.token):
                self._revoke(held)

    def _grant(self, grant: Grant, as_of: float) -> None:
        for held in list(self._held.values()):
            if (held.lease.build, held.lease.partition) == (grant.lease.build, grant.lease.partition):
                self.lose(held)  # it has run out without anybody noticing
        held = Held(grant, as_of + self._seconds, self._clock())
        self._held[grant.lease.token] = held
        self._none.clear()
        self._outbox.put(messages.assigned(grant))
        if self._leaving:
            self._revoke(held)

    def _revoke(self, held: Held) -> None:
        if held.revoked_at is None:
            held.revoked_at = self._clock()
            held.end()
            self._outbox.put(messages.revoked(held.lease, lost=False))

    # How leases end.

    def leave(self) -> None:
        """Takes no more leases, and gives back those that there are."""
        self._leaving = True
        for held in list(self._held.values()):
            self._revoke(held)

    async def given_back(self) -> None:
        """Waits until none is held."""
        await self._none.wait()

    def expire(self, release: Callable[[Held], None]) -> None:
        """Ends leases that were not renewed in time, and those that the worker was told to give back and has not.

        Args:
            release: Gives back one that ends here and not yet in the database.
        """
        now = self._clock()
        for held in list(self._held.values()):
            if now >= held.until:
                self.lose(held)
            elif held.revoked_at is not None and now >= held.revoked_at + self._seconds:
                self.lose(held)
                release(held)

    def lost(self, lease: Lease) -> None:
        """A lease is another worker's now, or nobody's."""
        if held := self._held.get(lease.token):
            self.lose(held)

    def lose(self, held: Held) -> None:
        """Ends a lease, and tells the worker that it holds it no longer."""
        if self.has(held):
            self.drop(held)
            self._outbox.put(messages.revoked(held.lease, lost=True))
            log.info("a worker has lost a lease", projection=self.projection, partition=held.lease.partition)

    def drop(self, held: Held) -> None:
        """Ends a lease, of which the worker knows."""
        held.end()
        if self._held.pop(held.lease.token, None) is not None and not self._held:
            self._none.set()

    def end(self) -> list[Progress]:
        """Ends all; answers with how far they came: what was taken for a save or a round that is under way may come too late."""
        now = self._clock()
        rest = [held.take(now) for held in self._held.values() if held.started]
        for held in list(self._held.values()):
            self.drop(held)
        return rest
