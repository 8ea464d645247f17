"""Postgres out of a wheel, for a machine that has none: started, watched and stopped by Mink."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil
import structlog

from mink_server.storage.embedded_user import (
    Account,
    EmbeddedPostgresError,
    claim_data_folder,
    default_data_dir,
    install_dir,
    make_private,
    postgres_account,
    reachable_install,
    run_as,
    wheel_package,
)

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "default_data_dir"]

_log = structlog.get_logger(__name__)

_PORT = 5432  # names the socket file; nothing listens on TCP
_SOCKET_FILES = (f".s.PGSQL.{_PORT}", f".s.PGSQL.{_PORT}.lock")
_START_LIMIT = 60.0  # seconds that Postgres may take to start
_RECOVERY_LIMIT = 900.0  # the same when it replays its log after a crash: to interrupt it would only begin it anew
_LOG_LIMIT = 10_000_000  # bytes of postgres.log that move aside at the next start
_SOCKET_PATH_LIMIT = 100  # bytes; the kernel's limit is 107 on Linux and 103 on macOS
_FIRST_DELAY, _LONGEST_DELAY, _STEADY = 0.1, 5.0, 10.0  # seconds: restart backoff, and the run time that resets it
_STOP = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))  # fast, immediate, last resort

_SETTINGS = {
    # Durable, whatever postgresql.conf says: an append that was confirmed survives a power cut.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_completion_target": "0.9",
    "wal_compression": "pglz",  # the wheels are built without lz4 and zstd
    # Postgres's own life reaches the log; statements, their values and the rows they fail on never do. Failed
    # statements are Mink's to report. LOG ranks above ERROR here, and terse leaves out DETAIL, which quotes rows.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "logging_collector": "off",
}


class EmbeddedPostgres:
    """A Postgres that lives in a data folder for as long as Mink does.

    It listens on a Unix socket alone. If it ends by itself it is started again; if Mink is killed it goes with it
    (on Linux at once, elsewhere at the next start).

    Args:
        data_dir: the folder for everything. Inside: `postgres/` the data, `run/` the socket, `postgres.log`, `lock`,
            and `runtime/` if the wheel's own programs are out of reach for the account that runs Postgres.
        version: major version of Postgres, 18 or 16.
        settings: Postgres settings by name, which go over Mink's own.
        on_restart: called each time Postgres is back after it ended by itself. Connections from before are dead.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        version: int = 18,
        settings: Mapping[str, str] | None = None,
        on_restart: Callable[[], None] | None = None,
        _package: Path | None = None,
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._pgdata = self._data_dir / "postgres"
        self._log_file = self._data_dir / "postgres.log"
        self._socket_dir = self._data_dir / "run"
        self._version = version
        self._settings = {**_SETTINGS, **(settings or {})}
        self._on_restart = on_restart
        self._package = _package
        self._account: Account | None = None
        self._install: Path | None = None
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._log_start = 0

    @property
    def dsn(self) -> str:
        """Where to connect: database `mink` as superuser `mink`, through the socket. Known once start() has returned."""
        return f"postgresql://mink@/mink?host={quote(str(self._socket_dir), safe='/')}&port={_PORT}"

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster; None while it does not run."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def bin_dir(self) -> Path:
        """The folder of psql, pg_dump and the like, of the same version.

        Raises:
            EmbeddedPostgresError: there is no embedded Postgres for this platform.
        """
        return (self._install or install_dir(self._package or wheel_package(), self._version)) / "bin"

    async def start(self) -> None:
        """Start Postgres, and make its data folder and the database `mink` if they are new.

        Returns when it accepts connections, at the latest after 60 seconds, or 15 minutes if it recovers from a crash.

        Raises:
            EmbeddedPostgresError: it cannot run here; nothing is left running.
            RuntimeError: it was started before.
        """
        if self._lock is not None:
            raise RuntimeError("this EmbeddedPostgres was started already")
        try:
            self._prepare()
            await self._end_leftovers()
            if not self._pgdata.exists():
                await self._initdb()
            await self._launch()
        except OSError as error:
            await self.stop()
            message = f"cannot use data folder {self._data_dir}: {error.strerror}: set MINK_DATA_DIR to another folder"
            raise EmbeddedPostgresError(message) from error
        except BaseException:
            await self.stop()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="embedded postgres")

    async def stop(self) -> None:
        """Stop Postgres: its clients are cut off, what was committed is kept. Does nothing if it does not run."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
            self._supervisor = None
        await self._end_process()
        if self._lock is not None:
            self._remove_fallback_socket_dir()
            os.close(self._lock)
            self._lock = None

    def _prepare(self) -> None:
        package = self._package or wheel_package()
        install_dir(package, self._version)  # says so before any folder is made, if there is none
        self._account = account = postgres_account(self._data_dir)
        self._lock = claim_data_folder(self._data_dir, account, self._version)
        self._install = reachable_install(package, self._version, self._data_dir, account)
        run = self._data_dir / "run"
        # Only the owner of this folder, and root, can get at the socket in it. They can read and change the data files
        # as well, so a password would keep nobody out, and Postgres trusts whoever gets this far (--auth-local=trust).
        # `peer` would ask that Mink and Postgres be the same account, which they are not when Mink is root.
        make_private(run, account)
        self._remove_fallback_socket_dir()
        self._socket_dir = run
        # A comma separates hosts in a DSN, and nothing escapes it there.
        if len(os.fsencode(run / _SOCKET_FILES[0])) > _SOCKET_PATH_LIMIT or "," in str(run):
            self._socket_dir = Path(tempfile.mkdtemp(prefix="mink-", dir="/tmp"))  # TMPDIR may be long as well
            if account is not None:
                os.chown(self._socket_dir, account.uid, account.gid)
            (run / "elsewhere").symlink_to(self._socket_dir)
        with contextlib.suppress(FileNotFoundError):
            if self._log_file.stat().st_size > _LOG_LIMIT:
                self._log_file.replace(self._log_file.with_suffix(".log.1"))

    def _remove_fallback_socket_dir(self) -> None:
        """Remove the folder in /tmp that stands in for a `run` of unfit path; a killed Mink leaves one behind."""
        link = self._data_dir / "run" / "elsewhere"
        if not link.is_symlink():
            return
        folder = link.readlink()
        link.unlink()
        if folder.parent == Path("/tmp") and folder.name.startswith("mink-"):  # noqa: S108 - only what we made
            for name in _SOCKET_FILES:
                (folder / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                folder.rmdir()

    async def _initdb(self) -> None:
        if self._account is None:
            try:
                pwd.getpwuid(os.geteuid())
            except KeyError:
                message = f"the user id {os.geteuid()} has no name in /etc/passwd, which Postgres needs: "
                message += "add one, run Mink as another user, or install Postgres and set DATABASE_URL"
                raise EmbeddedPostgresError(message) from None
        # Made beside its place and then moved there: an interrupted initdb never passes for a data folder.
        fresh = self._data_dir / "postgres.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        make_private(fresh, self._account)
        options = [
            "--encoding=UTF8",
            "--locale=C",
            "--username=mink",
            "--auth-local=trust",
            "--auth-host=reject",
            "--data-checksums",
        ]
        self._process = await run_as(self._account, self.bin_dir / "initdb", ["-D", str(fresh), *options], asyncio.subprocess.PIPE)
        try:
            async with asyncio.timeout(_START_LIMIT):
                _, output = await self._process.communicate()
        except TimeoutError:
            raise EmbeddedPostgresError(f"initdb did not finish within {_START_LIMIT:.0f} seconds in {self._data_dir}") from None
        if self._process.returncode:
            raise EmbeddedPostgresError(f"cannot create a database in {self._data_dir}: {_reason(output)}")
        fresh.rename(self._pgdata)
        folder = os.open(self._data_dir, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    async def _launch(self) -> None:
        """Start the postmaster and wait until the database `mink` is there; leave none running after a failure."""
        sockets = str(self._socket_dir).replace('"', '""')
        fixed = {"listen_addresses": "", "port": str(_PORT), "unix_socket_directories": f'"{sockets}"'}
        arguments = ["-D", str(self._pgdata)]
        for name, value in {**self._settings, **fixed}.items():
            arguments += ["-c", f"{name}={value}"]
        log = os.open(self._log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if self._account is not None:
                os.fchown(log, self._account.uid, self._account.gid)
            self._log_start = os.fstat(log).st_size
            self._process = await run_as(self._account, self.bin_dir / "postgres", arguments, log)
        finally:
            os.close(log)
        try:
            await self._wait_until_ready(self._process)
        except BaseException:
            await self._end_process()
            raise

    async def _wait_until_ready(self, process: asyncio.subprocess.Process) -> None:
        began, limit, pause = time.monotonic(), _START_LIMIT, 0.02
        while process.returncode is None:
            try:
                await self._ensure_database()
            except asyncpg.CannotConnectNowError:
                limit = _RECOVERY_LIMIT
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pass  # not there yet, or it ended, which the loop sees
            else:
                return
            if time.monotonic() - began > limit:
                raise EmbeddedPostgresError(f"Postgres did not start within {limit:.0f} seconds: see {self._log_file}")
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, 0.5)
        with self._log_file.open("rb") as file:
            file.seek(self._log_start)
            reason = _reason(file.read(65536))
        raise EmbeddedPostgresError(f"Postgres did not start: {reason} (see {self._log_file})")

    async def _ensure_database(self) -> None:
        # The password is for nobody: without one, asyncpg looks into ~/.pgpass.
        connection = await asyncpg.connect(
            host=str(self._socket_dir),
            port=_PORT,
            user="mink",
            password="-",  # noqa: S106 - no password
            database="postgres",
            ssl=False,
            timeout=5,
        )
        try:
            if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'mink')"):
                await connection.execute("CREATE DATABASE mink")
        finally:
            connection.terminate()

    async def _supervise(self) -> None:
        """Start Postgres again whenever it ends by itself, for ever: without it Mink can do nothing but wait for it."""
        delay, began = _FIRST_DELAY, time.monotonic()
        while self._process is not None:
            status = await self._process.wait()
            ended = time.monotonic()
            delay = _FIRST_DELAY if ended - began > _STEADY else delay
            _log.warning("embedded postgres ended by itself, starting it again", exit_status=status, log=str(self._log_file))
            complained = False
            while True:
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY)
                try:
                    await self._end_leftovers()
                    await self._launch()
                    break
                except (EmbeddedPostgresError, OSError) as error:
                    if not complained:
                        _log.error("embedded postgres does not start, trying on", reason=str(error))
                    complained = True
            began = time.monotonic()
            _log.info("embedded postgres is back", pid=self.pid, seconds=round(began - ended, 3))
            if self._on_restart is not None:
                self._on_restart()

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for number, patience in _STOP:
            if process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError, TimeoutError):
                process.send_signal(number)
                await asyncio.wait_for(process.wait(), patience)

    async def _end_leftovers(self) -> None:
        """End what still runs on our data: the Postgres of a killed Mink, or the backends of a killed postmaster.

        We hold the lock of the data folder, so they are nobody's. They must be gone before a new postmaster starts.
        """
        postmaster = self._recorded_postmaster()
        for number, patience in _STOP:
            leftovers = _processes_in(self._pgdata)
            if not leftovers:
                break
            if number == signal.SIGINT:  # to the postmaster, which ends the others; backends would merely cancel a query
                leftovers = [process for process in leftovers if process.pid == postmaster]
            for process in leftovers:
                with contextlib.suppress(psutil.Error):  # gone already, or not ours to end, which is seen below
                    process.send_signal(number)
            for _ in range(int(patience / 0.05) if leftovers else 0):
                if not _processes_in(self._pgdata):
                    break
                await asyncio.sleep(0.05)
        else:
            if _processes_in(self._pgdata):
                raise EmbeddedPostgresError(
                    f"processes of an earlier Postgres in {self._pgdata} cannot be stopped: end them and try again"
                )
        # The process id in these files may be another process's by now, as it often is in a restarted container. Postgres
        # would take that for itself and give up. Where it is nobody's, Postgres cleans up, more carefully than we can.
        if postmaster > 0 and _exists(postmaster):
            (self._pgdata / "postmaster.pid").unlink(missing_ok=True)
        for name in _SOCKET_FILES:
            (self._socket_dir / name).unlink(missing_ok=True)

    def _recorded_postmaster(self) -> int:
        """The process id in postmaster.pid; -1 if there is none."""
        try:
            return int((self._pgdata / "postmaster.pid").read_text().split(maxsplit=1)[0])
        except (OSError, ValueError, IndexError):
            return -1


def _processes_in(pgdata: Path) -> list[psutil.Process]:
    """The processes of Postgres that work in this data folder: all of them make it their current folder."""
    found, folder = [], str(pgdata.resolve())
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name().startswith("postgres") and process.cwd() == folder:
                found.append(process)
    return found


def _exists(pid: int) -> bool:
    """Whether the kernel knows this process id, also as a thread's or a zombie's: Postgres asks in the same way."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _reason(output: bytes) -> str:
    """The line of a program's output that says why it gave up."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL:" in line or "error:" in line or "PANIC:" in line]
    line = (telling or lines or ["it said nothing"])[-1]
    return line.rpartition("FATAL:")[2].strip() if "FATAL:" in line else line
