"""What `diagnose` checks in Postgres, and what to do about each finding."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from typing import TYPE_CHECKING, Any, Final

from mink_server.storage.diagnosis import Finding, failed, ok, warning
from mink_server.storage.statements import statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from mink_server.storage.diagnosis import Probe
    from mink_server.storage.diagnosis_limits import Thresholds
    from mink_server.storage.migrations import Migrations

    Connection = Any

_OLDEST_POSTGRES: Final = 140_000
_FLUSHES: Final = 5
_STATEMENTS: Final = (
    "clock", "connections", "durability", "flush", "indexes", "replication", "size", "slots", "transactions", "vacuum",
)  # fmt: skip
_MONITOR: Final = "GRANT pg_monitor to the database user, so that it sees the others"


class PostgresChecks:
    """The checks that ask Postgres, each over a connection that it is given.

    Args:
        schema: The log's schema.
        migrations: What the schema should be.
        limits: From when on something is wrong.
        head: The newest position that this server's tail has; None: there is no tail.
    """

    def __init__(self, schema: str, migrations: Migrations, limits: Thresholds, head: Callable[[], int] | None) -> None:
        self._migrations = migrations
        self._limits = limits
        self._head = head
        self._sql = {name: statement(f"diagnose_{name}", schema) for name in _STATEMENTS}
        self._read_head = statement("read_head", schema)
        self._constraints = statement("verify_constraints", schema)

    def probes(self) -> list[Probe]:
        """All of them, in the order in which they are told."""
        probes: list[Probe] = [
            ("schema", self._schema),
            ("indexes", self._indexes),
            ("clock", self._clock),
            ("durability", self._durability),
            ("flush", self._flush),
            ("replication", self._replication),
            ("slots", self._slots),
            ("transactions", self._transactions),
            ("connections", self._connections),
            ("vacuum", self._vacuum),
            ("size", self._size),
        ]
        if self._head is not None:
            probes.insert(2, ("tail", self._tail))
        return probes

    async def _schema(self, _connection: Connection) -> Finding:
        await self._migrations.check()
        return ok("up to date")

    async def _indexes(self, connection: Connection) -> Finding:
        missing = [row["name"] for row in await connection.fetch(self._constraints)]
        if missing:
            advice = "restore the schema from a backup, or add the constraint again (migrations/0001_log.up.sql); then mink verify"
            return failed(f"missing or invalid: {', '.join(missing)}", advice)
        invalid = [row["name"] for row in await connection.fetch(self._sql["indexes"])]
        if invalid:
            return warning(f"invalid, so not used: {', '.join(invalid)}", "REINDEX INDEX CONCURRENTLY, or drop what is not Mink's")
        return ok("all there and valid")

    async def _tail(self, connection: Connection) -> Finding:
        """Whether this server hears of what is committed. What is committed while it is asked counts for nothing."""
        assert self._head is not None
        before = self._head()
        row = await connection.fetchrow(self._read_head)
        head = row["head"]
        if head < before:
            message = f"the log ends at {head}, and this server has seen {before}: the database has lost what came after"
            return failed(message, "it was restored or failed over; see the operations guide, and restart this server")
        until = time.monotonic() + self._limits.tail
        while self._head() < head:
            if time.monotonic() > until:
                message = f"this server is {head - self._head()} positions behind the log"
                return warning(message, "subscribers get events late; look at this server's log for lost connections")
            await asyncio.sleep(0.02)
        return ok(f"at position {head}")

    async def _clock(self, connection: Connection) -> Finding:
        before = time.time()
        row = await connection.fetchrow(self._sql["clock"])
        after = time.time()
        drift = max(before - row["seconds"], row["seconds"] - after, 0.0)  # what the way there and back took is none
        if drift > self._limits.clock:
            return warning(f"this server's clock and Postgres's differ by {drift:.1f} s", "synchronise the clocks (NTP)")
        return ok(f"differs from Postgres's by {drift * 1000:.0f} ms")

    async def _durability(self, connection: Connection) -> Finding:
        row = await connection.fetchrow(self._sql["durability"])
        wrong = [name for name in ("fsync", "full_page_writes") if row[name] != "on"]
        if row["synchronous_commit"] == "off" or (row["synchronous_commit"] == "local" and row["standbys"]):
            wrong.append("synchronous_commit")
        if wrong:
            settings = ", ".join(f"{name} is {row[name]}" for name in wrong)
            return failed(f"Postgres may lose what was acknowledged: {settings}", f"set to on: {', '.join(wrong)}")
        checked = "" if row["checksums"] == "on" else "; without data checksums, damage on the disk goes unnoticed"
        return ok(f"commits are flushed{checked}")

    async def _flush(self, connection: Connection) -> Finding:
        """Commits that write to the write-ahead log and to nothing else, so that it tells of the disk alone."""
        took = []
        for _ in range(_FLUSHES + 1):
            began = time.perf_counter()
            await connection.execute(self._sql["flush"])
            took.append(time.perf_counter() - began)
        median = statistics.median(took[1:])  # the first one warms up
        message = f"a commit takes {median * 1000:.1f} ms"
        advice = "every append waits for it: a faster or less busy disk for pg_wal, or nearer synchronous standbys"
        if median > self._limits.slow_flush:
            return failed(message, advice)
        return warning(message, advice) if median > self._limits.flush else ok(message)

    async def _replication(self, connection: Connection) -> Finding:
        row = await connection.fetchrow(self._sql["replication"])
        wanted = _synchronous(row["wanted"])
        if wanted and row["synchronous"] < wanted and not row["hidden"]:
            message = f"commits wait for {wanted} synchronous standby(s), and {row['synchronous']} follow(s)"
            return failed(message, "start the standby, or take it out of synchronous_standby_names and reload")
        if (row["lag_seconds"] or 0) > self._limits.replay_lag:
            message = f"a standby is {row['lag_seconds']:.0f} s behind"
            return warning(message, "see pg_stat_replication: its disk, its network, or a long query on it")
        if row["archive_mode"] != "off" and row["archive_fails"]:
            message = f"archiving failed {row['archive_failed_ago']:.0f} s ago, and has not succeeded since"
            return warning(message, "mend archive_command: the write-ahead log grows until it fills the disk")
        if row["hidden"]:
            return ok(f"{row['hidden']} standby(s), whose state cannot be seen ({_MONITOR})")
        archive = "" if row["archive_mode"] != "off" else "; no archive, so no recovery to a point in time"
        return ok((f"{row['standbys']} standby(s), {wanted} needed to commit" if row["standbys"] else "no standby") + archive)

    async def _slots(self, connection: Connection) -> Finding:
        rows = await connection.fetch(self._sql["slots"])
        lost = [row for row in rows if row["wal_status"] in ("unreserved", "lost")]
        advice = "start who uses it, or remove it: select pg_drop_replication_slot('…')"
        if lost:
            return warning(f"the slot {lost[0]['name']} has lost what its standby needs: make that standby anew", advice)
        if rows and rows[0]["bytes"] > self._limits.slot:
            message = f"nobody uses the slot {rows[0]['name']}, and it keeps {_size(rows[0]['bytes'])} of write-ahead log"
            return warning(message, advice)
        return ok(f"{len(rows)} unused" if rows else "none is unused")

    async def _transactions(self, connection: Connection) -> Finding:
        row = await connection.fetchrow(self._sql["transactions"])
        if (row["prepared_seconds"] or 0) > self._limits.transaction:
            message = f"a prepared transaction is {_age(row['prepared_seconds'])} old and holds back vacuum"
            return warning(message, "find it in pg_prepared_xacts; COMMIT PREPARED or ROLLBACK PREPARED")
        age = row["seconds"] or 0
        if age > self._limits.transaction:
            message = f"a transaction of {row['application']} (pid {row['pid']}, {row['state']}) is open for {_age(age)}"
            return warning(f"{message} and holds back vacuum", f"end it: select pg_terminate_backend({row['pid']})")
        hidden = f"; {row['hidden']} sessions cannot be seen ({_MONITOR})" if row["hidden"] else ""
        return ok((f"the oldest is {age:.0f} s old" if row["pid"] else "none is open") + hidden)

    async def _connections(self, connection: Connection) -> Finding:
        row = await connection.fetchrow(self._sql["connections"])
        message = f"{row['used']} of {row['most']} are in use"
        if row["used"] > row["most"] * self._limits.connections:
            return warning(message, "raise max_connections, lower MINK_DATABASE_POOL, or put pgbouncer in between")
        return ok(message)

    async def _vacuum(self, connection: Connection) -> Finding:
        row = await connection.fetchrow(self._sql["vacuum"])
        advice = "see the check of transactions, of slots and of prepared ones; then VACUUM (FREEZE)"
        if row["age"] > self._limits.xid_age:
            message = f"the oldest transaction id is {row['age']:,} old; at 2,147,483,648 Postgres stops"
            return failed(message, advice) if row["age"] > self._limits.xid_age_failed else warning(message, advice)
        if not row["autovacuum"]:
            return warning("autovacuum is off", "set autovacuum and track_counts to on")
        if row["dead"] > self._limits.dead_rows and row["dead"] > self._limits.dead_share * (row["live"] + row["dead"]):
            message = f"{row['table_name']} has {row['dead']:,} dead rows beside {row['live']:,} others"
            return warning(message, advice)
        return ok(f"the oldest transaction id is {row['age']:,} old")

    async def _size(self, connection: Connection) -> Finding:
        row = await connection.fetchrow(self._sql["size"])
        whole = f", the database {_size(row['database'])}" if row["database"] is not None else ""
        return ok(f"the log has {_size(row['log'])}{whole}")


def version_finding(row: Any, where: str) -> Finding:
    """What `diagnose_connection.sql` tells of the server that answers."""
    address = where or (f"{row['address']}:{row['port']}" if row["address"] else "a Unix socket")
    message = f"Postgres {row['version']}, database {row['database']} at {address}"
    if row["version_number"] < _OLDEST_POSTGRES:
        return failed(f"{message} is too old", "Mink needs Postgres 14 or newer")
    if row["standby"] or row["read_only"]:
        return failed(f"{message} takes no writes", "promote it, or name the primary in DATABASE_URL as well")
    return ok(message)


def disk_finding(free: int, total: int, limits: Thresholds) -> Finding:
    """How full the disk is that the data is on."""
    message = f"{_size(free)} of {_size(total)} are free"
    advice = "make room, or move MINK_DATA_DIR to a larger disk: a full one stops all appends"
    if free < max(total * limits.disk_share_failed, limits.disk_room):
        return failed(message, advice)
    return warning(message, advice) if free < total * limits.disk_share else ok(message)


def _synchronous(setting: str) -> int:
    """How many standbys `synchronous_standby_names` makes commits wait for.

    Source: https://www.postgresql.org/docs/18/runtime-config-replication.html
    """
    if not setting.strip():
        return 0
    counted = re.match(r"\s*(?:(?:first|any)\s+)?(\d+)\s*\(", setting, re.IGNORECASE)
    return int(counted.group(1)) if counted else 1


def _size(size: int) -> str:
    amount = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def _age(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"
