"""A read model that Mink knows nothing of: each event is handled at least once, and Mink alone keeps the checkpoint."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from mink_client.projections.problems import DefinitionError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mink_client.projections.handlers import Hooks, Work
    from mink_client.projections.lease import Lease
    from mink_client.projections.target import Checkpoint


class _Nothing:
    """Stands where a transaction would."""

    position: Final = None
    usable: Final = True

    async def run(self, work: Work) -> None:
        await work.in_loop(None)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        yield

    async def replayed(self, _position: int) -> bool:
        return False

    async def move(self, position: int) -> None:
        """Mink keeps the checkpoint."""


class NoTransaction:
    """The target of a projection without one. Handlers get None as transaction.

    The checkpoint moves after handlers have succeeded: an event whose handler was at work when the worker died comes again. Nothing
    can be taken back either: of a batch that failed halfway, a part has been handled.
    """

    transactional: Final = False
    can_clear: Final = False
    can_switch: Final = False

    def refuses(self, _function: Callable[..., Any], *, takes_transaction: bool) -> str | None:  # noqa: ARG002
        """Nothing."""
        return None

    def serve(self, projection: str, partitions: int) -> None:
        """Nothing is to be prepared."""

    async def open(self) -> None:
        """Nothing is to be opened."""

    async def close(self) -> None:
        """Nothing is to be closed."""

    async def claim(self, _lease: Lease, _log_id: str, hooks: Hooks) -> Checkpoint | None:
        """Runs the projection's setup; nothing is fenced, and Mink's checkpoint holds."""
        if hooks.setup is not None:
            await hooks.setup.in_loop(None)
        return None

    @asynccontextmanager
    async def transaction(self, _lease: Lease) -> AsyncIterator[_Nothing]:
        """What stands where a transaction would."""
        yield _Nothing()

    async def move(self, lease: Lease, position: int) -> None:
        """Mink keeps the checkpoint."""

    async def clear(self, _lease: Lease, _log_id: str, hooks: Hooks) -> None:
        """Runs the projection's hooks."""
        if hooks.clear is None:
            raise DefinitionError("clear", "is missing: without it, this read model cannot be rebuilt in place")
        await hooks.clear.in_loop(None)
        if hooks.setup is not None:
            await hooks.setup.in_loop(None)

    async def switch(self, _lease: Lease, hooks: Hooks) -> None:
        """Runs the projection's hook."""
        if hooks.switch is None:
            raise DefinitionError("switch", "is missing: without it, this read model cannot be rebuilt side by side")
        await hooks.switch.in_loop(None)

    def __repr__(self) -> str:
        return "NoTransaction()"
