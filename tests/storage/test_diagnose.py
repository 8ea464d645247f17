"""What `diagnose` finds: each finding is brought about on a real Postgres, and named with what to do about it."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from mink_server.core.errors import DatabaseUnavailableError
from mink_server.core.log import Check
from mink_server.storage import diagnosis
from mink_server.storage.database import Database
from mink_server.storage.diagnosis_checks import PostgresChecks, _synchronous, disk_finding, version_finding
from mink_server.storage.diagnosis_limits import CHECKS, Thresholds
from mink_server.storage.health import Health, place
from mink_server.storage.migrations import Migrations

from tests.storage.conftest import StoredLog, event
from tests.unit.test_docs import table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.databases import Postgres

PROBES = [
    "schema", "indexes", "tail", "clock", "durability", "flush",
    "replication", "slots", "transactions", "connections", "vacuum", "size",
]  # fmt: skip


def health(log: StoredLog, **options: Any) -> Health:
    options.setdefault("head", lambda: log.tail.head)
    return Health(log.database, log.schema, Migrations(log.database, log.schema), **options)


async def found(health: Health) -> dict[str, Check]:
    return {check.component: check for check in await health.diagnose()}


def one(check: Check, outcome: str, *words: str) -> None:
    """A finding with its outcome, these words in its message, and advice unless all is well."""
    assert check.outcome == outcome, check
    assert all(word in check.message for word in words), check
    assert bool(check.recommendation) == (outcome != "ok"), check


@asynccontextmanager
async def own_log(postgres: Postgres) -> AsyncIterator[StoredLog]:
    """A log on a Postgres of the test's own."""
    schema = postgres.new_schema()
    database = Database(postgres.dsn, pool_size=2, timeout=2)
    await database.open()
    await Migrations(database, schema).up()
    log = StoredLog(database, schema)
    log.tail.start(await log.reader.head())
    try:
        yield log
    finally:
        await log.tail.close()
        await database.close()


def execute(postgres: Postgres, *statements: str) -> None:
    for statement in statements:
        postgres.execute(statement)


async def test_all_is_well(log: StoredLog, tmp_path: Path) -> None:
    await log.append("A", event())
    checks = await health(log, data_dir=tmp_path, where="db1:5432").diagnose()
    assert [check.component for check in checks] == ["connection", *PROBES, "disk"]
    by_name = {check.component: check for check in checks}
    for name, check in by_name.items():
        if name not in ("flush", "disk", "connections"):  # what the machine is busy with
            one(check, "ok")
        assert 0 < check.took < 10
    assert re.fullmatch(r"Postgres \d+[.\w]* ?.*, database \w+ at db1:5432", by_name["connection"].message)
    assert by_name["tail"].message == "at position 1"
    assert by_name["size"].message.startswith("the log has ")


async def test_without_a_tail_nothing_is_said_of_it(log: StoredLog) -> None:
    assert "tail" not in await found(health(log, head=None))


async def test_a_database_that_is_away(own_postgres: Postgres, tmp_path: Path) -> None:
    async with own_log(own_postgres) as log:
        await asyncio.to_thread(own_postgres.halt)
        began = time.monotonic()
        checks = await health(log, data_dir=tmp_path, where="db1:5432").diagnose()
        assert time.monotonic() - began < 10
        (own,) = await health(log, where="db1:5432").diagnose()
    assert [check.component for check in checks] == ["connection", "disk"]
    embedded = checks[0]
    for check in (embedded, own):
        one(check, "failed", "cannot be reached", "db1:5432")
    assert "DATABASE_URL" in own.recommendation
    assert "DATABASE_URL" not in embedded.recommendation


async def test_a_database_that_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        dsn = f"postgresql://mink:s3cr3t@127.0.0.1:{mute.getsockname()[1]}/mink"
        database = Database(dsn)
        await database.open()
        began = time.monotonic()
        checks = await Health(database, "mink", Migrations(database, "mink"), where=place(dsn)).diagnose()
        assert time.monotonic() - began < 10
        await database.close()
    one(checks[0], "failed", "no answer in 2.5 s")
    assert "s3cr3t" not in repr(checks)


async def test_a_wrong_password_and_a_database_that_is_not_there(own_postgres: Postgres) -> None:
    database = Database(own_postgres.dsn.replace("/mink?", "/nothing?"))
    [check] = await Health(database, "mink", Migrations(database, "mink")).diagnose()
    one(check, "failed", "does not exist")
    assert "create the database" in check.recommendation
    await asyncio.to_thread(execute, own_postgres, "create role poor login connection limit 0")
    database = Database(own_postgres.dsn.replace("//mink@", "//poor@"))
    [check] = await Health(database, "mink", Migrations(database, "mink")).diagnose()
    one(check, "failed", "out of resources")
    assert "max_connections" in check.recommendation


