"""What Mink's workers run here: `mink worker run bench.projections.read_model:Name`."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from mink_client.projections import Postgres, Projection, handles, handles_batch

from bench import work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mink_client import RecordedEvent

_COUNT = "insert into counts (type, n) values ($1, $2) on conflict (type) do update set n = counts.n + excluded.n"
# Each worker's own rows: partitions of one projection would wait for each other's row of a type.
_COUNT_APART = (
    "insert into counts_apart (worker, type, n) values ($1, $2, $3) "
    "on conflict (worker, type) do update set n = counts_apart.n + excluded.n"
)
_ENV = "BENCH_READ_MODEL"
SEEN = "seen"


class ByBatch(Projection):
    """Counts a batch in memory, and adds the sums."""

    target = Postgres(env=_ENV, schema="by_batch")

    async def setup(self, tx: Any) -> None:
        await tx.execute("create table if not exists counts (type text primary key, n bigint not null)")

    @handles_batch
    async def count(self, events: Sequence[RecordedEvent], tx: Any) -> None:
        await tx.executemany(_COUNT, list(Counter(event.type for event in events).items()))


class ByEvent(Projection):
    """One statement an event, as a handler per event type does it."""

    target = Postgres(env=_ENV, schema="by_event")

    async def setup(self, tx: Any) -> None:
        await tx.execute("create table if not exists counts (type text primary key, n bigint not null)")

    @handles(work.EVENT_TYPE)
    async def count(self, event: RecordedEvent, tx: Any) -> None:
        await tx.execute(_COUNT, event.type, 1)


class Partitioned(Projection):
    """As ByBatch, in four partitions."""

    partitions = 4
    target = Postgres(env=_ENV, schema="partitioned")

    async def setup(self, tx: Any) -> None:
        await tx.execute(
            "create table if not exists counts_apart (worker text, type text, n bigint not null, primary key (worker, type))"
        )

    @handles_batch
    async def count(self, events: Sequence[RecordedEvent], tx: Any) -> None:
        rows = [(str(os.getpid()), kind, n) for kind, n in Counter(event.type for event in events).items()]
        await tx.executemany(_COUNT_APART, rows)


class Delays(Projection):
    """Counts, and tells through Postgres when the count can be seen: a notification leaves with the commit."""

    start = "end"
    target = Postgres(env=_ENV, schema="delays")

    async def setup(self, tx: Any) -> None:
        await tx.execute("create table if not exists counts (type text primary key, n bigint not null)")

    @handles_batch
    async def count(self, events: Sequence[RecordedEvent], tx: Any) -> None:
        await tx.executemany(_COUNT, list(Counter(event.type for event in events).items()))
        await tx.execute("select pg_notify($1, $2)", SEEN, str(events[-1].position))
