"""Workers against a real server and a read model in a real Postgres."""

import asyncio
import uuid
from contextlib import asynccontextmanager

import asyncpg
import pytest
from mink_client import ANY, Mink, NewEvent
from mink_client.projections import Postgres, Projection, handles_batch
from mink_client.worker import Worker


@pytest.fixture
async def model(postgres):
    """A read model that has each position once, and a connection that looks at it."""
    schema = postgres.new_schema()
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f'create schema if not exists "{schema}"')
    await connection.execute(f'create table "{schema}".seen (position bigint primary key, partition int)')

    category = f"Order{uuid.uuid4().hex[:8]}"

    class Model:
        def new_stream(self, number: int) -> str:
            return f"{category}-{number}"

        def projection(self, partitions: int = 1) -> type[Projection]:
            class Orders(Projection):
                name = f"Orders-{uuid.uuid4().hex[:8]}"
                categories = (category,)
                target = Postgres(postgres.dsn, schema=schema)

                @handles_batch
                async def batch(self, events, tx):
                    await tx.executemany("insert into seen values ($1)", [(event.position,) for event in events])

            Orders.partitions = partitions
            return Orders

        async def positions(self) -> list[int]:
            return [row[0] for row in await connection.fetch(f'select position from "{schema}".seen order by position')]

    yield Model()
    await connection.close()
    postgres.drop(schema)


@asynccontextmanager
async def appending(model, address, count=300):
    """Appends events all the while; gives the positions at the end."""
    async with Mink(address) as mink:
        positions = []

        async def append():
            for number in range(count):
                events = [NewEvent("OrderPlaced", {"n": number})]
                done = await mink.append(model.new_stream(number % 17), events, expected=ANY, timeout=60)
                positions.append(done.first_position)

        task = asyncio.create_task(append())
        try:
            yield positions
        finally:
            await task


async def until_equal(model, positions, seconds=60):
    async with asyncio.timeout(seconds):
        while await model.positions() != sorted(positions):  # noqa: ASYNC110 - it is asked
            await asyncio.sleep(0.05)


async def test_every_event_is_in_the_read_model_once(server, model, eventually):
    async with Worker(server.grpc_address, [model.projection(4)]) as worker:
        async with appending(model, server.grpc_address) as positions:
            pass
        await until_equal(model, positions)
        assert len(worker.status[0].held) == 4
        await eventually(lambda: worker.status[0].events == len(positions))  # counted after the commit


async def test_partitions_are_shared_with_a_worker_that_comes_and_are_taken_over_from_one_that_goes(server, model, eventually):
    projection = model.projection(4)
    async with Worker(server.grpc_address, [projection]) as first, appending(model, server.grpc_address) as positions:
        await eventually(lambda: len(first.status[0].held) == 4)
        async with Worker(server.grpc_address, [projection]) as second:
            await eventually(lambda: len(first.status[0].held) == len(second.status[0].held) == 2, 60)
        await eventually(lambda: len(first.status[0].held) == 4, 60)
    async with Worker(server.grpc_address, [projection]):
        await until_equal(model, positions)


async def test_a_server_that_stops_and_comes_back_is_found_again(start_server, model, eventually):
    server = start_server()
    async with Worker(server.grpc_address, [model.projection(2)]) as worker:
        async with appending(model, server.grpc_address, 50) as first:
            pass
        server.terminate()
        await asyncio.to_thread(server.wait)
        await eventually(lambda: not worker.status[0].connected)
        await asyncio.to_thread(server.start)
        async with appending(model, server.grpc_address, 50) as second:
            pass
        await until_equal(model, first + second)


async def test_an_operator_pauses_and_resumes_a_worker(server, model, eventually):
    projection = model.projection()
    async with Mink(server.grpc_address) as mink, Worker(server.grpc_address, [projection]) as worker:
        await eventually(lambda: worker.status[0].held)
        await mink.projections.pause(projection.name)
        assert not worker.status[0].held
        async with appending(model, server.grpc_address, 20) as positions:
            pass
        assert await model.positions() == []
        await mink.projections.resume(projection.name)
        await until_equal(model, positions)