async def test_a_database_that_takes_no_writes(own_postgres: Postgres) -> None:
    async with own_log(own_postgres) as log:
        await asyncio.to_thread(execute, own_postgres, "alter database mink set default_transaction_read_only = on")
        [check] = await health(log).diagnose()
    one(check, "failed", "takes no writes")
    assert "promote" in check.recommendation


def test_a_standby_and_an_old_version_are_named() -> None:
    row = {
        "version": "13.2",
        "version_number": 130002,
        "standby": False,
        "read_only": False,
        "address": "192.0.2.1",
        "port": 5432,
        "database": "mink",
    }
    finding = version_finding(row, "")
    assert (finding.outcome, finding.message) == ("failed", "Postgres 13.2, database mink at 192.0.2.1:5432 is too old")
    assert version_finding({**row, "version_number": 140000}, "").outcome == "ok"
    assert "promote" in version_finding({**row, "version_number": 140000, "standby": True}, "").recommendation


async def test_a_schema_that_is_behind_gone_or_newer(log: StoredLog) -> None:
    checks = health(log)
    await log.fetch("insert into {schema}.migrations (number, name) values (9999, 'future')")
    one((await found(checks))["schema"], "failed", "newer")
    await log.fetch("delete from {schema}.migrations where number >= 4")
    one((await found(checks))["schema"], "failed", "migrate up")
    await log.fetch("drop schema {schema} cascade")
    result = await found(checks)
    one(result["schema"], "failed", "migrate up")
    one(result["tail"], "failed", "schema is not there")
    one(result["clock"], "ok")


async def test_an_index_that_is_missing_or_invalid(log: StoredLog) -> None:
    await log.append("A", event(), event())
    with pytest.raises(Exception, match="failed"):
        await log.fetch("create unique index concurrently my_index on {schema}.events (stream_id)")
    one((await found(health(log)))["indexes"], "warning", "my_index")
    await log.fetch("alter table {schema}.events drop constraint events_event_id")
    one((await found(health(log)))["indexes"], "failed", "events_event_id")


async def test_a_tail_that_does_not_follow_and_a_log_that_lost_its_end(log: StoredLog) -> None:
    await log.append("A", event(), event())
    one((await found(health(log, head=lambda: 1, limits=Thresholds(tail=0.1))))["tail"], "warning", "1 positions behind")
    one((await found(health(log, head=lambda: 3)))["tail"], "failed", "the log ends at 2", "has seen 3")
    late = iter([0, 0, 0])
    one((await found(health(log, head=lambda: next(late, 2))))["tail"], "ok")


