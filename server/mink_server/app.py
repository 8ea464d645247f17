"""Wires everything together, and does nothing else."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from mink_server.core.errors import MinkError
from mink_server.core.limits import Limits
from mink_server.core.log import Log
from mink_server.http.health import health_app
from mink_server.http.metrics import metrics_app
from mink_server.http.server import HttpServer
from mink_server.rpc.drain import Drain
from mink_server.rpc.server import GrpcServer
from mink_server.storage.database import Database, OwnConnection
from mink_server.storage.embedded import EmbeddedPostgres, default_data_dir
from mink_server.storage.health import Health
from mink_server.storage.listener import Listener
from mink_server.storage.migrations import Migrations
from mink_server.storage.reader import Reader
from mink_server.storage.snapshots import Snapshots
from mink_server.storage.streams import Streams
from mink_server.storage.tail import Tail
from mink_server.storage.writer import Writer
from mink_server.telemetry.metrics import REGISTRY

if TYPE_CHECKING:
    from mink_server.settings import Settings

log = structlog.get_logger(__name__)

_LOOK_EVERY: Final = 2.0


class App:
    """One server: a log, and what serves it.

    Args:
        settings: What the operator set.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._drain = Drain()
        # What was started, stopped in the opposite order.
        self._running = AsyncExitStack()
        self.grpc_address = ""
        self.http_address = ""
        self.metrics_address = ""
        self.database = ""

    async def start(self) -> None:
        """Starts everything; what was started is stopped again if something fails.

        Raises:
            EmbeddedPostgresError, MinkError, OSError: It cannot start; the text says why.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        settings = self._settings
        schema = settings.database_schema
        if settings.database_url is None:
            data_dir = settings.data_dir or default_data_dir(Path.cwd())
            embedded = EmbeddedPostgres(data_dir)
            self._running.push_async_callback(embedded.stop)
            await embedded.start()
            dsn = embedded.dsn
            self.database = f"embedded Postgres in {data_dir}"
        else:
            dsn = settings.database_url.get_secret_value()
            self.database = "DATABASE_URL"
        self._database = Database(
            dsn,
            pool_size=settings.database_pool,
            timeout=settings.database_timeout,
            statement_cache=settings.database_statement_cache,
        )
        self._running.push_async_callback(self._database.close)
        await self._database.open()
        migrations = Migrations(self._database, schema)
        if settings.migrate or settings.database_url is None:
            await migrations.up()
        else:
            await migrations.check()

        reader = Reader(self._database, schema)
        tail = Tail(self._database, schema, reader, max_bytes=settings.tail_bytes)
        self._running.push_async_callback(tail.close)
        tail.start(await reader.head())
        connection = OwnConnection(self._database, "writer")
        self._running.push_async_callback(connection.close)
        server = uuid.uuid4().hex
        listener = Listener(connection, schema, server, tail, reader)
        self._running.push_async_callback(listener.close)
        listener.start()
        writer = Writer(
            connection,
            schema,
            server,
            tail,
            max_waiting=settings.max_waiting_appends,
            max_waiting_bytes=settings.max_waiting_bytes,
            timeout=settings.database_timeout,
        )
        self._running.push_async_callback(writer.close)
        writer.start()
        streams = Streams(self._database, schema, tail.forget)
        self._running.push_async_callback(streams.close)
        the_log = Log(
            writes=writer,
            reads=reader,
            tail=tail,
            streams=streams,
            snapshots=Snapshots(self._database, schema),
            health=Health(self._database, schema, migrations),
        )
        bounds = Limits(settings.max_event_bytes, settings.max_request_bytes, settings.max_events_per_append)
        self._grpc = GrpcServer(
            the_log,
            bounds,
            self._drain,
            checkpoint_seconds=settings.checkpoint_seconds,
            max_subscriptions=settings.max_subscriptions,
            reflection_on=settings.reflection,
            channelz_on=settings.channelz,
        )
        http = HttpServer(health_app(self._ping, self._drain), settings.http_listen)
        metrics = HttpServer(metrics_app(REGISTRY), settings.metrics_listen)
        for web in (http, metrics):
            self._running.push_async_callback(web.stop)
            await web.start()
        self._running.push_async_callback(self._grpc.stop, settings.drain_seconds)
        self.grpc_address = await self._grpc.start(settings.listen)
        self.http_address, self.metrics_address = http.address, metrics.address
        await self._grpc.set_serving(True)
        for name, work in (("watch", self._watch()), ("removals", streams.finish_removals())):
            self._running.push_async_callback(_cancel, asyncio.create_task(work, name=f"mink-{name}"))

    async def _ping(self) -> str | None:
        try:
            async with asyncio.timeout(5), self._database.connection() as connection:
                await connection.fetchval("select 1")
        except MinkError as error:
            return str(error)
        except TimeoutError:
            return "the database did not answer in 5 s"
        return None

    async def _watch(self) -> None:
        """Says through grpc.health.v1 whether the database is there."""
        serving = True
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            problem = await self._ping()
            if serving != (problem is None):
                serving = problem is None
                log.warning("not serving", why=problem) if problem else log.info("serving again")
                await self._grpc.set_serving(serving)

    async def stop(self) -> None:
        """Drains and stops: calls first, then what they depend on."""
        await self._running.aclose()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
