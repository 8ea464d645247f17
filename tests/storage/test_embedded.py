"""The embedded Postgres, with real processes: what it survives, what it refuses, and in which words."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from mink_server.storage import embedded_user
from mink_server.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError, default_data_dir
from mink_server.storage.embedded_user import Account, wheel_package
from structlog.testing import capture_logs

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")

# The beginning of a script that is somebody else than root. It imports first: nobody may be unable to read this Python.
BE_NOBODY = """
import asyncio, asyncpg, concurrent.futures.thread, os, pwd, shutil, subprocess, sys, traceback
from pathlib import Path
from mink_server.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(UID)
    os.setuid(UID)
folder = Path(sys.argv[1])
"""


HOLD = """
import asyncio, sys
from pathlib import Path
from mink_server.storage.embedded import EmbeddedPostgres

async def main():
    postgres = EmbeddedPostgres(Path(sys.argv[1]))
    await postgres.start()
    print(postgres.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def postgres_dir() -> Iterator[Path]:
    """A folder that every account can reach, which pytest's own is not for root."""
    folder = Path(tempfile.mkdtemp(prefix="mink-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def execute(postgres: EmbeddedPostgres, statement: str) -> object:
    connection = await asyncpg.connect(postgres.dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def refusal(postgres: EmbeddedPostgres) -> str:
    with pytest.raises(EmbeddedPostgresError) as caught:
        await postgres.start()
    line = str(caught.value)
    assert "\n" not in line
    assert postgres.pid is None
    return line


async def until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


def run_as_nobody(script: str, *arguments: str, uid: int = 65534) -> subprocess.CompletedProcess[str]:
    source = BE_NOBODY.replace("UID", str(uid)) + textwrap.dedent(script)
    command = [sys.executable, "-c", source, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


def running_in(data: Path) -> list[psutil.Process]:
    processes = psutil.process_iter(["cmdline"])
    return [process for process in processes if str(data / "postgres") in (process.info["cmdline"] or [])]


def sleep_as(uid: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], user=uid if os.geteuid() == 0 else None)


def stray(command: list[str], data: Path) -> subprocess.Popen[bytes]:
    """A postmaster that nobody watches."""
    owner = (data / "postgres").stat()
    someone = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd="/", **someone)


def killed_mink(data: Path) -> int:
    """Start Postgres from a Mink that is then killed; gives the process id of the postmaster."""
    command = [sys.executable, "-c", HOLD, str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as mink:
        pid = int(mink.stdout.readline())
        mink.kill()
    return pid


def contents(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


async def test_it_finds_its_data_again(postgres_dir):
    postgres = EmbeddedPostgres(postgres_dir / "data")
    await postgres.start()
    assert postgres.pid is not None
    assert psutil.Process(postgres.pid).ppid() == os.getpid()
    await execute(postgres, "CREATE TABLE kept AS SELECT 7 AS n")
    await postgres.stop()
    await postgres.stop()
    assert postgres.pid is None
    await postgres.start()
    try:
        assert await execute(postgres, "SELECT n FROM kept") == 7
    finally:
        await postgres.stop()


async def test_it_is_durable_speaks_utf8_and_listens_on_a_private_socket_alone(postgres_dir):
    postgres = EmbeddedPostgres(postgres_dir / "data", settings={"max_connections": "20"})
    await postgres.start()
    try:
        names = ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"]
        assert [await execute(postgres, f"SHOW {name}") for name in names] == ["on"] * 4
        assert await execute(postgres, "SHOW max_connections") == "20"
        assert await execute(postgres, "SHOW server_encoding") == "UTF8"
        assert await execute(postgres, "SHOW listen_addresses") == ""
        assert await execute(postgres, "SELECT current_database() || ' ' || current_user") == "mink mink"
        assert psutil.Process(postgres.pid).net_connections(kind="inet") == []
        assert stat.S_IMODE((postgres_dir / "data" / "run").stat().st_mode) == 0o700
        assert (postgres.bin_dir / "pg_dump").exists()
    finally:
        await postgres.stop()


async def test_its_environment_is_not_ours(postgres_dir, monkeypatch):
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGPASSWORD", "hush")
    monkeypatch.setenv("MINK_SECRET", "hush")
    postgres = EmbeddedPostgres(postgres_dir / "data")
    await postgres.start()
    try:
        assert set(psutil.Process(postgres.pid).environ()) == {"PATH", "LC_ALL", "TZ"}
    finally:
        await postgres.stop()


async def test_no_payload_reaches_its_log(postgres_dir):
    postgres = EmbeddedPostgres(postgres_dir / "data")
    await postgres.start()
    try:
        await execute(postgres, "CREATE TABLE t (v text PRIMARY KEY)")
        await execute(postgres, "INSERT INTO t VALUES ('hush')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await execute(postgres, "INSERT INTO t VALUES ('hush')")
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            await execute(postgres, "SELECT 'hush'::uuid")
    finally:
        await postgres.stop()
    assert "hush" not in (postgres_dir / "data" / "postgres.log").read_text()


async def test_its_log_moves_aside_when_it_is_long(postgres_dir):
    data = postgres_dir / "data"
    postgres = EmbeddedPostgres(data)
    await postgres.start()
    await postgres.stop()
    with (data / "postgres.log").open("a") as log:
        log.truncate(11_000_000)
    await postgres.start()
    await postgres.stop()
    assert (data / "postgres.log").stat().st_size < 100_000
    assert (data / "postgres.log.1").stat().st_size == 11_000_000


async def test_a_data_folder_in_use_is_refused_with_the_process_that_uses_it(postgres_dir):
    data = postgres_dir / "data"
    first = EmbeddedPostgres(data)
    await first.start()
    try:
        line = await refusal(EmbeddedPostgres(data))
        assert line == (
            f"data folder {data} is in use by another Mink (process {os.getpid()}): stop it, or set MINK_DATA_DIR to another folder"
        )
        assert await execute(first, "SELECT 1") == 1
    finally:
        await first.stop()


async def test_a_foreign_folder_is_refused_and_left_as_it_was(postgres_dir):
    (postgres_dir / "thesis.txt").write_text("mine")
    (postgres_dir / "lock").write_text("another program's")
    line = await refusal(EmbeddedPostgres(postgres_dir))
    assert "holds files that are not Mink's" in line
    assert contents(postgres_dir) == ["lock", "thesis.txt"]
    assert (postgres_dir / "lock").read_text() == "another program's"


async def test_a_file_for_a_data_folder_is_refused(postgres_dir):
    (postgres_dir / "file").touch()
    assert "is not a directory" in await refusal(EmbeddedPostgres(postgres_dir / "file"))


async def test_data_of_another_major_version_are_refused_and_left_as_they_were(postgres_dir):
    postgres = EmbeddedPostgres(postgres_dir / "data", version=16)
    await postgres.start()
    assert str(await execute(postgres, "SHOW server_version")).startswith("16.")
    await postgres.stop()
    before = contents(postgres_dir)
    line = await refusal(EmbeddedPostgres(postgres_dir / "data", version=18))
    assert "was made by Postgres 16, and this Mink runs Postgres 18" in line
    assert contents(postgres_dir) == before


async def test_a_platform_without_the_wheel_is_told_what_to_do(postgres_dir, monkeypatch):
    monkeypatch.setattr(embedded_user.importlib.util, "find_spec", lambda name: None)
    line = await refusal(EmbeddedPostgres(postgres_dir / "data"))
    assert line.endswith("install Postgres and set DATABASE_URL")
    assert contents(postgres_dir) == []


async def test_a_setting_that_postgres_refuses_is_told_in_its_words(postgres_dir):
    line = await refusal(EmbeddedPostgres(postgres_dir / "data", settings={"no_such_setting": "1"}))
    assert 'unrecognized configuration parameter "no_such_setting"' in line
    postgres = EmbeddedPostgres(postgres_dir / "data")
    await postgres.start()
    await postgres.stop()


async def test_an_interrupted_initdb_is_begun_anew(postgres_dir):
    postgres = EmbeddedPostgres(postgres_dir / "data")
    starting = asyncio.create_task(postgres.start())
    await until((postgres_dir / "data" / "postgres.new" / "base").exists)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert postgres.pid is None
    await postgres.start()
    try:
        assert await execute(postgres, "SELECT 1") == 1
    finally:
        await postgres.stop()


async def test_a_path_too_long_for_a_socket_works(postgres_dir):
    data = postgres_dir / ("long" * 30) / "data"
    postgres = EmbeddedPostgres(data)
    await postgres.start()
    try:
        assert await execute(postgres, "SELECT 1") == 1
        sockets = (data / "run" / "elsewhere").readlink()
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    finally:
        await postgres.stop()
    assert not sockets.exists()


async def test_a_folder_with_odd_characters_works(postgres_dir):
    postgres = EmbeddedPostgres(postgres_dir / 'it\'s, "odd" & ? % ü')
    await postgres.start()
    try:
        assert await execute(postgres, "SELECT 1") == 1
    finally:
        await postgres.stop()


async def test_a_killed_postmaster_comes_back_with_what_was_committed(postgres_dir):
    calls: list[int] = []
    postgres = EmbeddedPostgres(postgres_dir / "data", on_restart=lambda: calls.append(1))
    await postgres.start()
    idle = await asyncpg.connect(postgres.dsn)  # a backend that outlives its postmaster for a moment
    try:
        await execute(postgres, "CREATE TABLE kept AS SELECT 1 AS n")
        with capture_logs() as logs:
            for times in (1, 2):
                await execute(postgres, f"INSERT INTO kept VALUES ({times + 1})")
                os.kill(postgres.pid, signal.SIGKILL)
                await until(lambda times=times: len(calls) == times)
                assert await execute(postgres, "SELECT count(*) FROM kept") == times + 1
        assert [log["log_level"] for log in logs] == ["warning", "info"] * 2
    finally:
        idle.terminate()
        await postgres.stop()


async def test_a_busy_backend_of_a_killed_postmaster_does_not_keep_it_from_coming_back(postgres_dir):
    calls: list[int] = []
    postgres = EmbeddedPostgres(postgres_dir / "data", on_restart=lambda: calls.append(1))
    await postgres.start()
    busy = await asyncpg.connect(postgres.dsn)
    query = asyncio.create_task(busy.execute("DO 'BEGIN LOOP END LOOP; END'"))
    try:
        await asyncio.sleep(0.1)
        os.kill(postgres.pid, signal.SIGKILL)
        await until(lambda: calls)
        assert await execute(postgres, "SELECT 1") == 1
    finally:
        with pytest.raises((asyncpg.PostgresError, OSError)):
            await query
        busy.terminate()
        await postgres.stop()


async def test_stop_during_an_outage_leaves_nothing_running(postgres_dir):
    postgres = EmbeddedPostgres(postgres_dir / "data")
    await postgres.start()
    os.kill(postgres.pid, signal.SIGKILL)
    await until(lambda: postgres.pid is None)
    await postgres.stop()
    await asyncio.sleep(0.3)
    assert postgres.pid is None
    assert not running_in(postgres_dir / "data")
    await postgres.start()
    await postgres.stop()


async def test_a_postmaster_id_that_is_now_another_process_is_no_obstacle(postgres_dir):
    data = postgres_dir / "data"
    postgres = EmbeddedPostgres(data)
    await postgres.start()
    record = (data / "postgres" / "postmaster.pid").read_text().splitlines()
    await postgres.stop()
    other = sleep_as((data / "postgres").stat().st_uid)
    try:
        (data / "postgres" / "postmaster.pid").write_text("\n".join([str(other.pid), *record[1:], ""]))
        (data / "run" / ".s.PGSQL.5432.lock").write_text(f"{other.pid}\n")
        await postgres.start()
        await postgres.stop()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@on_linux
async def test_a_killed_mink_takes_its_postgres_along(postgres_dir):
    pid = killed_mink(postgres_dir / "data")
    next_one = EmbeddedPostgres(postgres_dir / "data")
    await next_one.start()
    try:
        await until(lambda: not psutil.pid_exists(pid))
        assert await execute(next_one, "SELECT 1") == 1
    finally:
        await next_one.stop()


@on_linux
async def test_a_killed_minks_postgres_goes_without_a_next_start(postgres_dir):
    pid = killed_mink(postgres_dir / "data")
    await until(lambda: not psutil.pid_exists(pid))
    assert not (postgres_dir / "data" / "postgres" / "postmaster.pid").exists()  # it stopped in good order


async def test_a_postgres_that_outlived_its_mink_is_stopped_by_the_next(postgres_dir):
    data = postgres_dir / "data"
    first = EmbeddedPostgres(data)
    await first.start()
    command = psutil.Process(first.pid).cmdline()
    await first.stop()
    with stray(command, data) as process:
        await until((data / "run" / ".s.PGSQL.5432").exists)
        second = EmbeddedPostgres(data)
        starting = asyncio.create_task(second.start())
        assert await asyncio.to_thread(process.wait, 20) == 0  # reaped here, as init would; a fast stop ends with 0
        await starting
    try:
        assert await execute(second, "SELECT 1") == 1
    finally:
        await second.stop()


@as_root
async def test_root_runs_it_as_an_account_and_keeps_the_lock(postgres_dir):
    data = postgres_dir / "data"
    postgres = EmbeddedPostgres(data)
    await postgres.start()
    try:
        account = psutil.Process(postgres.pid).username()
        assert account in embedded_user.ACCOUNTS
        assert {path.name: path.owner() for path in data.iterdir()} == {
            "lock": "root",
            "postgres": account,
            "postgres.log": account,
            "run": account,
        }
        assert (data / "lock").read_text() == f"{os.getpid()}\n"
    finally:
        await postgres.stop()


@as_root
async def test_root_runs_it_even_from_programs_below_a_closed_folder(postgres_dir):
    package = wheel_package()
    closed = postgres_dir / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(package / "pginstall18", closed / package.name / "pginstall18")
    shutil.copytree(package.parent / f"{package.name}.libs", closed / f"{package.name}.libs")
    data = postgres_dir / "data"
    postgres = EmbeddedPostgres(data, _package=closed / package.name)
    await postgres.start()
    try:
        assert await execute(postgres, "SELECT 1") == 1
        assert postgres.bin_dir.is_relative_to(data / "runtime" / "18")
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        copied = (postgres.bin_dir / "postgres").stat()
    finally:
        await postgres.stop()
    await postgres.start()
    try:
        assert (postgres.bin_dir / "postgres").stat().st_ino == copied.st_ino
    finally:
        await postgres.stop()


@as_root
async def test_a_data_folder_out_of_the_accounts_reach_is_refused_with_the_cure(postgres_dir):
    closed = postgres_dir / "closed"
    closed.mkdir(mode=0o700)
    line = await refusal(EmbeddedPostgres(closed / "data"))
    assert f"may not enter {closed}: set MINK_DATA_DIR" in line
    assert contents(postgres_dir) == ["closed"]


@as_root
def test_the_default_data_folder_is_one_that_the_account_can_reach(postgres_dir):
    assert default_data_dir(postgres_dir) == postgres_dir / ".mink"
    (postgres_dir / "closed").mkdir(mode=0o700)
    away = default_data_dir(postgres_dir / "closed")
    assert away.parent == Path("/var/lib/mink")
    assert away.name.startswith("closed-")
    assert len(away.name) == len("closed-") + 8


@as_root
async def test_root_without_any_account_is_told_what_to_do(postgres_dir, monkeypatch):
    monkeypatch.setattr(embedded_user, "ACCOUNTS", ("no-such-account",))
    line = await refusal(EmbeddedPostgres(postgres_dir / "data"))
    assert "useradd --system mink" in line


START_AND_QUERY = """
    async def main():
        postgres = EmbeddedPostgres(folder)
        try:
            await postgres.start()
        except EmbeddedPostgresError as error:
            print(error)
            return
        connection = await asyncpg.connect(postgres.dsn)
        print(await connection.fetchval("SELECT 1"), oct(folder.stat().st_mode & 0o777))
        await connection.close()
        await postgres.stop()

    asyncio.run(main())
"""


@as_root
def test_another_user_than_root_runs_it_as_itself(postgres_dir):
    home = postgres_dir / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    # This Python may be closed to nobody, who must be able to run the one that becomes Postgres.
    nobody = Account("nobody", 65534, 65534)
    pythons = [path for path in (sys.executable, "/usr/bin/python3") if Path(path).exists() and not nobody.blocked_at(Path(path))]
    if not pythons:
        pytest.skip("there is no Python that nobody can run")
    script = f"sys.executable = {pythons[0]!r}\n" + textwrap.dedent(START_AND_QUERY)
    done = run_as_nobody(script, str(home / "data"))
    assert (done.stdout, done.stderr) == ("1 0o700\n", "")


@as_root
def test_a_folder_that_is_not_writable_is_refused(postgres_dir):
    done = run_as_nobody(START_AND_QUERY, str(postgres_dir))
    assert f"data folder {postgres_dir} is not writable" in done.stdout, done
    done = run_as_nobody(START_AND_QUERY, str(postgres_dir / "new"))
    assert done.stdout.startswith(f"cannot write to data folder {postgres_dir / 'new'}: Permission denied"), done
    assert contents(postgres_dir) == []


@as_root
def test_a_user_without_a_name_is_refused_with_the_cure(postgres_dir):
    home = postgres_dir / "home"
    home.mkdir()
    os.chown(home, 54321, 54321)
    done = run_as_nobody(START_AND_QUERY, str(home / "data"), uid=54321)
    assert "the user id 54321 has no name in /etc/passwd" in done.stdout, done
    assert done.stdout.count("\n") == 1


@as_root
def test_permission_bits_tell_what_an_account_can_reach(postgres_dir):
    account = Account("someone", 54321, 54321)
    folder = postgres_dir / "a" / "b"
    folder.mkdir(parents=True)
    assert account.blocked_at(folder / "not" / "there") is None
    folder.parent.chmod(0o750)
    assert account.blocked_at(folder) == folder.parent
    os.chown(folder.parent, 0, 54321)
    assert account.blocked_at(folder) is None
    os.chown(folder.parent, 54321, 0)
    folder.parent.chmod(0o055)
    assert account.blocked_at(folder) == folder.parent
