"""The database restored from an older dump, or replaced by a fresh one: subscribers are told, and nobody waits in silence."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import asyncpg
import grpc
import pytest
from mink_client import ANY, Mink, NewEvent, PositionAhead
from mink_client.errors import from_rpc
from mink_server.storage.database import Database
from mink_server.storage.migrations import Migrations

from tests.reliability.load import messages, read_log
from tests.support.history import Seen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.databases import Postgres
    from tests.support.servers import MinkProcess

# Seconds within which a subscriber that is live learns that its log was replaced under the running server. The server looks at
# the database every 5 s.
NOTICED = 10.0
# Seconds within which a call that asks from beyond the head is refused.
REFUSED = 3.0
# Events in the dump, and in the log when it is lost.
OLD, NEW = 200, 500

LONG = pytest.mark.reliability
WAYS = pytest.mark.parametrize("way", ["restored", pytest.param("fresh", marks=LONG)])
WHEN = pytest.mark.parametrize(
    "running", [pytest.param(True, id="server-runs"), pytest.param(False, id="server-restarts", marks=LONG)]
)


class Site:
    """A server with a log of `NEW` events, and a dump from when it had `OLD`."""

    def __init__(self, server: MinkProcess, postgres: Postgres, folder: Path) -> None:
        assert postgres.embedded is not None
        self.server = server
        self.schema = server.env["DATABASE_SCHEMA"]
        self.head = 0
        self._postgres = postgres
        self._bin = postgres.embedded.bin_dir
        self._dump = folder / "dump.sql"

    async def _run(self, program: str, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            self._bin / program, *arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        async with asyncio.timeout(30):
            output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()

    async def fill(self, client: Mink) -> None:
        await self.append(client, OLD)
        await self._run("pg_dump", "-d", self._postgres.dsn, "-n", self.schema, "-f", str(self._dump))
        await self.append(client, NEW - OLD)
        assert self.head == NEW

    async def append(self, client: Mink, count: int) -> None:
        for _ in range(count // 50):
            done = await client.append("S", [NewEvent("Happened", {}) for _ in range(50)], expected=ANY)
            self.head = done.last_position

    async def replace(self, way: str) -> None:
        """Puts the dump, or a new log, into the place of the log."""
        if way == "restored":
            drop = f"drop schema {self.schema} cascade"
            options = ("-X", "-q", "-1", "-v", "ON_ERROR_STOP=1")
            await self._run("psql", "-d", self._postgres.dsn, *options, "-c", drop, "-f", str(self._dump))
            return
        connection = await asyncpg.connect(self._postgres.dsn)
        await connection.execute(f"drop schema {self.schema} cascade")
        await connection.close()
        database = Database(self._postgres.dsn, pool_size=1)
        await database.open()
        await Migrations(database, self.schema).up()
        await database.close()

    async def replace_and_start(self, way: str, *, running: bool) -> None:
        """The same with the server up, or down meanwhile."""
        if running:
            await self.replace(way)
            return
        self.server.terminate()
        assert await asyncio.to_thread(self.server.wait, 20) == 0
        await self.replace(way)
        await asyncio.to_thread(self.server.start)


@pytest.fixture
def site(start_server: Callable[..., MinkProcess], postgres: Postgres, tmp_path: Path) -> Site:
    return Site(start_server(), postgres, tmp_path)


class Follower:
    """A subscriber that is live when the log is replaced: the client library's, or a stub that asks again as one has to."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.task: asyncio.Task[None]

    async def client(self, client: Mink) -> None:
        async with client.subscribe_all() as events:
            async for event in events:
                self.seen.append(Seen.of(event))

    async def stub(self, address: str) -> None:
        position, log_id = 0, ""
        while True:
            stream = messages(address, after=position, log_id=log_id)
            try:
                async for message in stream:
                    kind = message.WhichOneof("message")
                    position = getattr(message, kind).position
                    if kind == "checkpoint":
                        log_id = message.checkpoint.log_id
                    elif kind == "events":
                        self.seen.extend(map(Seen.of, message.events.events))
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise from_rpc(error, address) from error
            finally:
                await stream.aclose()
            await asyncio.sleep(0.05)

    async def reach(self, position: int) -> None:
        async with asyncio.timeout(10):
            while not self.seen or self.seen[-1].position < position:
                assert not self.task.done(), self.task.result()
                await asyncio.sleep(0.01)

    async def told(self, seconds: float) -> PositionAhead:
        """Waits until it is told that the log is another one."""
        done, _ = await asyncio.wait([self.task], timeout=seconds)
        assert done, f"a live subscriber was not told within {seconds} s that its log was replaced"
        error = self.task.exception()
        assert isinstance(error, PositionAhead), error
        return error


