"""Calls that reach their age, again and again, under load: clients begin anew by themselves; every event comes once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reliability.load import Workload, lasting, values

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess


@lasting(5, 60)
async def test_calls_that_reach_their_age(start_server: Callable[..., MinkProcess], seconds: float) -> None:
    server = start_server(MINK_MAX_CONNECTION_AGE="1")
    async with Workload(server.grpc_address) as work:
        await work.run(seconds)
        await work.progress()
        await work.finish("calls that reach their age")
        found = await values(server)
    for method in ("AppendSession", "SubscribeAll"):
        ended = sum(
            value
            for name, value in found.items()
            if name.startswith("grpc_server_handled_total") and method in name and "Unavailable" in name
        )
        assert ended >= seconds / 2, f"{method} was to begin anew about each second, and did so {ended:.0f} times in {seconds} s"