async def test_clocks_that_differ(log: StoredLog, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr("mink_server.storage.diagnosis_checks.time.time", lambda: real() + 90)
    one((await found(health(log)))["clock"], "warning", "differ by ")


async def test_settings_that_endanger_data(own_postgres: Postgres) -> None:
    async with own_log(own_postgres) as log:
        await asyncio.to_thread(execute, own_postgres, "alter database mink set synchronous_commit = off")
        one((await found(health(log)))["durability"], "failed", "synchronous_commit is off")
        await asyncio.to_thread(execute, own_postgres, "alter database mink set synchronous_commit = local")
        one((await found(health(log)))["durability"], "ok")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
async def test_a_postgres_that_does_not_flush(own_postgres: Postgres, name: str) -> None:
    await asyncio.to_thread(own_postgres.halt)
    own_postgres.embedded._settings[name] = "off"
    await asyncio.to_thread(own_postgres._do, own_postgres.embedded.start())
    async with own_log(own_postgres) as log:
        one((await found(health(log)))["durability"], "failed", f"{name} is off")


async def test_a_slow_flush(log: StoredLog) -> None:
    one((await found(health(log, limits=Thresholds(flush=0.0))))["flush"], "warning", "a commit takes")
    one((await found(health(log, limits=Thresholds(flush=0.0, slow_flush=0.0))))["flush"], "failed", "ms")
    one((await found(health(log, limits=Thresholds(flush=60.0))))["flush"], "ok")


async def test_a_synchronous_standby_that_is_missing(own_postgres: Postgres) -> None:
    async with own_log(own_postgres) as log:
        await asyncio.to_thread(
            execute, own_postgres, "alter system set synchronous_standby_names = 'ANY 1 (far)'", "select pg_reload_conf()"
        )
        await asyncio.sleep(0.5)
        began = time.monotonic()
        checks = await found(health(log))
        assert time.monotonic() - began < 10
        one(checks["replication"], "failed", "wait for 1 synchronous standby", "0 follow")
        one(checks["flush"], "failed", "no answer in 2.5 s")
        one(checks["size"], "ok")
        patient = await asyncpg.connect(own_postgres.dsn, server_settings={"synchronous_commit": "local"})
        await patient.execute("alter database mink set synchronous_commit = local")
        await patient.close()
        one((await found(health(log)))["durability"], "failed", "synchronous_commit is local")


@pytest.mark.parametrize(
    ("setting", "needed"),
    [("", 0), ("  ", 0), ("a, b", 1), ("*", 1), ("2 (a, b)", 2), ("FIRST 3 (a, b, c)", 3), ('any 1 ("x")', 1), ("first", 1)],
)
def test_how_many_standbys_a_commit_waits_for(setting: str, needed: int) -> None:
    assert _synchronous(setting) == needed


async def test_an_archive_that_fails(own_postgres: Postgres) -> None:
    await asyncio.to_thread(own_postgres.halt)
    own_postgres.embedded._settings |= {"archive_mode": "on", "archive_command": "false"}
    await asyncio.to_thread(own_postgres._do, own_postgres.embedded.start())
    async with own_log(own_postgres) as log:
        await asyncio.to_thread(execute, own_postgres, "select pg_switch_wal()")
        end = time.monotonic() + 30
        while (check := (await found(health(log)))["replication"]).outcome == "ok":
            assert time.monotonic() < end
            await asyncio.sleep(0.2)
        one(check, "warning", "archiving failed")


async def test_a_slot_that_nobody_uses(own_postgres: Postgres) -> None:
    async with own_log(own_postgres) as log:
        await asyncio.to_thread(execute, own_postgres, "select pg_create_physical_replication_slot('standby_2', true)")
        one((await found(health(log)))["slots"], "ok", "1 unused")
        one((await found(health(log, limits=Thresholds(slot=-1))))["slots"], "warning", "standby_2")


async def test_a_transaction_that_holds_back_vacuum(own_postgres: Postgres) -> None:
    async with own_log(own_postgres) as log:
        other = await asyncpg.connect(own_postgres.dsn, server_settings={"application_name": "nightly-report"})
        await other.execute("begin; select 'p4yl0ad'")
        pid = other.get_server_pid()
        check = (await found(health(log, limits=Thresholds(transaction=0.0))))["transactions"]
        one(check, "warning", "nightly-report", f"pid {pid}", "idle in transaction")
        assert str(pid) in check.recommendation
        assert "p4yl0ad" not in repr(check)
        one((await found(health(log)))["transactions"], "ok", "the oldest is")
        await other.close()
        one((await found(health(log, limits=Thresholds(transaction=60.0))))["transactions"], "ok")


async def test_a_prepared_transaction(own_postgres: Postgres) -> None:
    await asyncio.to_thread(own_postgres.halt)
    own_postgres.embedded._settings["max_prepared_transactions"] = "2"
    await asyncio.to_thread(own_postgres._do, own_postgres.embedded.start())
    async with own_log(own_postgres) as log:
        other = await asyncpg.connect(own_postgres.dsn)
        for statement in ("begin", "create table t ()", "prepare transaction 'forgotten'"):
            await other.execute(statement)
        one((await found(health(log, limits=Thresholds(transaction=0.0))))["transactions"], "warning", "prepared")
        await other.execute("rollback prepared 'forgotten'")
        await other.close()


async def test_many_connections_and_vacuum(log: StoredLog) -> None:
    limits = Thresholds(connections=0.0, xid_age=-1)
    checks = await found(health(log, limits=limits))
    one(checks["connections"], "warning", "are in use")
    one(checks["vacuum"], "warning", "transaction id")
    one((await found(health(log, limits=Thresholds(xid_age=-1, xid_age_failed=-1))))["vacuum"], "failed", "transaction id")


async def test_autovacuum_off_and_dead_rows(own_postgres: Postgres) -> None:
    async with own_log(own_postgres) as log:
        await log.fetch("alter table {schema}.events set (autovacuum_enabled = off)")
        await asyncio.to_thread(execute, own_postgres, f"insert into {log.schema}.snapshots select 1 where false")
        other = await asyncpg.connect(own_postgres.dsn)
        await other.execute(
            f"update {log.schema}.removed set position = position; update {log.schema}.removed set position = position"
        )
        await other.execute("select pg_stat_force_next_flush()")
        await other.close()
        end = time.monotonic() + 20
        limits = Thresholds(dead_rows=0, dead_share=0.0)
        while (check := (await found(health(log, limits=limits)))["vacuum"]).outcome == "ok":
            assert time.monotonic() < end
            await asyncio.sleep(0.1)
        one(check, "warning", "dead rows")
        await asyncio.to_thread(execute, own_postgres, "alter system set autovacuum = off", "select pg_reload_conf()")
        while "autovacuum is off" not in (check := (await found(health(log)))["vacuum"]).message:
            assert time.monotonic() < end
            await asyncio.sleep(0.1)
        one(check, "warning", "autovacuum is off")


def test_a_disk_that_fills_up() -> None:
    limits = Thresholds()
    whole = 100_000_000_000
    assert disk_finding(whole // 2, whole, limits).outcome == "ok"
    assert disk_finding(whole // 11, whole, limits).outcome == "warning"
    assert disk_finding(whole // 100, whole, limits).outcome == "failed"


def test_a_small_disk_on_which_postgres_has_no_room_to_go_on() -> None:
    assert disk_finding(40_000_000, 250_000_000, Thresholds()).outcome == "failed"


async def test_an_unprivileged_user_sees_less_and_is_told_so(own_postgres: Postgres) -> None:
    async with own_log(own_postgres) as log:
        await asyncio.to_thread(
            execute,
            own_postgres,
            "create role poor login",
            f"grant usage on schema {log.schema} to poor; grant select on all tables in schema {log.schema} to poor",
        )
        other = await asyncpg.connect(own_postgres.dsn)
        database = Database(own_postgres.dsn.replace("//mink@", "//poor@"))
        checks = await found(Health(database, log.schema, Migrations(database, log.schema)))
        await other.close()
    assert {name for name, check in checks.items() if check.outcome == "failed"} == set(), checks
    assert "cannot be seen" in checks["transactions"].message


async def test_one_check_that_hangs_or_breaks_hides_no_other(log: StoredLog, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(connection: Any) -> Any:
        await connection.execute("select pg_sleep(60)")

    async def breaks(connection: Any) -> Any:
        await connection.execute("nonsense")

    checks = PostgresChecks(log.schema, Migrations(log.database, log.schema), Thresholds(), None)
    probes = [("first", hang), ("second", breaks), ("third", hang), ("fourth", hang), ("fifth", hang), *checks.probes()]

    def certificates() -> list[Check]:
        return [Check("certificate", "warning", "expires soon", "renew it", 0.0), Check("tokens", "ok", "", "", 0.0)]

    async def slow() -> Check:
        await asyncio.sleep(60)
        raise AssertionError

    def broken() -> Check:
        raise ValueError("s3cr3t")

    async def told() -> Check:
        raise DatabaseUnavailableError("it is away")

    began = time.monotonic()
    result = await diagnosis.run(log.database, probes, [certificates, slow, broken, told])
    assert time.monotonic() - began < 9
    assert [check.component for check in result] == [
        "first", "second", "third", "fourth", "fifth", *(name for name, _ in checks.probes()),
        "certificate", "tokens", "slow", "broken", "told",
    ]  # fmt: skip
    by_name = {check.component: check for check in result}
    for name in ("first", "third", "fourth", "fifth"):
        one(by_name[name], "failed", "2.5 s")
    one(by_name["second"], "failed", "42601")
    one(by_name["schema"], "ok")
    one(by_name["size"], "ok")
    one(by_name["slow"], "failed", "no answer")
    one(by_name["broken"], "failed", "ValueError")
    one(by_name["told"], "failed", "it is away")
    assert "s3cr3t" not in repr(result)


@pytest.mark.parametrize(
    ("dsn", "where"),
    [
        ("postgresql://mink:s3cr3t@db1:5432,db2/mink?password=s3cr3t", "db1:5432,db2"),
        ("postgresql://mink:s3@cr3t@[::1]:5432/mink", "[::1]:5432"),
        ("postgresql://mink@/mink?host=/run/mink&port=5432", "/run/mink"),
        ("host=db1 password=s3cr3t", ""),
        ("postgresql://[s3cr3t", ""),
    ],
)
def test_where_a_database_is_holds_no_secret(dsn: str, where: str) -> None:
    assert place(dsn) == where


def test_the_page_of_checks_has_every_check_with_its_thresholds() -> None:
    rows = table("diagnose.md", "checks")
    assert [tuple(row[:3]) for row in rows] == [(f"`{name}`", warns, fails) for name, warns, fails in CHECKS]
    assert all(row[3] for row in rows)


def test_the_page_has_the_checks_in_the_order_in_which_they_are_told() -> None:
    assert [name for name, _, _ in CHECKS] == ["connection", *PROBES, "disk"]
