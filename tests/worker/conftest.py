"""Workers against a scripted server, with projections whose handlers do what a test tells them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from mink_client.projections import Projection, RestartPolicy, RetryPolicy, handles
from mink_client.worker import Worker

from tests.worker.scripted import Scripted

NO_RESTART = RestartPolicy(attempts=0)
ONCE = RetryPolicy(attempts=1)


class Recorder:
    """What a handler did, and what it is to do."""

    def __init__(self) -> None:
        self.entered: list[int] = []
        self.handled: list[int] = []
        self.cancelled: list[int] = []
        self.failing: dict[int, BaseException] = {}
        self.holding: set[int] = set()
        self.stubborn = asyncio.Event()  # a handler that was cancelled ends only now
        self.stubborn.set()
        self._gate = asyncio.Event()
        self._news = asyncio.Condition()

    async def handle(self, event) -> None:
        await self._note(self.entered, event.position)
        try:
            if event.position in self.holding:
                await self._gate.wait()
            if event.position in self.failing:
                raise self.failing[event.position]
        except asyncio.CancelledError:
            await self.stubborn.wait()
            await self._note(self.cancelled, event.position)
            raise
        await self._note(self.handled, event.position)

    async def _note(self, where: list[int], position: int) -> None:
        where.append(position)
        async with self._news:
            self._news.notify_all()

    def let_go(self) -> None:
        self._gate.set()

    async def until(self, condition, timeout: float = 20.0) -> None:
        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(condition)

    def projection(self, name: str = "Orders", **attributes) -> type[Projection]:
        """A projection whose handler is this one."""

        async def placed(_self, event) -> None:
            await self.handle(event)

        body = {"categories": ["Order"], "retry": ONCE, "restart": NO_RESTART, **attributes}
        return type(name, (Projection,), {"placed": handles("OrderPlaced")(placed), **body})


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("SERVER", "TLS", "CA_FILE", "CLIENT_CERT_FILE", "CLIENT_KEY_FILE", "TOKEN", "TOKEN_FILE"):
        monkeypatch.delenv(f"MINK_{name}", raising=False)


@pytest.fixture
async def scripted():
    server = Scripted()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def recorder():
    recorder = Recorder()
    yield recorder
    recorder.let_go()
    recorder.stubborn.set()


@pytest.fixture
def working(scripted):
    """Runs a worker against the scripted server: `async with working(projection) as worker`."""

    @asynccontextmanager
    async def run(*projections, **options):
        worker = Worker(options.pop("server", scripted.target), projections, **{"name": "billing", **options})
        task = asyncio.create_task(worker.run())
        worker.task = task
        try:
            yield worker
        finally:
            worker.stop(at_once=True)
            await asyncio.wait({task}, timeout=20)
        if not task.cancelled():
            task.result()

    return run


@pytest.fixture
def eventually():
    async def wait(condition, seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for is somebody else's
                await asyncio.sleep(0.01)

    return wait
