"""UmaDB: its server from its wheel, with its own defaults (fsync on), and its own Python client.

The client blocks, is Rust below, and lets go of the GIL. One client shared by all threads was the fastest of what was tried (a
client a thread, and 2 or 4 processes, were the same or slower: one process and the server fill two cores with 64 callers).
"""

from __future__ import annotations

import sys
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umadb import AppendCondition, Client, Event, Query, QueryItem

from bench import work
from bench.drivers.threads import ThreadClient
from bench.peers.base import Host, Place
from bench.processes import free_port, running, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from umadb import Subscription


@contextmanager
def server(host: Host, name: str) -> Iterator[Place]:
    """`umadb` on a free port."""
    folder = host.folder / f"umadb-{name}"
    folder.mkdir(exist_ok=True)
    port = free_port()
    command = [str(Path(sys.executable).parent / "umadb"), "--listen", f"127.0.0.1:{port}", "--db-path", str(folder)]
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            Client(url).head()
        except (RuntimeError, OSError):
            return False
        return True

    with running(command, stdout=host.log, stderr=host.log) as process:
        wait_until(answers, process, what="UmaDB")
        yield Place(url, {"server": process.pid})


class UmaDBClient(ThreadClient):
    """NO_STREAM is a condition: fail if any event has the stream's tag. Events have ids, as Mink's have."""

    def __init__(self, address: str) -> None:
        self._client = Client(address)

    @staticmethod
    def _event(stream: str, data: bytes) -> Event:
        return Event(work.EVENT_TYPE, data, [stream], uuid=uuid.uuid4())

    def append_one(self, stream: str, data: bytes) -> int:
        condition = AppendCondition(Query([QueryItem(tags=[stream])]))
        return self._client.append([self._event(stream, data)], condition)

    def append_many(self, stream: str, data: list[bytes]) -> None:
        self._client.append([self._event(stream, each) for each in data])

    def read_all(self, kind: str, total: int) -> int:
        count = 0
        if kind == "subscription":
            subscription = self._client.subscribe()
            while count < total:
                count += len(subscription.next_batch())
            subscription.cancel()
        elif kind == "batches":
            response = self._client.read()
            while batch := response.next_batch():
                count += len(batch)
        else:
            for recorded in self._client.read():
                event = recorded.event
                _ = recorded.position, event.event_type, event.tags, event.data
                count += 1
        return count

    def read_stream(self, stream: str) -> int:
        count = 0
        for recorded in self._client.read(Query([QueryItem(tags=[stream])])):
            event = recorded.event
            _ = recorded.position, event.event_type, event.tags, event.data
            count += 1
        return count

    def subscribe(self, after: int) -> tuple[Iterator[bytes], Callable[[], None]]:
        subscription = self._client.subscribe(after=after)
        return self._payloads(subscription), subscription.cancel

    @staticmethod
    def _payloads(subscription: Subscription) -> Iterator[Any]:
        for recorded in subscription:
            yield recorded.event.data

    def close(self) -> None:
        self._client.close()


def client(address: str, system: str) -> UmaDBClient:  # noqa: ARG001
    """A client of that server."""
    return UmaDBClient(address)
