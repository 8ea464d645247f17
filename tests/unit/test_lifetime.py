"""How long calls without an end of their own live."""

from __future__ import annotations

from mink_server.core.errors import ShuttingDownError
from mink_server.rpc import lifetime
from mink_server.rpc.drain import Drain
from mink_server.rpc.lifetime import Lifetime


async def test_who_has_waited_for_the_end_finds_it_over_although_the_clock_is_behind(monkeypatch) -> None:
    life = Lifetime(Drain(), 0.01)
    await life.wait()
    monkeypatch.setattr(lifetime.time, "monotonic", lambda: 0.0)
    assert life.left > 0
    assert isinstance(life.over, ShuttingDownError)


async def test_it_ends_when_the_server_stops_and_not_before() -> None:
    drain = Drain()
    life = Lifetime(drain, 0)
    assert life.over is None
    drain.begin()
    await life.wait()
    assert isinstance(life.over, ShuttingDownError)
