"""What a read model's home can do: a target keeps the checkpoint, and refuses who comes with an old token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from mink_client.projections.handlers import Hooks, Work
    from mink_client.projections.lease import Lease


class LeaseLost(Exception):  # noqa: N818 - an event in the life of a worker, no error of its code
    """A greater token is in the target: somebody else has the partition. Nothing was committed."""


class TransactionSpoiled(Exception):  # noqa: N818 - said of what a handler did
    """A handler has ended the target's transaction, or went on after an error that had broken it. Nothing can be committed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a read model stands.

    Attributes:
        position: Every event of the partition up to this position is in it.
        log_id: The log that the position is of.
    """

    position: int
    log_id: str


class Transaction(Protocol):
    """A transaction in a target, under a lease that nobody else can have until it ends."""

    @property
    def position(self) -> int | None:
        """The checkpoint as it is; None: the target keeps none, or the build has not begun."""

    @property
    def usable(self) -> bool:
        """Whether it can go on; otherwise it is rolled back already, or its connection is gone."""

    async def run(self, work: Work) -> None:
        """Calls handlers with this transaction.

        Args:
            work: The handlers' calls.
        """

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """What fails inside leaves no trace, and the transaction goes on.

        Raises:
            TransactionSpoiled: At the end, when a handler has broken the transaction without raising anything.
        """

    async def replayed(self, position: int) -> bool:
        """Notes that a parked event is handled; answers whether that had been noted already.

        Args:
            position: The event's position.
        """

    async def move(self, position: int) -> None:
        """Moves the checkpoint.

        Args:
            position: Where to.

        Raises:
            LeaseLost: The lease is over.
            TransactionSpoiled: A handler has ended the transaction.
        """


class Target(Protocol):
    """A read model's home. One object serves all partitions of a process, and may serve several projections.

    Its methods raise `LeaseLost` where they take a lease that is over, `Transient` for what passes, and what a database raises.
    """

    @property
    def transactional(self) -> bool:
        """Whether the checkpoint moves in the transaction of the handlers, so that each event is handled exactly once."""

    @property
    def can_clear(self) -> bool:
        """Whether it can clear a read model without a hook of the projection's."""

    @property
    def can_switch(self) -> bool:
        """Whether it can switch to another build without a hook of the projection's."""

    def refuses(self, function: Callable[..., Any], *, takes_transaction: bool) -> str | None:
        """Why a function cannot be a handler or a hook here; None if it can.

        Args:
            function: The function.
            takes_transaction: Whether it takes the transaction.
        """

    def serve(self, projection: str, partitions: int) -> None:
        """Prepares for a projection. Nothing is opened.

        Args:
            projection: Its name.
            partitions: How many partitions it has.
        """

    async def open(self) -> None:
        """Makes ready what is shared. Need not reach a database yet. May be called once for each projection.

        Raises:
            DefinitionError: A setting is missing or wrong.
        """

    async def close(self) -> None:
        """Undoes one `open`; the last one lets go of everything."""

    async def claim(self, lease: Lease, log_id: str, hooks: Hooks) -> Checkpoint | None:
        """Fences: from now on nobody with a smaller token commits. Runs the projection's setup.

        Waits for a transaction of an older holder that is under way; not for long.

        Args:
            lease: The lease.
            log_id: The log that events come from.
            hooks: The projection's hooks.

        Returns:
            Where the read model stands; None: the target does not know.
        """

    def transaction(self, lease: Lease) -> AbstractAsyncContextManager[Transaction]:
        """A transaction, committed at the end, or rolled back if something is raised. The lease is checked at its beginning.

        Args:
            lease: The lease.
        """

    async def move(self, lease: Lease, position: int) -> None:
        """Moves the checkpoint, and nothing else.

        Args:
            lease: The lease.
            position: Where to.
        """

    async def clear(self, lease: Lease, log_id: str, hooks: Hooks) -> None:
        """Clears the read model of a build, and the checkpoints of all its partitions, which keep the lease's token as fence.

        Args:
            lease: A lease on any of its partitions.
            log_id: The log from which it will be filled.
            hooks: The projection's hooks.
        """

    async def switch(self, lease: Lease, hooks: Hooks) -> None:
        """Makes the build the one that readers see.

        Args:
            lease: A lease on any of its partitions.
            hooks: The projection's hooks.
        """
