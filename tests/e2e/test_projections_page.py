"""The first projection of docs/projections.md, saved and run as the page says."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from mink_client import ANY, Mink, NewEvent, ProjectionState

from tests.support.pages import Reader, blocks, typed_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess

PAGE = Path(__file__).parents[2] / "docs" / "projections.md"
PATIENCE = 60

there = asyncio.to_thread


def test_each_block_of_commands_on_the_page_is_typed() -> None:
    assert PAGE.read_text().count("```sh\n") == len(blocks(PAGE))
    assert set(blocks(PAGE)) == typed_in(__file__)


async def running(mink: Mink, position: int) -> None:
    """Waits until the projection has handled everything up to a position."""
    end = time.monotonic() + PATIENCE
    while True:
        found = {each.name: each for each in await mink.projections.list()}.get("OrderCount")
        if found is not None and found.state is ProjectionState.RUNNING and found.checkpoint >= position:
            return
        assert time.monotonic() < end, found
        await asyncio.sleep(0.05)


async def test_the_first_projection_counts_and_goes_on(start_server: Callable[..., MinkProcess], tmp_path: Path) -> None:
    (code,) = re.findall(r"Save this as `order_count.py`:\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "order_count.py").write_text(code)
    server = await there(start_server)
    reader = Reader(PAGE, tmp_path, MINK_SERVER=server.grpc_address, MINK_WORKER_HTTP_LISTEN="127.0.0.1:0")

    def counts() -> dict[str, int]:
        with closing(sqlite3.connect(tmp_path / "order_count.sqlite")) as database:
            return dict(database.execute("select customer, placed from orders"))

    try:
        async with Mink(server.grpc_address) as mink:
            worker = reader.start("first")
            await running(mink, 0)
            assert "OrderCount" in await there(reader.run, "look")
            await running(mink, 1)
            assert counts() == {"Ada": 1}
            await there(worker.interrupt)
            await mink.append("Order-77", [NewEvent("OrderPlaced", {"customer": "Ada"}), NewEvent("OrderPaid", {})], expected=ANY)
            done = await mink.append("Order-78", [NewEvent("OrderPlaced", {})], expected=ANY)
            reader.start("first")
            await running(mink, done.last_position)
            assert counts() == {"Ada": 2, "unknown": 1}
            with closing(sqlite3.connect(tmp_path / "order_count.sqlite")) as database, database:
                database.execute("update orders set placed = 7")
            await mink.projections.rebuild("OrderCount")
            await running(mink, done.last_position)
            assert counts() == {"Ada": 2, "unknown": 1}
    finally:
        reader.close()
