"""What the Python client does in a while: one line of JSON. All callers share one client, on uvloop."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from contextlib import aclosing

import uvloop
from mink_client import NO_STREAM, Mink, NewEvent


async def append(server: str, callers: int, warmup: float, seconds: float, size: int) -> dict[str, float]:
    """So many callers append one event to a new stream each, again and again."""
    payload = bytes(size)
    times: list[float] = []
    begin = time.perf_counter() + warmup
    end = begin + seconds

    async def caller(mink: Mink) -> None:
        while (start := time.perf_counter()) < end:
            await mink.append(f"Bench-{uuid.uuid4()}", [NewEvent("Appended", payload)], expected=NO_STREAM)
            done = time.perf_counter()
            if begin <= done < end:
                times.append(done - start)

    async with Mink(server) as mink:
        await asyncio.gather(*(caller(mink) for _ in range(callers)))
    times.sort()
    p50, p99 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.99))
    return {"appends": len(times), "seconds": seconds, "p50_ms": p50, "p99_ms": p99}


async def catch_up(server: str, events: int) -> dict[str, float]:
    """Follows the log from the first event on, until so many have come."""
    count = size = last = 0
    async with Mink(server) as mink:
        start = time.perf_counter()
        async with mink.subscribe_all(after=0) as subscription, aclosing(subscription.batches()) as batches:
            async for batch in batches:
                for event in batch:
                    last, size = event.position, size + len(event.data)
                count += len(batch)
                if count >= events:
                    break
        seconds = time.perf_counter() - start
    if count < events or last < events or not size:
        raise SystemExit(f"{count} events up to position {last}, with {size} bytes")
    return {"events": count, "seconds": seconds}


def main() -> None:
    """Reads the command line and runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("append")
    one.add_argument("--callers", type=int, default=64)
    one.add_argument("--warmup", type=float, default=1.0)
    one.add_argument("--seconds", type=float, default=4.0)
    one.add_argument("--bytes", type=int, default=256)
    two = commands.add_parser("catch-up")
    two.add_argument("--events", type=int, required=True)
    for command in (one, two):
        command.add_argument("--server", required=True)
    chosen = parser.parse_args()
    if chosen.command == "append":
        work = append(chosen.server, chosen.callers, chosen.warmup, chosen.seconds, chosen.bytes)
    else:
        work = catch_up(chosen.server, chosen.events)
    print(json.dumps(uvloop.run(work)))


if __name__ == "__main__":
    main()
