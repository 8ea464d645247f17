"""eventsourcing with its Postgres recorder, in the caller's process, on the same Postgres server as Mink in its own database.

Measured at its recorder, below its own encoding of events. By default the recorder locks its table for every append, so that ids
follow the order of commits. Its option `enable_db_functions` leaves the lock out, which is faster, and lets a subscription miss
events that commit late: another promise, so it has a column of its own.
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from bench import work
from bench.drivers.threads import ThreadClient
from bench.peers import EVENTSOURCING_FUNCTIONS
from bench.peers.base import Host, Place
from bench.postgres import USER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventsourcing.postgres import PostgresSubscription

NAMESPACE = uuid.UUID("6f1c1d9e-0000-4000-8000-000000000000")
PAGE = 5000


@contextmanager
def server(host: Host, name: str) -> Iterator[Place]:
    """There is none: only a database."""
    database = f"eventsourcing-{name}"
    host.postgres.database(database)
    yield Place({"dbname": database, "host": str(host.postgres.socket)}, {"postgres": host.postgres.pid})


class EventSourcingClient(ThreadClient):
    """An aggregate's first event (version 1) is its NO_STREAM: the primary key refuses a second."""

    def __init__(self, address: dict[str, str], *, functions: bool) -> None:
        self._address = address
        self._functions = functions
        self._recorder: PostgresApplicationRecorder | None = None
        self._versions: dict[str, int] = {}
        self.prepare(1)

    def prepare(self, callers: int) -> None:
        """The table's lock makes more than a few connections useless; without it, 20 were the best of what was tried."""
        self.close()
        size = max(3, min(callers, 20 if self._functions else 5))  # a subscription holds one, and asks through another
        datastore = PostgresDatastore(
            self._address["dbname"],
            self._address["host"],
            5432,
            USER,
            "",
            pool_size=size,
            connect_timeout=60,
            enable_db_functions=self._functions,
        )
        self._recorder = PostgresApplicationRecorder(datastore)
        self._recorder.create_table()

    @property
    def recorder(self) -> PostgresApplicationRecorder:
        if self._recorder is None:
            raise RuntimeError("prepare() makes the recorder")
        return self._recorder

    @staticmethod
    def _event(originator: uuid.UUID, version: int, data: bytes) -> StoredEvent:
        return StoredEvent(originator, version, work.EVENT_TYPE, data)

    def append_one(self, stream: str, data: bytes) -> int:
        positions = self.recorder.insert_events([self._event(uuid.UUID(stream[-36:]), 1, data)])
        return positions[0] if positions else 0

    def append_many(self, stream: str, data: list[bytes]) -> None:
        first = self._versions[stream]
        originator = uuid.uuid5(NAMESPACE, stream)
        self.recorder.insert_events([self._event(originator, first + index, each) for index, each in enumerate(data)])

    def fill(self, events: int, batch: int) -> int:
        """The others' plan, by one writer: this recorder wants versions from its caller."""
        self._versions = {}
        self.prepare(1)
        total = 0
        for stream, n in work.plan(events, batch):
            self._versions.setdefault(stream, 1)
            self.append_many(stream, [work.payload() for _ in range(n)])
            self._versions[stream] += n
            total += n
        return total

    def read_all(self, kind: str, total: int) -> int:
        if kind == "subscription":
            return self._follow(total)
        count = last = 0
        while page := self.recorder.select_notifications(last, PAGE, inclusive_of_start=False):
            last = page[-1].id
            count += len(page)
            if kind == "events":
                for event in page:
                    _ = event.id, event.topic, event.originator_id, event.state
        return count

    def _follow(self, total: int) -> int:
        count = 0
        with self.recorder.subscribe(gt=0) as subscription:
            for _ in subscription:
                count += 1
                if count == total:
                    break
        return count

    def read_stream(self, stream: str) -> int:
        events = self.recorder.select_events(uuid.uuid5(NAMESPACE, stream))
        for event in events:
            _ = event.originator_version, event.topic, event.originator_id, event.state
        return len(events)

    def subscribe(self, after: int) -> tuple[Iterator[bytes], Callable[[], None]]:
        subscription: PostgresSubscription = self.recorder.subscribe(gt=after)  # type: ignore[assignment]
        subscription.__enter__()
        return (event.state for event in subscription), lambda: subscription.__exit__(None, None, None)

    def close(self) -> None:
        if self._recorder is not None:
            self._recorder.datastore.close()
            self._recorder = None


def client(address: dict[str, str], system: str) -> EventSourcingClient:
    """A recorder on that database."""
    return EventSourcingClient(address, functions=system == EVENTSOURCING_FUNCTIONS)
