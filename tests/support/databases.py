"""Databases for tests: the embedded Postgres, in the versions that the wheel has, and the one that TEST_DATABASE_URL names."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from mink_server.storage.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Coroutine

_numbers = itertools.count(1)


class Postgres:
    """A running Postgres, kept by an event loop of its own, so that every test may use it.

    Args:
        version: A major version that the wheel has, or "url" for TEST_DATABASE_URL.
    """

    def __init__(self, version: str) -> None:
        self.version = version
        self.dsn = ""
        self.folder: Path | None = None
        self.embedded: EmbeddedPostgres | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    def start(self) -> Postgres:
        self._thread.start()
        if self.version == "url":
            self.dsn = os.environ["TEST_DATABASE_URL"]
            return self
        self.folder = Path(tempfile.mkdtemp(prefix="mink-test-"))
        self.folder.chmod(0o755)
        self.embedded = EmbeddedPostgres(self.folder / "data", version=int(self.version))
        self._do(self.embedded.start())
        self.dsn = self.embedded.dsn
        return self

    def stop(self) -> None:
        if self.embedded is not None:
            self._do(self.embedded.stop())
            shutil.rmtree(self.folder, ignore_errors=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def halt(self) -> None:
        """Stops the server; the data stays."""
        assert self.embedded is not None
        self._do(self.embedded.stop())

    def execute(self, sql: str) -> None:
        """Runs SQL."""

        async def run() -> None:
            connection = await asyncpg.connect(self.dsn)
            try:
                await connection.execute(sql)
            finally:
                await connection.close()

        self._do(run())

    def new_schema(self) -> str:
        """A name for a schema that no other test has, also not one of another run on the same database."""
        return f"test_{os.getpid()}_{next(_numbers)}"

    def drop(self, schema: str) -> None:
        """Removes a schema and what is in it."""
        self.execute(f"drop schema if exists {schema} cascade")
