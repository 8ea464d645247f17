"""The shop's page: what the read model says, and how far it is behind. On this machine only.

Run it with `python examples/order_summary/page.py`; READ_MODEL_URL says where the read model is, MINK_SERVER where Mink is.
"""

from __future__ import annotations

import argparse
import os
import socket
from contextlib import asynccontextmanager
from html import escape
from typing import TYPE_CHECKING

import asyncpg
import uvicorn
from mink_client import Mink, MinkError
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from starlette.requests import Request

TOTALS = """
    select status, count(*) as orders, sum(items) as items, sum(cents) as cents, sum(paid_cents) as paid
    from order_summary.orders group by status order by status
"""
NEWEST = """
    select stream, customer, status, items, cents, placed_at
    from order_summary.orders order by placed_at desc, stream limit 10
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>Orders</title>
<style>body {{ font: 16px sans-serif; margin: 2em }} td, th {{ padding: .2em 1em; text-align: left }}</style>
</head>
<body>
<h1>Orders</h1>
<p id="projection">{projection}</p>
<h2>Totals</h2>
{totals}
<h2>Newest</h2>
{newest}
</body>
</html>
"""


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Rows as HTML; whatever stands in an event is text, and never markup."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def money(cents: int) -> str:
    """Cents as people write them."""
    return f"{cents / 100:,.2f}"


async def how_far(mink: Mink) -> str:
    """What Mink says about the projection."""
    try:
        found = await mink.projections.get("OrderSummary", timeout=2)
    except MinkError as error:
        return f"How far the projection is, is not known: {error}"
    holders = {partition.worker for partition in found.live.partitions if partition.worker}
    return (
        f"OrderSummary is {found.state}, {found.lag_events} events behind ({found.lag.total_seconds():.1f} s), "
        f"made by {len(holders)} of {len(found.workers)} workers; {found.parked_events} events are parked."
    )


async def page(request: Request) -> HTMLResponse:
    """The page, as things are now."""
    try:
        async with request.app.state.database.acquire() as connection, connection.transaction(readonly=True):
            totals, newest = await connection.fetch(TOTALS), await connection.fetch(NEWEST)
    except asyncpg.UndefinedTableError:
        totals, newest = [], []  # no worker has made it yet
    text = PAGE.format(
        projection=escape(await how_far(request.app.state.mink)),
        totals=table(
            ("Status", "Orders", "Items", "Worth", "Paid"),
            [(row["status"], row["orders"], row["items"], money(row["cents"]), money(row["paid"])) for row in totals],
        ),
        newest=table(
            ("Order", "Customer", "Status", "Items", "Worth", "Placed"),
            [(*row[:4], money(row["cents"]), f"{row['placed_at']:%Y-%m-%d %H:%M:%S}") for row in newest],
        ),
    )
    return HTMLResponse(text)


@asynccontextmanager
async def connections(app: Starlette) -> AsyncIterator[None]:
    """Mink, and a few connections to the read model."""
    async with Mink() as mink, asyncpg.create_pool(os.environ["READ_MODEL_URL"], min_size=0, max_size=4) as database:
        app.state.mink, app.state.database = mink, database
        yield


app = Starlette(routes=[Route("/", page)], lifespan=connections)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Shows the shop's orders.")
    parser.add_argument(
        "--port", type=int, default=int(os.environ.get("PAGE_PORT", "8000")), help="0: a free one (PAGE_PORT, 8000)"
    )
    if "READ_MODEL_URL" not in os.environ:
        parser.error("READ_MODEL_URL is not set; README.md says how")
    listening = socket.create_server(("127.0.0.1", parser.parse_args().port))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
