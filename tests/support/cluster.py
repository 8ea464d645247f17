"""A primary Postgres and its standby, to be killed, frozen and promoted. Each has a data folder and a Unix socket of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import asyncpg
import psutil
from mink_server.storage.embedded_user import postgres_account, reachable_install, run_as, wheel_package

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # names the socket's file; nothing listens on TCP
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "16MB",
    "wal_keep_size": "64MB",
    "wal_retrieve_retry_interval": "100ms",  # a standby that lost its primary asks again soon
    "log_min_messages": "warning",
}


class Cluster:
    """Where nodes live: a folder that the account of Postgres can reach, and the programs of the wheel."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mink-test-"))
        self.folder.chmod(0o755)
        self.account = postgres_account(self.folder)
        self.bin = reachable_install(wheel_package(), 18, self.folder, self.account) / "bin"
        self._loop = asyncio.new_event_loop()
        # Postgres is told to stop when the thread that started it ends: this one, which lasts.
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Those that a test has made by other means as well.
        for version in self.folder.glob("*/*/PG_VERSION"):
            kill_in(version.parent)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine in the cluster's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def own_folder(self, name: str) -> Path:
        """A folder that belongs to the account of Postgres, and to nobody else."""
        folder = self.folder / name
        folder.mkdir(mode=0o700)
        if self.account is not None:
            os.chown(folder, self.account.uid, self.account.gid)
        return folder

    def command(self, *words: str | Path) -> list[str]:
        """A command line that runs a program, named by its full path, as the account of Postgres.

        `subprocess` could change the user itself, but it would fork for that, which a process with gRPC in it does not survive.
        """
        if self.account is None:
            return [str(word) for word in words]
        become = "import os, sys; os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[1])); "
        become += "os.execv(sys.argv[3], sys.argv[3:])"
        return [sys.executable, "-I", "-S", "-c", become, str(self.account.uid), str(self.account.gid), *map(str, words)]

    def run(self, program: str, *arguments: str) -> None:
        """Runs a program of Postgres to its end."""
        done = subprocess.run(
            self.command(self.bin / program, *arguments),
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"

    def primary(self, name: str = "primary", **settings: str) -> Node:
        """A new Postgres with an empty database `mink`, running."""
        node = Node(self, name)
        options = ["--encoding=UTF8", "--locale=C", "--username=mink", "--auth=trust", "--no-sync", "--wal-segsize=1"]
        self.run("initdb", "-D", str(node.data), *options)
        node.configure(**_SETTINGS, **settings)
        node.start()
        node.execute("create database mink", database="postgres")
        return node

    def standby(self, primary: Node, name: str = "standby") -> Node:
        """A running copy that follows a primary. To be waited for it has to be named in `synchronous_standby_names`."""
        node = Node(self, name)
        self.follow(node, primary)
        return node

    def follow(self, node: Node, primary: Node) -> None:
        """Makes a node that does not run a standby, with nothing left of what it had."""
        shutil.rmtree(node.data, ignore_errors=True)
        options = ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]
        self.run("pg_basebackup", "-d", primary.dsn, "-D", str(node.data), *options)
        node.configure()
        node.start()


class Instance:
    """A Postgres that can be asked."""

    def __init__(self, cluster: Cluster, dsn: str) -> None:
        self.dsn = dsn
        self._cluster = cluster

    def execute(self, sql: str, *, database: str = "mink") -> None:
        """Runs statements."""
        self.fetch(sql, database=database)

    def fetch(self, sql: str, *, database: str = "mink") -> list[Any]:
        """Runs statements, or one query for its rows."""

        async def run() -> list[Any]:
            connection = await asyncpg.connect(self.dsn, database=database, timeout=10)
            try:
                if sql.lstrip().startswith("select"):
                    return list(await connection.fetch(sql, timeout=30))
                await connection.execute(sql, timeout=30)
                return []
            finally:
                connection.terminate()

        return self._cluster.do(run())

    def until(self, query: str, seconds: float = 20) -> None:
        """Waits until a query says true."""
        end = time.monotonic() + seconds
        while not (rows := self.fetch(query)) or not rows[0][0]:
            assert time.monotonic() < end, f"not true after {seconds} s: {query}"
            time.sleep(0.05)


class Node(Instance):
    """A Postgres with a folder of its own in a cluster."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name = name
        self.folder = cluster.own_folder(name)
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        super().__init__(cluster, dsn_of([self]))

    def configure(self, **settings: str) -> None:
        """Says who it is, and sets what else it shall do from its next start on."""
        settings = {**settings, "unix_socket_directories": str(self.folder), "cluster_name": self.name}
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self._cluster.do(self._start())

    async def _start(self) -> None:
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            process = await run_as(self._cluster.account, self._cluster.bin / "postgres", ["-D", str(self.data)], log)
        finally:
            os.close(log)
        end = time.monotonic() + 30
        while True:
            try:
                connection = await asyncpg.connect(self.dsn, database="postgres", timeout=5)
            except (OSError, asyncpg.PostgresError):
                assert process.returncode is None, self.log.read_text()
                assert time.monotonic() < end, f"{self.name} does not start:\n{self.log.read_text()}"
                await asyncio.sleep(0.05)
            else:
                await connection.close()
                return

    def wait_for(self, *standbys: Node) -> None:
        """From now on each commit waits for one of these standbys; none: for nobody."""
        names = f"ANY 1 ({', '.join(node.name for node in standbys)})" if standbys else ""
        self.execute(f"alter system set synchronous_standby_names = '{names}'")
        self.execute("select pg_reload_conf()")
        self.until(f"select current_setting('synchronous_standby_names') = '{names}'")
        if standbys:
            self.until("select exists (select from pg_stat_replication where sync_state in ('sync', 'quorum'))")

    def promote(self) -> None:
        """Makes it a primary."""
        (row,) = self.fetch("select pg_promote(true, 30)")
        assert row[0]

    def kill(self) -> None:
        """kill -9 of all of its processes; returns when they are gone."""
        kill_in(self.data)

    def freeze(self) -> None:
        """Stops all of its processes where they are: what it looks like from outside when a machine or its network is gone."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets them go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Shuts it down in order."""
        self._cluster.run("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w", "-t", "30")

    def _signal(self, number: int) -> None:
        for process in processes_in(self.data):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)


def dsn_of(nodes: Iterable[Node]) -> str:
    """A DATABASE_URL that names all of these."""
    folders = [str(node.folder) for node in nodes]
    return f"postgresql://mink@/mink?host={','.join(folders)}&port={','.join(['5432'] * len(folders))}"


def processes_in(data: Path) -> list[psutil.Process]:
    """The processes of the Postgres that works in a data folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name().startswith("postgres") and process.cwd() == str(data):
                found.append(process)
    return sorted(found, key=lambda process: process.pid)


def kill_in(data: Path) -> None:
    """kill -9 of the Postgres that works in a data folder, if one does; returns when all of it is gone."""
    end = time.monotonic() + 10
    while found := processes_in(data):
        assert time.monotonic() < end, f"the Postgres in {data} does not die"
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(0.01)
