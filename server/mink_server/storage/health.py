"""What operators ask of a log: its size, whether it is sound, and what is wrong with what it depends on."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from asyncpg.exceptions import TargetServerAttributeNotMatched

from mink_server.core.reading import Statistics
from mink_server.storage import diagnosis
from mink_server.storage.diagnosis import Finding, failed, timed
from mink_server.storage.diagnosis_checks import PostgresChecks, disk_finding, version_finding
from mink_server.storage.diagnosis_limits import Thresholds
from mink_server.storage.errors import translate
from mink_server.storage.statements import statement, text
from mink_server.storage.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from mink_server.core.log import Check
    from mink_server.core.verification import Progress, Verdict
    from mink_server.storage.database import Database
    from mink_server.storage.migrations import Migrations


class Health:
    """Answers operators.

    Args:
        database: Where the log is.
        schema: The schema that it is in.
        migrations: What the schema should be.
        head: The newest position that this server's tail has.
        where: Where the database is, for people; see `place`.
        data_dir: The data folder of the embedded Postgres; None: it is not the embedded one.
        more: Further checks, of what does not lie in Postgres.
        limits: From when on something is wrong.
    """

    def __init__(
        self,
        database: Database,
        schema: str,
        migrations: Migrations,
        *,
        head: Callable[[], int] | None = None,
        where: str = "",
        data_dir: Path | None = None,
        more: Sequence[Callable[[], Check | Sequence[Check] | Awaitable[Check | Sequence[Check]]]] = (),
        limits: Thresholds | None = None,
    ) -> None:
        self._database = database
        self._where = where
        self._data_dir = data_dir
        self._more = more
        self._limits = limits or Thresholds()
        self._probes = PostgresChecks(schema, migrations, self._limits, head).probes()
        self._verification = Verification(database, schema, head or int)
        self._statistics = statement("statistics", schema)

    async def statistics(self, top_types: int) -> Statistics:
        """The log's size and what is in it. Counts every event."""
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(text("prepare_statistics"))
            row: Any = await connection.fetchrow(self._statistics, top_types, timeout=300)
        pairs = list(zip(row["top_types"], row["top_counts"], strict=True))
        return Statistics(row["log_id"], row["head"], row["events"], row["streams"], row["types"], pairs, row["size_bytes"])

    async def verify(self, report: Callable[[Progress], None]) -> Verdict:
        """Reads the whole log and proves that nothing is missing or bent.

        Args:
            report: Told after every page how far it is.

        Raises:
            OverloadedError: That is being done already.
            MinkError: The database failed.
        """
        return await self._verification.run(report)

    async def diagnose(self) -> list[Check]:
        """Checks what the log depends on, within nine seconds; one check that fails or hangs does not end the others."""
        connection = await timed("connection", self._connection)
        probes = [] if connection.outcome == "failed" else self._probes
        others = [*([self._disk] if self._data_dir is not None else []), *self._more]
        return [connection, *await diagnosis.run(self._database, probes, others)]

    async def _connection(self) -> Finding:
        try:
            connection = await self._database.connect()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is why there is no connection
            advice = _advice(error) if self._data_dir is None else _EMBEDDED_ADVICE
            return failed(self._at(str(translate(error))), advice)
        try:
            return version_finding(await connection.fetchrow(text("diagnose_connection")), self._where)
        finally:
            connection.terminate()

    def _at(self, message: str) -> str:
        return f"{message} ({self._where})" if self._where else message

    async def _disk(self) -> Check:
        assert self._data_dir is not None
        folder = self._data_dir

        async def look() -> Finding:
            usage = await asyncio.to_thread(shutil.disk_usage, folder)
            return disk_finding(usage.free, usage.total, self._limits)

        return await timed("disk", look)


_EMBEDDED_ADVICE = "see this server's log: it starts its Postgres again by itself, unless the disk is full or the folder damaged"

# SQLSTATE, or its first two characters, of a refused connection -> what to do.
_ADVICE = {
    "28": "check user and password in DATABASE_URL, and pg_hba.conf",
    "3D000": "create the database, or name another one in DATABASE_URL",
    "53300": "end connections that nobody needs, or raise max_connections",
    "57P03": "wait: Postgres is starting, stopping or recovering; its log says how far it is",
}


def _advice(error: BaseException) -> str:
    if isinstance(error, TargetServerAttributeNotMatched):
        return "promote the standby, or name the primary in DATABASE_URL as well"
    state = getattr(error, "sqlstate", None) or ""
    return (
        _ADVICE.get(state)
        or _ADVICE.get(state[:2])
        or "start Postgres, or mend DATABASE_URL; look for a firewall and at Postgres's log"
    )


def place(dsn: str) -> str:
    """The hosts and ports in a libpq URI, without user, password and all else; empty if there are none."""
    try:
        parts = urlsplit(dsn)
        query = parse_qs(parts.query)
    except ValueError:
        return ""
    return ",".join(query.get("host", [])) or parts.netloc.rpartition("@")[2]
