"""Runs projections in this process: one call for each, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Self

from mink_client.client import Mink
from mink_client.projections.definition import Definition
from mink_client.worker.runner import Runner
from mink_client.worker.status import RunnerStatus
from mink_client.worker.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from types import TracebackType

    from mink_client.channel import Connection
    from mink_client.security import TLS, Name, TokenSource

_log: Final = logging.getLogger("mink_client.worker")

_TIMEOUT: Final = 10.0
_LONGEST_NAME: Final = 200
_MOST_PARTITIONS: Final = 256
_LONGEST_DRAIN: Final = 3600.0
_CUTTING: Final = 5.0
"""Seconds that what was cancelled may take to end."""


class Worker:
    """Runs one or many projections against a Mink.

    ```python
    worker = Worker("localhost:50051", [OrderSummary])
    await worker.run()  # until worker.stop()
    ```

    Or `async with Worker(...) as worker:`, which runs it meanwhile, and drains it at the end. It belongs to one event loop, and is
    used once. It connects by itself, again and again, and waits for a server that is away.

    Attributes:
        name: The worker's name.
        status: How each projection is, in the order in which they were given. The worker writes it.
    """

    def __init__(
        self,
        server: str | Mink | None,
        definitions: Iterable[object],
        *,
        name: str | None = None,
        max_partitions: int = 0,
        drain_seconds: float = 10.0,
        patience: float | None = None,
        timeout: float | None = None,
        tls: TLS | bool | None = None,
        token: TokenSource | None = None,
        token_file: Name | None = None,
        insecure_token: bool = False,
    ) -> None:
        """Prepares a worker. Nothing is connected yet.

        Args:
            server: The server's address, as `Mink` takes it; or a `Mink` that is open, and that the worker leaves open.
            definitions: The projections: what `Definition.of` takes (classes, instances, modules), or what it gives. At least one.
            name: A name for the worker, for people, at most 200 characters. Not given: `host:pid`.
            max_partitions: How many partitions of each projection's build to take at most. 0: all.
            drain_seconds: Seconds that what is under way may take when the worker is told to stop.
            patience: Seconds to wait for a server that has never answered. Not given: as long as it takes.
            timeout: Seconds that the server may take to welcome the worker. Not given: 10, or the timeout of the `Mink`.
            tls: As `Mink` takes it; so are the next three. None of them goes with a `Mink` that is open.
            token: See `Mink`.
            token_file: See `Mink`.
            insecure_token: See `Mink`.

        Raises:
            DefinitionError: Something is no projection, or a wrong one.
            CredentialsError: A file cannot be used, or the token would go to another machine in clear.
            ValueError: Another argument is wrong; the message begins with its name.
        """
        self._definitions = _checked(definitions)
        self.name = worker_name() if name is None else name
        _check(self.name, max_partitions, drain_seconds, patience)
        self._max_partitions = max_partitions
        self._drain_seconds = drain_seconds
        self._patience = patience
        self._given = server if isinstance(server, Mink) else None
        if isinstance(server, Mink):
            if tls is not None or token is not None or token_file is not None or insecure_token:
                raise ValueError("server: a Mink that is open has its own credentials; give an address, or no credentials")
            self._mink = server
        else:
            self._mink = Mink(
                server,
                timeout=_TIMEOUT if timeout is None else timeout,
                tls=tls,
                token=token,
                token_file=token_file,
                insecure_token=insecure_token,
            )
        self._timeout = self._mink.timeout if timeout is None else timeout
        self._runners: list[Runner] = []
        self.status = [RunnerStatus(definition.name) for definition in self._definitions]
        self._stopping = asyncio.Event()
        self._at_once = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._used = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.run(), name="mink-worker")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if self._task is not None:
            await self._task

    @property
    def server(self) -> str:
        """The server's address."""
        return self._mink.server

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop, or failed."""
        return self._stopping.is_set()

    def stop(self, *, at_once: bool = False) -> None:
        """Tells it to stop: what is under way is finished, leases are given back, then `run` returns. May be called again.

        Args:
            at_once: Cancel what is under way.
        """
        self._stopping.set()
        if at_once:
            self._at_once.set()
            for runner in self._runners:
                runner.cut()

    async def run(self) -> None:
        """Runs the projections until `stop`, or until one of them fails for good, which stops the others.

        Raises:
            DefinitionError: A target cannot be opened, for example because an environment variable is not set. A note says whose.
            MinkError: The server refuses a projection or the worker (`InvalidRequest`, `PermissionDenied`, `Unauthenticated` …), or
                has never answered within the patience. A note says which projection.
        """
        if self._used:
            raise RuntimeError("a worker can run once; make another one")
        self._used = True
        async with AsyncExitStack() as stack:
            if self._given is None:
                await stack.enter_async_context(self._mink)
            connection = self._mink._open()
            targets = Targets((definition.name, definition.target) for definition in self._definitions)
            stack.push_async_callback(targets.close)
            if await self._until_stopped(targets.open()):
                pairs = zip(self._definitions, self.status, strict=True)
                self._runners = [self._runner(definition, connection, status) for definition, status in pairs]
                await self._run_all()

    def _runner(self, definition: Definition, connection: Connection, status: RunnerStatus) -> Runner:
        return Runner(
            definition,
            connection,
            status,
            name=self.name,
            max_partitions=self._max_partitions,
            timeout=self._timeout,
            patience=self._patience,
            stop=self.stop,
        )

    async def _until_stopped(self, work: Coroutine[None, None, None]) -> bool:
        """Does something, and gives it up when the worker is told to stop; answers with whether it was done."""
        task = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _ended(stopping, *(() if task.done() else (task,)))
        if not task.done() or task.cancelled():
            return False
        await task
        return True

    async def _run_all(self) -> None:
        tasks = [asyncio.create_task(one.run(), name=f"mink-worker-{one.status.projection}") for one in self._runners]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            await self._drain(tasks)
        finally:
            self._stopping.set()
            for runner in self._runners:
                runner.cut()
            await asyncio.wait(tasks, timeout=_CUTTING)
            await _ended(stopping, *tasks)
        failures: list[BaseException] = []
        for runner, task in zip(self._runners, tasks, strict=True):
            if not task.cancelled() and (error := task.exception()) is not None:
                error.add_note(f"projection {runner.status.projection}")
                failures.append(error)
        for failure in failures[1:]:
            _log.error("%s: %s", failure.__notes__[-1], failure)
        if failures:
            raise failures[0]

    async def _drain(self, tasks: list[asyncio.Task[None]]) -> None:
        done = asyncio.create_task(self._drain_all(tasks))
        at_once = asyncio.create_task(self._at_once.wait())
        try:
            await asyncio.wait({done, at_once}, return_when=asyncio.FIRST_COMPLETED, timeout=self._drain_seconds + _CUTTING)
        finally:
            await _ended(done, at_once)

    async def _drain_all(self, tasks: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*(runner.drain(self._drain_seconds) for runner in self._runners))
        await asyncio.wait(tasks)


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancels what goes on, and waits for its end, but not for ever: a handler may not heed it."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=_CUTTING)


def worker_name() -> str:
    """A name for this process: `host:pid`."""
    pid = f":{os.getpid()}"
    return socket.gethostname()[: _LONGEST_NAME - len(pid)] + pid


def _checked(definitions: Iterable[object]) -> list[Definition]:
    found = [Definition.of(given) for given in definitions]
    if not found:
        raise ValueError("definitions: at least one projection")
    names = [definition.name for definition in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"definitions: two projections are called {twice}")
    return found


def _check(name: str, max_partitions: int, drain_seconds: float, patience: float | None) -> None:
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise ValueError(f"name: 1 to {_LONGEST_NAME} printable characters")
    if not 0 <= max_partitions <= _MOST_PARTITIONS:
        raise ValueError(f"max_partitions: 0 to {_MOST_PARTITIONS}, not {max_partitions}")
    if not 0 <= drain_seconds <= _LONGEST_DRAIN:
        raise ValueError(f"drain_seconds: 0 to {_LONGEST_DRAIN:g} seconds, not {drain_seconds!r}")
    if patience is not None and not patience > 0:
        raise ValueError(f"patience: seconds above zero, not {patience!r}")
