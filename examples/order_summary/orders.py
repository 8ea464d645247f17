"""Customers of a shop: appends orders, from the first item to the parcel.

Run it with `python examples/order_summary/orders.py --count 2000`; MINK_SERVER says where Mink is.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
import uuid

from mink_client import NO_STREAM, Mink, NewEvent

CUSTOMERS = ("Ada", "Barbara", "Edsger", "Grace", "Ken", "Leslie", "Radia", "Tony")
PRICES = {"cup": 650, "lamp": 4900, "notebook": 350, "pen": 120, "umbrella": 1990}
AT_ONCE = 50  # orders that are under way


async def order(mink: Mink) -> int:
    """One order, as it goes; answers with how many events that were."""
    stream = f"Order-{uuid.uuid4().hex[:12]}"
    basket = {sku: random.randint(1, 3) for sku in random.sample(sorted(PRICES), random.randint(1, 4))}
    events = [NewEvent("OrderPlaced", {"customer": random.choice(CUSTOMERS)})]
    events += [NewEvent("ItemAdded", {"sku": sku, "qty": qty, "cents": PRICES[sku]}) for sku, qty in basket.items()]
    done = await mink.append(stream, events, expected=NO_STREAM)

    fate = random.random()
    if fate < 0.1:
        later = [NewEvent("OrderCancelled", {"reason": "changed my mind"})]
    else:
        later = [NewEvent("OrderPaid", {"cents": sum(qty * PRICES[sku] for sku, qty in basket.items())})]
        if fate < 0.8:
            later.append(NewEvent("OrderShipped", {"carrier": "post"}))
    for event in later:
        # Nobody else has touched the order meanwhile: that is what the version says.
        done = await mink.append(stream, [event], expected=done.version)
    return done.version


async def main(count: int, rate: float) -> None:
    """Makes `count` orders, at most `rate` a second; 0: as fast as it goes."""
    places = asyncio.Semaphore(AT_ONCE)
    began = time.monotonic()

    async with Mink() as mink:

        async def make(number: int) -> int:
            async with places:
                if rate:
                    await asyncio.sleep(began + number / rate - time.monotonic())
                return await order(mink)

        events = sum(await asyncio.gather(*(make(number) for number in range(count))))
    seconds = time.monotonic() - began
    print(f"{count} orders, {events} events, {events / seconds:.0f} a second")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Appends orders of a shop.")
    parser.add_argument("--count", type=int, default=2000, help="how many orders (2000)")
    parser.add_argument("--rate", type=float, default=0, help="orders a second; 0: as fast as it goes (0)")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.count, arguments.rate))
