"""What docs/operations.md says of a read model that is lost, or ahead of its log, typed with the shop of the example."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

import pytest
from mink_client import Mink, ProjectionState

from tests.support.operations import Operator
from tests.support.pages import PATIENCE, ROOT, VENV, Started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mink_client.projection_status import Projection

    from tests.support.databases import Postgres
    from tests.support.servers import MinkProcess

there = asyncio.to_thread


class Example:
    """The shop of examples/order_summary: who orders, and a worker.

    Args:
        read_model_url: Where the read model goes.
    """

    def __init__(self, read_model_url: str) -> None:
        self.read_model_url = read_model_url
        self._workers: list[Started] = []

    def _type(self, words: str, server: MinkProcess) -> Started:
        variables = {name: server.env[name] for name in ("PATH", "HOME")}
        return Started(words, ROOT, variables | {"MINK_SERVER": server.grpc_address, "READ_MODEL_URL": self.read_model_url})

    def work(self, server: MinkProcess) -> None:
        """Starts a worker."""
        words = f"exec {VENV}/bin/mink worker run examples.order_summary.projection:OrderSummary --http-listen off"
        self._workers.append(self._type(words, server))

    def stop(self) -> None:
        """Ends the workers."""
        for worker in self._workers:
            worker.end()

    def run(self, program: str, server: MinkProcess) -> str:
        """Runs one of the example's programs; answers with what it printed."""
        typed = self._type(f"exec {VENV}/bin/python examples/order_summary/{program}", server)
        try:
            typed.wait()
            return typed.output
        finally:
            typed.end()

    async def until(self, client: Mink, state: ProjectionState) -> Projection:
        """Waits until the projection is in a state; if that is `running`, until it has handled all as well."""
        end = time.monotonic() + PATIENCE
        while True:
            found = {each.name: each for each in await client.projections.list()}.get("OrderSummary")
            if found is not None and found.state is state and (state is not ProjectionState.RUNNING or not found.lag_events):
                return found
            assert time.monotonic() < end, (found, [worker.output for worker in self._workers])
            await asyncio.sleep(0.05)


@pytest.fixture
def example(postgres: Postgres) -> Iterator[Example]:
    """The example, with a database for its read model."""
    name = f"{postgres.new_schema()}_read_model"
    postgres.execute(f"create database {name}")
    made = Example(postgres.dsn.replace("/mink?", f"/{name}?"))
    yield made
    made.stop()
    postgres.execute(f"drop database if exists {name} with (force)")


async def test_a_read_model_that_is_lost_is_built_anew(
    postgres: Postgres, start_server: Callable[..., MinkProcess], example: Example
) -> None:
    assert postgres.embedded is not None
    server = await there(start_server)
    operator = Operator(postgres.embedded.bin_dir, MINK_SERVER=server.grpc_address, READ_MODEL_URL=example.read_model_url)
    await there(example.run, "orders.py --count 200", server)
    example.work(server)
    async with Mink(server.grpc_address) as client:
        await example.until(client, ProjectionState.RUNNING)
        before = await operator.run("read-model-look")
        assert re.search(r"shipped +\| +\d+", before)

        database = re.search(r"/(\w+)\?", example.read_model_url).group(1)
        await there(postgres.execute, f"drop database {database} with (force)")
        await there(example.run, "orders.py --count 5", server)
        assert (await operator.run("read-model-pause")).startswith("Paused OrderSummary")
        await there(postgres.execute, f"create database {database}")
        await operator.run("read-model-rebuild")
        await example.until(client, ProjectionState.RUNNING)
        assert "They are the same." in await there(example.run, "check.py", server)
        assert re.search(r"shipped +\| +\d+", await operator.run("read-model-look"))

        # Nobody does anything but mend the database.
        await client.projections.pause("OrderSummary")
        await there(postgres.execute, f"drop database {database} with (force)")
        await there(postgres.execute, f"create database {database}")
        await client.projections.resume("OrderSummary")
        await example.until(client, ProjectionState.RUNNING)
        assert "They are the same." in await there(example.run, "check.py", server)


@pytest.mark.thorough
async def test_a_read_model_that_is_ahead_of_a_restored_log_says_so_and_is_built_anew(
    postgres: Postgres, empty_database: str, serve: Callable[..., MinkProcess], folder: Path, example: Example
) -> None:
    assert postgres.embedded is not None
    schema = postgres.new_schema()
    operator = Operator(
        postgres.embedded.bin_dir,
        DATABASE_URL=postgres.dsn,
        DATABASE_SCHEMA=schema,
        RESTORED_URL=empty_database,
        BACKUP=folder,
    )
    try:
        first = await there(serve, DATABASE_URL=postgres.dsn, DATABASE_SCHEMA=schema, MINK_MIGRATE="true")
        example.work(first)
        await there(example.run, "orders.py --count 20", first)
        async with Mink(first.grpc_address) as client:
            await example.until(client, ProjectionState.RUNNING)
            await operator.run("dump")
            await there(example.run, "orders.py --count 20", first)
            # Leases that the dump does not know.
            await client.projections.restart("OrderSummary")
            await example.until(client, ProjectionState.RUNNING)
        example.stop()
        first.stop()
        await operator.run("dump-restore")
        await operator.run("identity")

        second = await there(serve, DATABASE_URL=empty_database, DATABASE_SCHEMA=schema)
        operator.variables["MINK_SERVER"] = second.grpc_address
        # Beyond where the read model is: by the position alone nobody could tell.
        await there(example.run, "orders.py --count 100", second)
        example.work(second)
        async with Mink(second.grpc_address) as client:
            faulted = await example.until(client, ProjectionState.FAULTED)
            assert faulted.last_error is not None
            assert faulted.last_error.message.startswith("POSITION_AHEAD")
            assert "They differ" in await there(example.run, "check.py", second)
            assert "faulted" in await operator.run("rebuild-ahead")
            await example.until(client, ProjectionState.RUNNING)
            assert "They are the same." in await there(example.run, "check.py", second)
    finally:
        postgres.drop(schema)
