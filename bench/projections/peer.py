"""The eventsourcing library's own projection runner, as a process: fills a log, then counts it by type. Prints what it measured."""

from __future__ import annotations

import json
import sys
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.sql import SQL, Identifier

from bench import work
from bench.postgres import USER

_BATCH = 1000


class Order(Aggregate):
    """What the log is made of: one type of event, with the payload that all have."""

    class Placed(Aggregate.Event):
        """The event."""

        data: str


class Orders(Application[uuid.UUID]):
    """The log."""


class Counts(PostgresTrackingRecorder):
    """The read model: a row a type, with its tracking in the same transaction."""

    def __init__(self, datastore: PostgresDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        table = SQL("{0}.counts").format(Identifier(datastore.schema))
        self.sql_create_statements.append(SQL("CREATE TABLE IF NOT EXISTS {0} (type text PRIMARY KEY, n bigint)").format(table))
        self._count = SQL(
            "INSERT INTO {0} AS c (type, n) VALUES (%s, 1) ON CONFLICT (type) DO UPDATE SET n = c.n + excluded.n"
        ).format(table)

    def count(self, kind: str, tracking: Any) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(self._count, (kind,), prepare=True)


class CountByType(Projection[Counts]):
    """The projection."""

    def process_event(self, domain_event: Any, tracking: Any) -> None:
        self.view.count(type(domain_event).__name__, tracking)


def main() -> None:
    """Arguments: the database, the socket's folder, how many events."""
    database, host, events = sys.argv[1], sys.argv[2], int(sys.argv[3])
    environment = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": database,
        "POSTGRES_HOST": host,
        "POSTGRES_PORT": "5432",
        "POSTGRES_USER": USER,
        "POSTGRES_PASSWORD": "",
        "POSTGRES_SINGLE_ROW_TRACKING": "y",
    }
    application = Orders(environment)
    originator, last = uuid.uuid4(), 0
    for first in range(1, events + 1, _BATCH):
        numbers = range(first, min(first + _BATCH, events + 1))
        stored = [
            application.mapper.to_stored_event(
                Order.Placed(
                    originator_id=originator, originator_version=number, timestamp=datetime.now(UTC), data=work.payload().decode()
                )
            )
            for number in numbers
        ]
        last = (application.recorder.insert_events(stored) or [last])[-1]
    began, cpu = time.perf_counter(), time.process_time()
    with ProjectionRunner(application_class=Orders, projection_class=CountByType, view_class=Counts, env=environment) as runner:
        runner.wait(last, timeout=3600)
        took = time.perf_counter() - began
    print(json.dumps({"events": events, "seconds": took, "cpu": time.process_time() - cpu}))


if __name__ == "__main__":
    main()
