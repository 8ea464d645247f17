"""What docs/operations.md tells an operator to type is typed here, and does what the page says."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mink_client import ANY, Mink, NewEvent, PositionAhead

from tests.reliability.load import Workload, read_log, report
from tests.support.cluster import Cluster, Instance, kill_in
from tests.support.operations import BLOCKS, PAGE, Operator
from tests.support.pages import typed_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.databases import Postgres
    from tests.support.servers import MinkProcess

there = asyncio.to_thread


def test_each_block_of_commands_on_the_page_is_typed_by_a_test() -> None:
    assert PAGE.read_text().count("```sh\n") == len(BLOCKS)
    assert set(BLOCKS) == typed_in(__file__) | typed_in(Path(__file__).with_name("test_read_model.py"))


def test_the_page_explains_each_variable_that_it_uses() -> None:
    explained = set(re.findall(r"`([A-Z_]+)`", PAGE.read_text().split("## It is three")[0]))
    used = set(re.findall(r"\$\{?([A-Z_]+)", "".join(block.text for block in BLOCKS.values())))
    assert used - explained == {"MINK_DATA_DIR"}  # a setting of Mink's


async def fill(client: Mink, count: int) -> int:
    """Appends to a few streams; answers with the newest position."""
    done = [
        await client.append(f"Order-{number % 5}", [NewEvent("Placed", {"n": number})], expected=ANY) for number in range(count)
    ]
    return done[-1].last_position


async def test_a_dump_is_a_moment_of_the_log_and_comes_back_as_it_was(
    postgres: Postgres, empty_database: str, serve: Callable[..., MinkProcess], folder: Path
) -> None:
    assert postgres.embedded is not None
    schema = postgres.new_schema()
    first = await there(serve, DATABASE_URL=postgres.dsn, DATABASE_SCHEMA=schema, MINK_MIGRATE="true")
    operator = Operator(
        postgres.embedded.bin_dir,
        DATABASE_URL=postgres.dsn,
        DATABASE_SCHEMA=schema,
        RESTORED_URL=empty_database,
        BACKUP=folder,
    )
    try:
        async with Mink(first.grpc_address) as client:
            before = await fill(client, 50)
            await client.save_snapshot("Order-1", version=3, state={"n": 3})
            await client.delete_stream("Order-2", expected=ANY)
            async with Workload(first.grpc_address, writers=4) as work:
                assert f"TABLE DATA {schema} events" in await operator.run("dump")
                await work.progress()
            log = await read_log(client)
        assert (await operator.run("dump-restore")).endswith("0 pending.\n")
        second = await there(serve, DATABASE_URL=empty_database, DATABASE_SCHEMA=schema)
        operator.variables["MINK_SERVER"] = second.grpc_address
        assert re.search(r"the log is +sound", await operator.run("verify"))
        async with Mink(second.grpc_address) as client:
            restored = await read_log(client)
            assert before - 10 <= len(restored) < len(log)
            assert restored == log[: len(restored)]
            assert (await client.load_snapshot("Order-1")).version == 3
    finally:
        first.stop()
        postgres.drop(schema)


@pytest.mark.thorough
@pytest.mark.parametrize("target", ["name", pytest.param("time", marks=pytest.mark.reliability)])
async def test_a_base_backup_and_the_archive_bring_back_a_moment(serve: Callable[..., MinkProcess], target: str) -> None:
    with Cluster() as cluster:
        primary = await there(cluster.primary)
        site = cluster.own_folder("site")
        archive = cluster.own_folder("archive")
        restored_url = primary.dsn.replace("5432", "5433")
        operator = Operator(
            cluster.bin,
            cluster,
            PRIMARY=primary.dsn,
            PGDATA=primary.data,
            BACKUP=site,
            ARCHIVE=archive,
            RESTORED=site / "restored",
            RESTORED_URL=restored_url,
            DATABASE_SCHEMA="mink",
        )
        server = await there(serve, DATABASE_URL=primary.dsn, MINK_MIGRATE="true")
        async with Mink(server.grpc_address, timeout=20) as client:
            await fill(client, 20)
            await operator.run("archive")
            await operator.run("base")
            head = await fill(client, 20)
            [(moment, segment)] = await there(
                primary.fetch, "select clock_timestamp()::text, pg_walfile_name(pg_current_wal_lsn())"
            )
            if target == "time":
                await asyncio.sleep(0.05)
                await fill(client, 1)
            await operator.run("point")
            async with client.subscribe_all() as events:
                async for _ in events:
                    break
                log_id = events.log_id
            log = await read_log(client)
            later = await fill(client, 30)
            lost = {event.id for event in await read_log(client)} - {event.id for event in log}
            assert len(lost) == 30
        await there(primary.until, f"select last_archived_wal >= '{segment}' from pg_stat_archiver")

        name = "recovery_target_name = 'before-release'"
        time = f"recovery_target_time = '{moment}'"
        await operator.run("recover", put=(name, time if target == "time" else name))
        restored = Instance(cluster, restored_url)
        await there(restored.until, "select pg_get_wal_replay_pause_state() = 'paused'")
        assert "Placed" in await operator.run("look")
        with pytest.raises(RuntimeError, match="takes no writes"):
            await there(serve, DATABASE_URL=restored_url)
        await operator.run("promote-restored")
        await operator.run("identity")

        back = await there(serve, DATABASE_URL=restored_url)
        operator.variables["MINK_SERVER"] = back.grpc_address
        assert re.search(r"the log is +sound", await operator.run("verify"))
        async with Mink(back.grpc_address) as client:
            assert await read_log(client) == log[:head]
            # Beyond the head; and below it, with the id of the log as it was.
            for position, known in ((later, ""), (head - 5, log_id)):
                async with client.subscribe_all(after=position, log_id=known) as events:
                    with pytest.raises(PositionAhead):
                        async with asyncio.timeout(5):
                            await anext(aiter(events))
            assert await fill(client, 40) == head + 40


@pytest.mark.thorough
async def test_a_standby_is_made_waited_for_done_without_and_promoted(serve: Callable[..., MinkProcess]) -> None:
    with Cluster() as cluster:
        primary = await there(cluster.primary)
        standby = cluster.own_folder("site") / "standby"
        standby_url = primary.dsn.replace("5432", "5434")
        operator = Operator(cluster.bin, cluster, PRIMARY=primary.dsn, PGDATA=primary.data, STANDBY=standby)
        # The socket's folder is the same, so the ports tell the two apart.
        both = f"postgresql://mink@/mink?host={primary.folder},{primary.folder}&port=5432,5434"
        server = await there(serve, DATABASE_URL=both, MINK_MIGRATE="true", MINK_DATABASE_TIMEOUT="1")
        await operator.run("standby")
        assert "quorum" in await operator.run("synchronous")
        async with Workload(server.grpc_address, timeout=60) as work:
            await work.progress()
            await there(kill_in, standby)
            before = work.appends
            await work.run(1.5)
            assert work.appends <= before + 32, "appends do not wait for the standby"
            await operator.run("alone")
            await work.progress()
            command = cluster.command(cluster.bin / "pg_ctl", "start", "-D", standby, "-l", standby / "startup.log", "-w")
            # After a kill -9 the number in postmaster.pid may be another process's for a moment; Postgres then refuses to start.
            for left in (2, 1, 0):
                started = await there(subprocess.run, command, cwd="/", check=not left, timeout=30, stdout=subprocess.DEVNULL)
                if not started.returncode:
                    break
                await asyncio.sleep(1)
            assert "quorum" in await operator.run("synchronous")
            await work.progress()
            await there(primary.kill)
            await operator.run("promote")
            report("promoted by the page", resumed_after_s=await work.progress())
            log = await work.finish("a standby by the page")
        [(count,)] = await there(Instance(cluster, standby_url).fetch, "select count(*) from mink.events")
        assert count == len(log)


@pytest.mark.thorough
async def test_a_log_moves_from_the_embedded_postgres_to_another(
    postgres: Postgres, empty_database: str, serve: Callable[..., MinkProcess], folder: Path
) -> None:
    assert postgres.embedded is not None
    operator = Operator(
        postgres.embedded.bin_dir, MINK_DATA_DIR=folder / "data", BACKUP=folder, RESTORED_URL=empty_database, DATABASE_SCHEMA="mink"
    )
    embedded = await there(serve, MINK_DATA_DIR=str(folder / "data"))
    operator.variables["MINK_SERVER"] = embedded.grpc_address
    async with Mink(embedded.grpc_address) as client:
        await fill(client, 20)
        log, statistics = await read_log(client), await client.statistics()
    assert await operator.run("embedded-dump")
    embedded.stop()
    await operator.run("embedded-load")
    moved = await there(serve, DATABASE_URL=empty_database)
    async with Mink(moved.grpc_address) as client:
        assert await read_log(client) == log
        assert (await client.statistics()).log_id == statistics.log_id
        assert await fill(client, 1) == 21


@pytest.mark.reliability
async def test_a_password_in_a_file_is_changed_under_a_running_server(serve: Callable[..., MinkProcess], folder: Path) -> None:
    with Cluster() as cluster:
        primary = await there(cluster.primary)
        await there(serve, DATABASE_URL=primary.dsn, MINK_MIGRATE="true")
        # Whoever is not the superuser needs a password from here on.
        await there(primary.execute, "create role app login password 'first'; grant create on database mink to app")
        rules = primary.data / "pg_hba.conf"
        rules.write_text("local all app scram-sha-256\n" + rules.read_text())
        await there(primary.fetch, "select pg_reload_conf()")
        secret = folder / "pgpass"

        def write(password: str) -> None:
            secret.touch(0o600)
            secret.write_text(f"*:5432:mink:app:{password}\n")

        write("first")
        url = primary.dsn.replace("mink@", "app@") + f"&passfile={secret}"
        server = await there(serve, DATABASE_URL=url, DATABASE_SCHEMA="apps", MINK_MIGRATE="true")
        async with Mink(server.grpc_address, timeout=30) as client:
            await fill(client, 1)
            await there(primary.execute, "alter role app password 'second'")
            await there(primary.fetch, "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'")
            waiting = asyncio.create_task(fill(client, 1))
            await asyncio.sleep(0.5)
            assert not waiting.done()
            write("second")
            assert await waiting == 2
            assert "first" not in server.output
