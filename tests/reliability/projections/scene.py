"""A log with servers, workers and a read model, for one test: starts them, asks them, waits for them, and judges at the end."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import signal
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

from mink_client import Mink, MinkError

from tests.reliability.load import report, values
from tests.reliability.projections import judge
from tests.reliability.projections.models import FileModel, PostgresModel, SQLiteModel, spans_in
from tests.reliability.projections.workers import WorkerProcess
from tests.reliability.projections.writers import Writers, read_log

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from mink_client.projection_status import Projection

    from tests.reliability.projections.judge import Logged, Span
    from tests.reliability.projections.models import Model
    from tests.support.databases import Postgres
    from tests.support.servers import MinkProcess

NAME = "Counts"
PROJECTIONS = {"postgres": "PostgresCounts", "by_type": "PostgresByType", "sqlite": "SQLiteCounts", "file": "FileCounts"}
# Seconds in which everything that was appended must be handled when nothing hinders it.
CATCH_UP = 60.0
_LINES = 40


async def until(true: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Waits until something is so, and answers with it; awaits it if it has to be."""
    end = time.monotonic() + seconds
    while True:
        found = true()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.03)


class Scene:
    """See above.

    Args:
        postgres: Where the log and the read model are.
        start_server: The fixture.
        folder: For the workers' files.
        kind: Of the projection: a key of PROJECTIONS.
        partitions: How many the projection has.
        lease: Seconds that a lease lasts.
        servers: How many servers are started.
        server: Variables for every server.
        env: Variables for every worker.
    """

    def __init__(
        self,
        postgres: Postgres,
        start_server: Callable[..., MinkProcess],
        folder: Path,
        *,
        kind: str = "postgres",
        partitions: int = 1,
        lease: float = 5,
        servers: int = 1,
        server: Mapping[str, str] | None = None,
        **env: str,
    ) -> None:
        self.folder = folder
        self.postgres = postgres
        self.servers: list[MinkProcess] = []
        self.workers: list[WorkerProcess] = []
        self.killed: set[int] = set()
        self.partitions = partitions
        self.model: Model
        self._start_server = start_server
        self._count = servers
        self._server_env = {"MINK_PROJECTION_LEASE": f"{lease:g}", **(server or {})}
        self._projection = PROJECTIONS[kind]
        self._schema = postgres.new_schema()
        self._env = {
            "READ_MODEL_FOLDER": str(folder),
            "READ_MODEL_PARTITIONS": str(partitions),
            "READ_MODEL_URL": postgres.dsn,
            "READ_MODEL_SCHEMA": self._schema,
            "READ_MODEL_FILE": str(folder / "counts.db"),
            **env,
        }
        if kind == "sqlite":
            self.model = SQLiteModel(folder / "counts.db")
        elif kind == "file":
            self.model = FileModel(folder)
        else:
            self.model = PostgresModel(postgres.dsn, self._schema)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            for _ in range(self._count):
                await self.start_server()
            addresses = [server.grpc_address for server in self.servers]
            self.mink = await self._stack.enter_async_context(Mink("ipv4:" + ",".join(addresses), timeout=30))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self.workers:
            if worker.alive:
                worker.kill()  # a frozen one as well
            _print(worker.name, worker.output)
        for server in self.servers:
            _print("server", server.output)
            with contextlib.suppress(ProcessLookupError):
                os.kill(server.pid, signal.SIGCONT)
        await self._stack.aclose()
        schemas = f"select nspname from pg_namespace where nspname ~ '^{self._schema}(_b[0-9]+)?$'"
        for (schema,) in await PostgresModel(self.postgres.dsn, "public").fetch(schemas):
            await asyncio.to_thread(self.postgres.drop, schema)

    # Servers and workers.

    async def start_server(self, **env: str) -> MinkProcess:
        """Another server on the log."""
        server = await asyncio.to_thread(self._start_server, **{"dsn": self.postgres.dsn, **self._server_env, **env})
        self.servers.append(server)
        return server

    def start_worker(self, server: str = "", *, projection: str = "", **env: str) -> WorkerProcess:
        """Starts a worker; it is not waited for.

        Args:
            server: The address that it connects to; not given: the first server's.
            projection: Another class of readmodel.py than the scene's.
            env: Further variables.
        """
        name = f"worker-{len(self.workers) + 1}"
        worker = WorkerProcess(
            server or self.servers[0].grpc_address,
            projection or self._projection,
            name=name,
            output=self.folder / f"{name}.log",
            **{**self._env, **env},
        )
        self.workers.append(worker)
        return worker

    async def start_workers(self, count: int) -> list[WorkerProcess]:
        """Starts so many workers, one after the other connected: the first holds what there is."""
        started = []
        for _ in range(count):
            started.append(self.start_worker())
            await self.connected(started[-1])
        return started

    def kill(self, worker: WorkerProcess) -> None:
        """kill -9."""
        worker.kill()
        self.killed.add(worker.pid)

    # Asking.

    async def status(self) -> Projection:
        """The projection as the server tells."""
        return await self.mink.projections.get(NAME)

    async def holders(self, build: str = "live") -> dict[int, str]:
        """The names of the workers that hold the partitions of a build; without those that nobody holds."""
        found = getattr(await self.status(), build)
        return {one.partition: one.worker for one in found.partitions if one.worker}

    async def names(self) -> set[str]:
        """The names of the workers that are connected; none if there is no projection yet."""
        try:
            return {worker.worker for worker in (await self.status()).workers}
        except MinkError:
            return set()

    async def metric(self, name: str) -> float | None:
        """A metric of the projection, by its name without labels, as the first server tells; None if it does not."""
        return (await values(self.servers[0])).get(f'{name}{{projection="{NAME}"}}')

    def spans(self) -> list[Span]:
        """When handlers were at what."""
        return spans_in(self.folder)

    async def log(self) -> list[Logged]:
        """The log."""
        return await read_log(self.mink)

    def writers(self, **settings: Any) -> Writers:
        """Writers through all servers."""
        return Writers([server.grpc_address for server in self.servers], **settings)

    # Waiting.

    async def connected(self, *workers: WorkerProcess) -> None:
        """Waits until these workers are connected."""

        async def there() -> bool:
            for worker in workers:
                assert worker.alive, f"{worker.name} has ended:\n{worker.output[-1000:]}"
            return {worker.name for worker in workers} <= await self.names()

        await until(there, f"{[worker.name for worker in workers]} connected")

    async def held_by(self, *workers: WorkerProcess, seconds: float = 30) -> float:
        """Waits until all partitions are held, each by one of these and fairly; answers with how many seconds it took."""
        began = time.monotonic()
        least, rest = divmod(self.partitions, len(workers))

        async def fair() -> bool:
            holders = list((await self.holders()).values())
            counts = sorted(holders.count(worker.name) for worker in workers)
            return counts == [least] * (len(workers) - rest) + [least + 1] * rest

        await until(fair, f"all partitions held by {[worker.name for worker in workers]}", seconds)
        return time.monotonic() - began

    async def holder(self) -> WorkerProcess:
        """Waits until somebody holds the first partition; answers with who."""
        holders = await until(self.holders, "a lease is held")
        return next(worker for worker in self.workers if worker.name == holders[0])

    async def handled_by(self, pid: int, seconds: float = 30) -> None:
        """Waits until the read model has something of a process."""

        async def has() -> bool:
            return any(one.worker == pid for one in await self.model.applied())

        await until(has, f"something applied by process {pid}", seconds)

    async def caught_up(self, seconds: float = CATCH_UP) -> Projection:
        """Waits until everything that the log has now is handled."""
        head = (await self.log())[-1].position

        async def done() -> Projection | None:
            found = await self.status()
            return found if found.checkpoint >= head else None

        return await until(done, f"everything handled up to {head}", seconds)

    # Judging.

    async def finish(self, what: str, *, unordered: Collection[int] = (), may_repeat: bool = False) -> list[Logged]:
        """Waits until everything is handled, and fails with everything that is wrong with the read model.

        Args:
            what: The check's name, for the report.
            unordered: Positions that were set aside and applied later.
            may_repeat: What workers that were killed have applied may be there twice.
        """
        await self.caught_up()
        await asyncio.sleep(0.3)  # what comes once too often may come late
        log = await self.log()
        found = await self.problems(log, unordered=unordered, may_repeat=may_repeat)
        assert not found, "\n".join(["the read model is wrong:", *found])
        report(what, events=len(log), killed=len(self.killed), workers=len({one.worker for one in await self.model.applied()}))
        return log

    async def problems(self, log: list[Logged], *, unordered: Collection[int] = (), may_repeat: bool = False) -> list[str]:
        """Everything that is wrong with the read model, compared with these events."""
        found = judge.problems(log, await self.model.applied(), killed=self.killed if may_repeat else (), unordered=unordered)
        sums = await self.model.sums()
        if sums is not None and not unordered:
            found += judge.sum_problems(log, sums)
        return found


def _print(name: str, output: str) -> None:
    """Shows the end of what a process has written: pytest prints it if the test has failed."""
    print(f"--- {name}", *output.splitlines()[-_LINES:], sep="\n")
