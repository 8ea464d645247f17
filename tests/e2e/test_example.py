"""What examples/order_summary tells a newcomer to type is typed here, and does what the page says."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from mink_client import Mink, ProjectionState
from mink_server.storage.embedded_user import install_dir, wheel_package

from tests.support.pages import ROOT, VENV, Reader, Started, blocks, typed_in
from tests.support.servers import MinkProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mink_client.projection_status import Projection

PAGE = ROOT / "examples" / "order_summary" / "README.md"
# Seconds that anything may take that is waited for.
PATIENCE = 60

pytestmark = pytest.mark.timeout(240)
there = asyncio.to_thread


class Shop:
    """A newcomer in the folder of a checkout, with `make run` in another terminal."""

    def __init__(self, folder: Path) -> None:
        for name, target in ((".venv", VENV), ("examples", ROOT / "examples")):
            (folder / name).symlink_to(target)
        self.mink = MinkProcess(MINK_DATA_DIR=str(folder / ".mink")).start()
        self.reader = Reader(PAGE, folder, first=("where",), MINK_SERVER=self.mink.grpc_address, PAGE_PORT=0)
        programs = install_dir(wheel_package(), 18) / "bin"
        self.reader.variables["PATH"] = f"{programs}:{os.environ['PATH']}"
        self.read_model_url = f"postgresql://mink@/mink?host={folder}/.mink/run&port=5432"
        self.workers: list[Started] = []

    def close(self) -> None:
        """Ends everything."""
        self.reader.close()
        self.mink.stop()

    def work(self) -> None:
        """Starts workers until there are two."""
        self.workers = [worker for worker in self.workers if worker.running]
        while len(self.workers) < 2:
            self.workers.append(self.reader.start("worker"))

    async def until(self, what: Callable[[Projection], bool]) -> Projection:
        """Waits until the projection is as it should be."""
        end = time.monotonic() + PATIENCE
        async with Mink(self.mink.grpc_address) as mink:
            while True:
                found = {each.name: each for each in await mink.projections.list()}.get("OrderSummary")
                if found is not None and what(found):
                    return found
                assert time.monotonic() < end, (found, [worker.output for worker in self.workers])
                await asyncio.sleep(0.05)

    async def settled(self, workers: int = 2) -> Projection:
        """Waits until so many workers share the projection, and have handled everything that is in the log."""
        return await self.until(
            lambda found: (
                found.state is ProjectionState.RUNNING
                and len(holders(found)) == workers == len(found.workers)
                and found.rebuild is None
                and found.checkpoint == found.head > 0
            )
        )

    async def is_right(self) -> None:
        """The read model's sums are those of the log."""
        assert "They are the same." in await there(self.reader.run, "check")

    async def execute(self, sql: str) -> None:
        """Does something to the read model."""
        connection = await asyncpg.connect(self.read_model_url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()


def holders(found: Projection) -> set[str]:
    """The workers that hold partitions."""
    return {partition.worker for partition in found.live.partitions if partition.worker}


@pytest.fixture(scope="module")
def opened() -> Iterator[Shop]:
    """The shop, with some thousand events."""
    with tempfile.TemporaryDirectory(prefix="mink-test-") as folder:
        Path(folder).chmod(0o755)
        shop = Shop(Path(folder))
        try:
            printed = shop.reader.run("orders")
            assert re.match(r"2000 orders, \d{4,5} events", printed)
            yield shop
        finally:
            shop.close()


@pytest.fixture
async def shop(opened: Shop) -> Shop:
    """The shop, with two workers that have handled all."""
    opened.work()
    await opened.settled()
    return opened


def test_each_block_of_commands_on_the_page_is_typed() -> None:
    assert PAGE.read_text().count("```sh\n") == len(blocks(PAGE))
    assert set(blocks(PAGE)) == typed_in(__file__) | {"where"}


def test_the_page_says_what_the_server_prints(opened: Shop) -> None:
    printed = re.search(r"Postgres (postgresql://\S+)", opened.mink.output)
    assert printed is not None
    assert printed.group(1) == opened.read_model_url


def test_with_a_database_of_ones_own_its_url_is_not_printed(start_server: Callable[..., MinkProcess]) -> None:
    assert "postgresql://" not in start_server().output


async def test_two_workers_share_the_orders_and_lose_none(shop: Shop) -> None:
    found = await shop.settled()
    assert all(partition.events > 1000 for partition in found.live.partitions)
    assert "running" in await there(shop.reader.run, "status")
    assert re.search(r"shipped +\| +\d+ +\| +\d+\.\d\d\n", await there(shop.reader.run, "query"))
    await shop.is_right()


async def test_the_check_finds_what_is_wrong(shop: Shop) -> None:
    wrong = "update order_summary.orders set items = items {} where stream = (select min(stream) from order_summary.orders)"
    await shop.execute(wrong.format("+ 1"))
    try:
        assert "They differ" in await there(shop.reader.run, "check", code=1)
    finally:
        await shop.execute(wrong.format("- 1"))
    await shop.is_right()


async def test_the_page_shows_totals_newest_orders_and_how_far_it_is(shop: Shop) -> None:
    page = shop.reader.start("page")
    address = await there(page.find, r"(http://127\.0\.0\.1:\d+/)")
    await shop.execute("update order_summary.orders set customer = '<b>' || customer where stream ~ '^Order-'")
    text = await there(lambda: urllib.request.urlopen(address, timeout=10).read().decode())
    assert "OrderSummary is running, 0 events behind (0.0 s), made by 2 of 2 workers; 0 events are parked." in text
    assert re.search(r"<td>shipped</td><td>\d{3,4}</td>", text)
    assert "<td>&lt;b&gt;" in text
    await there(page.interrupt)


async def test_a_worker_that_is_killed_costs_nothing(shop: Shop) -> None:
    coming = shop.reader.start("orders", put=("--count 2000", "--count 400 --rate 100"))
    before = await shop.until(lambda found: found.events_per_second > 0 and len(holders(found)) == 2)
    victim = min(holders(before))
    shop.reader.variables["PID"] = victim.rpartition(":")[2]
    await there(shop.reader.run, "kill")
    await shop.until(lambda found: holders(found) == holders(before) - {victim} and all(p.worker for p in found.live.partitions))
    assert await there(coming.wait) == 0
    await shop.settled(workers=1)
    await shop.is_right()
    shop.work()
    await shop.settled()


async def test_a_pause_holds_until_it_is_ended(shop: Shop) -> None:
    assert "acknowledged" in await there(shop.reader.run, "pause")
    before = await shop.until(lambda found: found.state is ProjectionState.PAUSED)
    await there(shop.reader.run, "orders", put=("2000", "50"))
    after = await shop.until(lambda found: found.lag_events > 100)
    assert (after.checkpoint, after.state) == (before.checkpoint, ProjectionState.PAUSED)
    assert "They differ" in await there(shop.reader.run, "check", code=1)
    await there(shop.reader.run, "resume")
    await shop.settled()
    await shop.is_right()


async def test_a_rebuild_makes_it_anew(shop: Shop) -> None:
    await shop.execute("delete from order_summary.orders where status = 'paid'")
    await there(shop.reader.run, "rebuild")
    await shop.settled()
    await shop.is_right()


async def test_an_event_that_nobody_can_handle_is_parked_and_replayed(shop: Shop) -> None:
    await there(shop.reader.run, "poison")
    await shop.until(lambda found: found.parked_events == 1)
    parked = await there(shop.reader.run, "parked")
    assert "Order-lost" in parked
    assert "the order was never placed" in parked
    await shop.settled()
    await shop.is_right()
    assert "1 handled" in await there(shop.reader.run, "replay")
    assert (await shop.settled()).parked_events == 0
    await shop.is_right()


async def test_it_is_forgotten_and_made_again(shop: Shop) -> None:
    for worker in shop.workers:
        await there(worker.interrupt)
    assert "Deleted OrderSummary" in await there(shop.reader.run, "forget")
    shop.work()
    await shop.settled()
    await shop.is_right()
