"""Does the read model say what the log says? Adds the log up once more, without the projection, and compares.

Run it with `python examples/order_summary/check.py`; it leaves with 1 if they differ.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter

import asyncpg
from mink_client import Mink

NAMES = {"OrderPlaced": "placed", "OrderPaid": "paid", "OrderShipped": "shipped", "OrderCancelled": "cancelled"}


async def of_the_log(mink: Mink) -> Counter[str]:
    """What the events come to. Those that are parked are in no read model until somebody has replayed them."""
    parked = {event.position async for event in mink.projections.parked("OrderSummary")}
    sums: Counter[str] = Counter()
    async for event in mink.read_all(after=0, categories=["Order"], types=[*NAMES, "ItemAdded"]):
        if event.position in parked:
            continue
        fact = event.json()
        if event.type == "ItemAdded":
            sums["items"] += fact["qty"]
            sums["cents"] += fact["qty"] * fact["cents"]
        elif event.type == "OrderPaid":
            sums["paid_cents"] += fact["cents"]
        if event.type in NAMES:
            sums[NAMES[event.type]] += 1
    return sums


async def of_the_read_model() -> Counter[str]:
    """What the rows come to."""
    connection = await asyncpg.connect(os.environ["READ_MODEL_URL"])
    try:
        row = await connection.fetchrow("""
            select count(*) as placed, sum(items) as items, sum(cents) as cents, sum(paid_cents) as paid_cents,
                count(*) filter (where paid_cents > 0) as paid, count(*) filter (where status = 'shipped') as shipped,
                count(*) filter (where status = 'cancelled') as cancelled
            from order_summary.orders
        """)
    finally:
        await connection.close()
    return Counter({name: int(value or 0) for name, value in (row or {}).items()})


async def main() -> bool:
    """Prints both, and answers with whether they are the same."""
    async with Mink() as mink:
        log, read_model = await of_the_log(mink), await of_the_read_model()
    print(f"{'':12}{'log':>14}{'read model':>14}")
    for name in sorted({*log, *read_model}):
        print(f"{name:12}{log[name]:>14}{read_model[name]:>14}")
    same = all(log[name] == read_model[name] for name in {*log, *read_model})
    print("They are the same." if same else "They differ: is the projection still behind? `mink projection status OrderSummary`")
    return same


if __name__ == "__main__":
    if "READ_MODEL_URL" not in os.environ:
        sys.exit("READ_MODEL_URL is not set; README.md says how")
    sys.exit(0 if asyncio.run(main()) else 1)
