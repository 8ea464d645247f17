"""How much room the log takes in the database: asked every minute, so it counts nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mink_server.storage.statements import statement

if TYPE_CHECKING:
    from mink_server.storage.database import Database


async def log_size(database: Database, schema: str) -> int:
    """Bytes of the log's tables and indexes.

    Raises:
        MinkError: The database failed.
    """
    async with database.connection() as connection:
        return int(await connection.fetchval(statement("log_size", schema)))
