"""The projections of one log, in Postgres: who handles what, and how far each one is. See `core.projections.port`.

All times are the database's. Whoever changes a projection locks its row first, then its partitions in the order of their numbers;
what a worker says of its own lease locks that partition alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mink_server.storage.projections.builds import Builds
from mink_server.storage.projections.connection import LeaseConnection
from mink_server.storage.projections.control import Control
from mink_server.storage.projections.rounds import Rounds
from mink_server.storage.projections.tables import Tables
from mink_server.storage.projections.workers import Workers

if TYPE_CHECKING:
    from mink_server.storage.database import Database


class Projections:
    """The projections of one log.

    Args:
        database: Where the log is.
        schema: The schema that it is in.
        lease: How long a lease lasts without renewal, in seconds.
        server: This server's id. Other servers are told of what changes; `Listener` hears of what they change.
    """

    def __init__(self, database: Database, schema: str, lease: float = 5.0, server: str = "") -> None:
        tables = Tables(schema, server, lease)
        builds = Builds(tables, schema)
        self._connection = LeaseConnection(database, lease)
        rounds = Rounds(self._connection, tables, builds)
        self.workers = Workers(database, schema, self._connection, tables, builds, rounds)
        self.control = Control(database, tables, builds)

    async def close(self) -> None:
        """Closes the connection that keeps leases alive."""
        await self._connection.close()
