"""What reaches a read model in Postgres when a lease ends in the middle of a transaction."""

import asyncio

import asyncpg
import pytest
from mink_client.projections import Postgres, Projection, handles

from tests.worker.conftest import NO_RESTART, ONCE


@pytest.fixture
async def model(postgres):
    """A schema for the read model, and a connection that looks at it."""
    schema = postgres.new_schema()
    connection = await asyncpg.connect(postgres.dsn)

    class Model:
        name = schema
        dsn = postgres.dsn

        async def rows(self) -> list[int]:
            found = await connection.fetch(f'select position from "{schema}".seen order by position')
            return [row[0] for row in found]

        async def checkpoint(self) -> int:
            return await connection.fetchval(f'select position from "{schema}".mink_checkpoints')

        async def supersede(self) -> None:
            await connection.execute(f'update "{schema}".mink_checkpoints set token = token + 1000')

    yield Model()
    await connection.close()
    postgres.drop(schema)


@pytest.fixture
def projection(model, recorder):
    """Its handler writes a row, and only then does what the recorder says."""

    class Orders(Projection):
        retry = ONCE
        restart = NO_RESTART
        target = Postgres(model.dsn, schema=model.name)

        async def setup(self, tx):
            await tx.execute("create table if not exists seen (position bigint primary key)")

        @handles("OrderPlaced")
        async def placed(self, event, tx):
            await tx.execute("insert into seen values ($1)", event.position)
            await recorder.handle(event)

    return Orders


async def started(scripted, number=1):
    session = await scripted.session(number)
    key = session.assign()
    start = await session.next("start")
    return session, key, start


async def held(scripted, recorder):
    """A worker in the middle of a transaction with event 2."""
    session, key, _ = await started(scripted)
    session.events(key, 1)
    await session.next("handled")
    recorder.holding = {2}
    session.events(key, 2, 3)
    await recorder.until(lambda: recorder.entered == [1, 2])
    return session, key


async def test_rows_and_checkpoint_are_committed_together(scripted, working, projection, model):
    async with working(projection):
        session, key, start = await started(scripted)
        assert start.after_position == 0
        session.events(key, 1, 2, position=5)
        assert (await session.next("handled")).position == 5
        assert (await model.rows(), await model.checkpoint()) == ([1, 2], 5)
        session.revoke(key)
        await session.next("released")
        session.assign(checkpoint=1)
        assert (await session.next("start")).after_position == 5


async def test_a_lost_lease_commits_nothing(scripted, working, projection, model, recorder):
    async with working(projection):
        session, key = await held(scripted, recorder)
        session.revoke(key, lost=True)
        await recorder.until(lambda: recorder.cancelled == [2])
        recorder.let_go()
        session.assign()
        assert (await session.next("start")).after_position == 1
        assert await model.rows() == [1]
        assert len(session.all("handled")) == 1


async def test_silence_commits_nothing(scripted, working, projection, model, recorder):
    scripted.lease = 2.0
    async with working(projection):
        session, _ = await held(scripted, recorder)
        session.beating = False
        scripted.lease = 30.0
        await recorder.until(lambda: recorder.cancelled == [2])
        recorder.let_go()
        _, _, start = await started(scripted, 2)
        assert start.after_position == 1
        assert await model.rows() == [1]


async def test_a_revoked_lease_commits_what_was_under_way(scripted, working, projection, model, recorder):
    async with working(projection):
        session, key = await held(scripted, recorder)
        session.revoke(key)
        recorder.let_go()
        assert (await session.next("handled")).position == 3
        await session.next("released")
        assert (await model.rows(), await model.checkpoint()) == ([1, 2, 3], 3)


async def test_a_drain_commits_what_is_under_way(scripted, working, projection, model, recorder):
    async with working(projection) as worker:
        await held(scripted, recorder)
        worker.stop()
        recorder.let_go()
        await asyncio.wait_for(worker.task, 20)
        assert await model.rows() == [1, 2, 3]


async def test_a_greater_token_in_the_read_model_wins(scripted, working, projection, model, recorder):
    async with working(projection):
        session, key, _ = await started(scripted)
        session.events(key, 1)
        await session.next("handled")
        await model.supersede()
        session.events(key, 2)
        faulted = await session.next("faulted")
        assert (faulted.lease, faulted.error.position) == (key, 0)
        assert "greater token" in faulted.error.message
        assert (await model.rows(), await model.checkpoint()) == ([1], 1)
