"""The servers that docs/grpcurl.md asks, and the folder in which it is typed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import trustme

from tests.support.pages import PATIENCE, ROOT, VENV, Started
from tests.support.servers import MinkProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.databases import Postgres

PLAIN, SECURED, MUTUAL, SILENT = "localhost:50051", "localhost:50055", "localhost:50056", "localhost:50057"


class Desk(NamedTuple):
    """Where somebody sits who types the page.

    Attributes:
        folder: With the files that the page names.
        servers: The real one for each address of the page.
    """

    folder: Path
    servers: dict[str, MinkProcess]

    def type(self, commands: str, **more: str) -> tuple[int, str]:
        """Types commands; answers with the exit code and what they printed."""
        started = self.start(commands, **more)
        try:
            return started.wait(), started.output
        finally:
            started.end()

    def start(self, commands: str, **more: str) -> Started:
        """Types commands that go on."""
        for address, server in self.servers.items():
            port = server.grpc_address.rpartition(":")[2]
            commands = commands.replace(address, f"localhost:{port}")
        environment = {"PATH": f"{VENV / 'bin'}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/"), **more}
        return Started(commands, self.folder, environment)

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Runs the worker of docs/projections.md."""
        page = (ROOT / "docs" / "projections.md").read_text(encoding="utf-8")
        (code,) = re.findall(r"Save this as `order_count.py`:\n\n```python\n(.*?)```", page, re.DOTALL)
        (self.folder / "order_count.py").write_text(code)
        server = self.servers[PLAIN].grpc_address
        worker = self.start("mink worker run order_count:OrderCount", MINK_SERVER=server, MINK_WORKER_HTTP_LISTEN="127.0.0.1:0")
        try:
            end = time.monotonic() + PATIENCE
            while '"RUNNING"' not in self.type("mink projection list -o json", MINK_SERVER=server)[1].upper():
                assert time.monotonic() < end, worker.output
                time.sleep(0.1)
            yield
        finally:
            worker.interrupt()
            worker.end()


def _files(folder: Path, ca: trustme.CA, name: str, *identities: str) -> dict[str, str]:
    """Puts a certificate and its key into files."""
    made = ca.issue_cert(*identities)
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
    key.write_bytes(made.private_key_pem.bytes())
    key.chmod(0o600)
    return {"MINK_TLS_CERT_FILE": str(cert), "MINK_TLS_KEY_FILE": str(key)}


@contextmanager
def desk(folder: Path, postgres: Postgres) -> Iterator[Desk]:
    """The page's servers on two empty logs, and its files."""
    shutil.copytree(ROOT / "protos", folder / "protos")
    shutil.copy(ROOT / "buf.yaml", folder)
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    _files(folder, ca, "worker", "worker.example")
    token = subprocess.run(
        [VENV / "bin" / "mink", "token", "create", "billing", "--role", "read", "--role", "append", "--prefix", "Order-"],
        env={"PATH": os.environ["PATH"], "MINK_TOKENS_FILE": str(folder / "tokens.json")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=True,
    )
    (folder / "billing.token").write_bytes(token.stdout)
    with ExitStack() as stack:
        logs = postgres.new_schema(), postgres.new_schema()
        for log in logs:
            stack.callback(postgres.drop, log)

        def start(log: str, **settings: str) -> MinkProcess:
            server = MinkProcess(DATABASE_URL=postgres.dsn, DATABASE_SCHEMA=log, MINK_MIGRATE="true", **settings)
            stack.callback(server.stop)
            return server.start()

        yield Desk(
            folder,
            {
                PLAIN: start(logs[0]),
                SECURED: start(
                    logs[1],
                    MINK_TOKENS_FILE=str(folder / "tokens.json"),
                    **_files(folder, ca, "server", "localhost", "127.0.0.1", "mink.example"),
                ),
                MUTUAL: start(
                    logs[1], MINK_TLS_CLIENT_CA_FILE=str(folder / "ca.pem"), **_files(folder, ca, "tunnelled", "mink.example")
                ),
                SILENT: start(logs[0], MINK_REFLECTION="false"),
            },
        )
