"""Read models to try projections on: events, leases, what an applier needs, and a schema in Postgres."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg
from mink.v1 import event_pb2
from mink_client import RecordedEvent
from mink_client.projections import Definition, Lease, Postgres, Projection, RetryPolicy, handles
from mink_client.projections.applying import Applier

if TYPE_CHECKING:
    from collections.abc import Callable

    from mink_client.projections.applying import Poison

    from tests.support.databases import Postgres as Database

LOG = "00000000-0000-0000-0000-000000000001"
FAST = RetryPolicy(attempts=3, first=0.01, longest=0.02, timeout=30)


def event(position: int, kind: str = "Added", stream: str = "Sum-1", **data: Any) -> RecordedEvent:
    """An event of the log."""
    return RecordedEvent(
        event_pb2.RecordedEvent(
            position=position, version=position, id=f"id-{position}", stream=stream, type=kind, json=json.dumps(data)
        )
    )


def events(*positions: int) -> list[RecordedEvent]:
    """Events that a `Sums` handles."""
    return [event(position, n=position) for position in positions]


def lease(
    token: int = 1, partition: int = 0, build: int = 1, partitions: int = 1, live_build: int = 1, name: str = "Sums"
) -> Lease:
    """A lease."""
    return Lease(name, build, partition, token, partitions, build == live_build, live_build)


@dataclass
class Parking:
    """Keeps what is parked, as the server would."""

    parked: list[Poison] = field(default_factory=list)
    when: Callable[[Poison], Any] | None = None

    async def __call__(self, poison: Poison) -> None:
        if self.when is not None:
            await self.when(poison)
        self.parked.append(poison)

    @property
    def positions(self) -> list[int]:
        return [poison.position for poison in self.parked]


def applier(projection: object, held: Lease | None = None, park: Parking | None = None, log_id: str = LOG) -> Applier:
    """An applier; its projection's target must be open."""
    return Applier(Definition.of(projection), held or lease(), log_id, park or Parking())


class Sums(Projection):
    """Writes down what it gets; what it does besides is for a test to say, by position."""

    retry = FAST

    def __init__(self, target: Any, **attributes: Any) -> None:
        self.target = target
        self.calls: list[int] = []
        self.acts: dict[int, Callable[[Any], Any]] = {}
        for name, value in attributes.items():
            setattr(self, name, value)

    async def setup(self, tx: Any) -> None:
        await tx.execute("create table if not exists sums (position bigint primary key, n bigint not null)")

    @handles("Added")
    async def added(self, event: RecordedEvent, tx: Any) -> None:
        self.calls.append(event.position)
        if event.position in self.acts:
            await self.acts[event.position](tx)
        await tx.execute("insert into sums values ($1, $2)", event.position, event.json()["n"])


class ReadModel:
    """A schema of the test's own, seen from outside."""

    def __init__(self, database: Database, schema: str) -> None:
        self.dsn = database.dsn
        self.schema = schema
        self._opened: list[Postgres] = []

    async def target(self, schema: str | None = "", **options: Any) -> Postgres:
        """An open target."""
        target = Postgres(self.dsn, schema=self.schema if schema == "" else schema, **options)
        await target.open()
        self._opened.append(target)
        return target

    async def connect(self, **options: Any) -> asyncpg.Connection:
        return await asyncpg.connect(self.dsn, **options)

    async def fetch(self, sql: str, *args: Any) -> list[Any]:
        """Runs SQL in which `{schema}` stands for the schema; plain values if there is one column."""
        connection = await self.connect()
        try:
            rows = await connection.fetch(sql.replace("{schema}", self.schema), *args)
        finally:
            await connection.close()
        return [row[0] if len(row) == 1 else tuple(row) for row in rows]

    async def positions(self) -> list[int]:
        return await self.fetch("select position from {schema}.sums order by 1")

    async def checkpoint(self, partition: int = 0, build: int = 1) -> int | None:
        sql = "select position from {schema}.mink_checkpoints where partition = $1 and build = $2"
        (position,) = await self.fetch(sql, partition, build)
        return position

    async def close(self) -> None:
        for target in self._opened:
            await target.close()


async def until(condition: Callable[[], Any], timeout: float = 20) -> None:
    """Waits for a condition, which may be a coroutine function."""
    async with asyncio.timeout(timeout):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.01)
