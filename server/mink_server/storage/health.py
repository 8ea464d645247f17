"""What operators ask of a log: its size, and what is wrong with what it depends on."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from mink_server.core.errors import MinkError
from mink_server.core.log import Check
from mink_server.core.reading import Statistics
from mink_server.storage.statements import statement, text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mink_server.storage.database import Database
    from mink_server.storage.migrations import Migrations

_CHECK_SECONDS: Final = 3.0

# outcome, message, recommendation
Finding = tuple[str, str, str]


class Health:
    """Answers operators.

    Args:
        database: Where the log is.
        schema: The schema that it is in.
        migrations: What the schema should be.
    """

    def __init__(self, database: Database, schema: str, migrations: Migrations) -> None:
        self._database = database
        self._migrations = migrations
        self._statistics = statement("statistics", schema)
        self._facts = statement("facts", schema)

    async def statistics(self, top_types: int) -> Statistics:
        """The log's size and what is in it. Counts every event."""
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(text("prepare_statistics"))
            row: Any = await connection.fetchrow(self._statistics, top_types, timeout=300)
        pairs = list(zip(row["top_types"], row["top_counts"], strict=True))
        return Statistics(row["log_id"], row["head"], row["events"], row["streams"], row["types"], pairs, row["size_bytes"])

    async def diagnose(self) -> list[Check]:
        """Checks the connection, the schema, the clock, settings and old transactions; one that fails does not end the others."""
        checks = [await self._check("connection", self._connection)]
        if checks[0].outcome == "failed":
            return checks
        checks.append(await self._check("schema", self._schema))
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                facts = await self._database.fetchrow(self._facts, time.time())
        except (MinkError, TimeoutError) as error:
            return [*checks, Check("settings", "failed", str(error), "see the check above", 0.0)]
        for component, judge in (
            ("clock", _clock),
            ("durability", _durability),
            ("transactions", _transactions),
            ("connections", _connections),
        ):
            checks.append(Check(component, *judge(facts), 0.0))
        return checks

    @staticmethod
    async def _check(component: str, check: Callable[[], Awaitable[Finding]]) -> Check:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                outcome, message, recommendation = await check()
        except (MinkError, TimeoutError) as error:
            message = str(error) or f"no answer in {_CHECK_SECONDS:g} s"
            outcome, recommendation = "failed", "look at Postgres's log, and at DATABASE_URL if it is set"
        return Check(component, outcome, message, recommendation, time.perf_counter() - started)

    async def _connection(self) -> Finding:
        async with self._database.connection() as connection:
            version = await connection.fetchval("select current_setting('server_version')")
        return "ok", f"Postgres {version}", ""

    async def _schema(self) -> Finding:
        await self._migrations.check()
        return "ok", "up to date", ""


def _clock(facts: Any) -> Finding:
    drift = abs(facts["clock_drift"])
    if drift > 1:
        return "warning", f"this server's clock and Postgres's differ by {drift:.1f} s", "synchronise the clocks (NTP)"
    return "ok", f"differs from Postgres's by {drift * 1000:.0f} ms", ""


def _durability(facts: Any) -> Finding:
    wrong = [name for name in ("fsync", "full_page_writes") if facts[name] != "on"]
    if facts["synchronous_commit"] in ("off", "local"):
        wrong.append("synchronous_commit")
    if wrong:
        return "failed", f"Postgres may lose what was acknowledged: {', '.join(wrong)} off", f"set {', '.join(wrong)} to on"
    return "ok", "commits are flushed", ""


def _transactions(facts: Any) -> Finding:
    age = facts["oldest_transaction"]
    if age > 3600:
        return (
            "warning",
            f"a transaction is open for {age / 60:.0f} min and holds back vacuum",
            "find it in pg_stat_activity, and end it",
        )
    return "ok", f"the oldest is {age:.0f} s old", ""


def _connections(facts: Any) -> Finding:
    used, most = facts["connections"], facts["max_connections"]
    if used > most * 0.9:
        return "warning", f"{used} of {most} connections are in use", "raise max_connections, or lower MINK_DATABASE_POOL"
    return "ok", f"{used} of {most} are in use", ""
