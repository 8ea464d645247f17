"""Mink: its server as a process (`python -m mink_server` is `mink serve`), and `mink_client`, all callers on one uvloop."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

from mink_client import ANY, NO_STREAM, Mink, NewEvent

from bench import work
from bench.drivers.tasks import TaskClient
from bench.peers.base import Host, Place
from bench.processes import free_port, running, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

SUBSCRIBER_CHANNELS = 4


@contextmanager
def server(host: Host, name: str) -> Iterator[Place]:
    """A server on free ports, on a database of its own."""
    grpc, http, metrics = free_port(), free_port(), free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MINK_", "DATABASE_", "OTEL_"))} | {
        "DATABASE_URL": host.postgres.database(f"mink-{name}"),
        "MINK_LISTEN": f"127.0.0.1:{grpc}",
        "MINK_HTTP_LISTEN": f"127.0.0.1:{http}",
        "MINK_METRICS_LISTEN": f"127.0.0.1:{metrics}",
    }
    command = [sys.executable, "-m", "mink_server", "--migrate"]
    with running(command, env=environment, stdout=host.log, stderr=host.log) as process:
        wait_until(lambda: _ready(http), process, what="Mink")
        yield Place(f"127.0.0.1:{grpc}", {"server": process.pid, "postgres": host.postgres.pid})


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


class MinkClient(TaskClient):
    """Payloads are JSON text already (`NewEvent.raw_json`), as the other systems get bytes."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._run(self._connect(address), 30)

    async def _connect(self, address: str) -> None:
        self._mink = Mink(address)
        await self._mink.__aenter__()
        self._followers: list[Mink] = []
        self._address = address

    @staticmethod
    def _event(data: bytes) -> NewEvent:
        return NewEvent.raw_json(work.EVENT_TYPE, data.decode())

    async def append_one(self, stream: str, data: bytes) -> int:
        done = await self._mink.append(stream, [self._event(data)], expected=NO_STREAM)
        return int(done.last_position)

    async def append_many(self, stream: str, data: list[bytes]) -> None:
        await self._mink.append(stream, [self._event(each) for each in data], expected=ANY)

    async def read_all(self, kind: str, total: int) -> int:
        count = 0
        if kind == "subscription":
            async with self._mink.subscribe_all(after=0) as events, aclosing(events.batches()) as batches:
                async for batch in batches:
                    count += len(batch)
                    if count >= total:
                        break
        elif kind == "batches":
            async for batch in self._mink.read_all_batches(after=0):
                count += len(batch)
        else:
            async for event in self._mink.read_all(after=0):
                _ = event.position, event.type, event.stream, event.text
                count += 1
        return count

    async def read_stream(self, stream: str) -> int:
        count = 0
        async for event in self._mink.read_stream(stream):
            _ = event.position, event.type, event.stream, event.text
            count += 1
        return count

    async def subscribe(self, after: int, index: int) -> AsyncIterator[bytes]:
        """Subscribers share a few channels: one HTTP/2 connection would let them wait for each other."""
        while len(self._followers) <= index % SUBSCRIBER_CHANNELS:
            self._followers.append(await Mink(self._address).__aenter__())
        async with self._followers[index % SUBSCRIBER_CHANNELS].subscribe_all(after=after) as events:
            async for event in events:
                yield event.data

    async def aclose(self) -> None:
        for follower in self._followers:
            await follower.__aexit__(None, None, None)
        await self._mink.__aexit__(None, None, None)


def client(address: str, system: str) -> MinkClient:  # noqa: ARG001
    """A client of that server."""
    return MinkClient(address)