async def two_followers(stack: AsyncExitStack, client: Mink, address: str) -> list[Follower]:
    followers = [Follower(), Follower()]
    for follower, work in zip(followers, (followers[0].client(client), followers[1].stub(address)), strict=True):
        follower.task = asyncio.create_task(work)
        stack.push_async_callback(ended, follower.task)
    return followers


async def ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@WAYS
@WHEN
async def test_a_subscriber_from_beyond_the_head_is_told_at_once(site: Site, way: str, running: bool) -> None:
    async with Mink(site.server.grpc_address) as client:
        await site.fill(client)
        await site.replace_and_start(way, running=running)
        head = OLD if way == "restored" else 0
        for after in (NEW, head + 1):
            async with client.subscribe_all(after=after) as events:
                with pytest.raises(PositionAhead) as caught:
                    async with asyncio.timeout(REFUSED):
                        await anext(aiter(events))
                assert (caught.value.position, caught.value.head) == (after, head)
            with pytest.raises(PositionAhead):
                async with asyncio.timeout(REFUSED):
                    await anext(aiter(client.read_all(after=after)))
            with pytest.raises(grpc.aio.AioRpcError) as raw:
                async with asyncio.timeout(REFUSED):
                    await anext(messages(site.server.grpc_address, after=after))
            assert raw.value.code() is grpc.StatusCode.OUT_OF_RANGE


@WAYS
@WHEN
async def test_a_subscriber_that_was_live_is_told(site: Site, way: str, running: bool) -> None:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Mink(site.server.grpc_address))
        followers = await two_followers(stack, client, site.server.grpc_address)
        await site.fill(client)
        for follower in followers:
            await follower.reach(NEW)
        await site.replace_and_start(way, running=running)
        for error in await asyncio.gather(*(follower.told(NOTICED) for follower in followers)):
            assert error.head == (OLD if way == "restored" else 0)
        for follower in followers:
            assert [event.position for event in follower.seen] == list(range(1, NEW + 1))


@WAYS
@pytest.mark.parametrize(
    "more", [pytest.param(50, id="below-the-old-head", marks=LONG), pytest.param(600, id="beyond-the-old-head")]
)
async def test_a_live_subscriber_does_not_go_on_in_the_other_log(site: Site, way: str, more: int) -> None:
    """Somebody appends right after the restore: what is live must be told, and not go on with a hole behind it."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Mink(site.server.grpc_address))
        followers = await two_followers(stack, client, site.server.grpc_address)
        await site.fill(client)
        for follower in followers:
            await follower.reach(NEW)
        before = list(followers[0].seen)
        await site.replace_and_start(way, running=True)
        await site.append(client, more)
        await asyncio.gather(*(follower.told(NOTICED) for follower in followers))
        for follower in followers:
            assert follower.seen == before, "events of the other log were delivered behind those of the first"


@WAYS
async def test_a_new_subscriber_gets_what_is_in_the_log_now(site: Site, way: str) -> None:
    """Whoever begins anew after the restore gets the restored log, and nothing of the lost one out of the server's memory."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Mink(site.server.grpc_address))
        await site.fill(client)
        await site.replace_and_start(way, running=True)
        (follower, _) = await two_followers(stack, client, site.server.grpc_address)
        await asyncio.sleep(0.5)
        await site.append(client, 100)
        log = await read_log(client)
        assert len(log) == (OLD if way == "restored" else 0) + 100
        if follower.task.done() or follower.seen[-1:] != log[-1:]:
            await asyncio.wait([follower.task], timeout=NOTICED)  # it may be told, and then begins once more
        if follower.task.done():
            assert isinstance(follower.task.exception(), PositionAhead)
            (follower, _) = await two_followers(stack, client, site.server.grpc_address)
        await follower.reach(len(log))
        assert [event for event in follower.seen if event not in log] == [], "events that are not in the log were delivered"
        assert follower.seen == log
