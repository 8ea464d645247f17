"""Servers whose traces go to a collector of the test's own."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.rpc.conftest import client, connected  # noqa: F401 - fixtures
from tests.telemetry.receivers import Receiver, grpc_receiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.support.servers import MinkProcess


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A collector that takes OTLP over gRPC."""
    async with grpc_receiver() as made:
        yield made


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other accounts may enter, which those of pytest are not."""
    folder = Path(tempfile.mkdtemp(prefix="mink-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def traced(start_server: Callable[..., MinkProcess], receiver: Receiver) -> Callable[..., MinkProcess]:
    """Starts a server that sends its traces there: `traced(OTEL_X="…")`."""

    def start(**env: str) -> MinkProcess:
        return start_server(**{"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{receiver.address}", "OTEL_BSP_SCHEDULE_DELAY": "50"} | env)

    return start


@pytest.fixture
def blocked() -> Callable[..., Any]:
    """Keeps a server's appends from being committed: `async with blocked(process): …`."""

    @asynccontextmanager
    async def block(process: MinkProcess) -> AsyncIterator[None]:
        connection = await asyncpg.connect(process.env["DATABASE_URL"])
        try:
            async with connection.transaction():
                await connection.execute(f"lock table {process.env['DATABASE_SCHEMA']}.events in access exclusive mode")
                yield
        finally:
            await connection.close()

    return block
