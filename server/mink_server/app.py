"""Wires everything together, and does nothing else."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mink_server.core.limits import Capacity, Limits
from mink_server.core.log import Log
from mink_server.http.health import health_app
from mink_server.http.metrics import metrics_app
from mink_server.http.server import HttpServer
from mink_server.rpc.drain import Drain
from mink_server.rpc.server import GrpcServer
from mink_server.security.security import Security
from mink_server.storage.database import Database, OwnConnection
from mink_server.storage.diagnosis_projections import projections_check
from mink_server.storage.embedded import EmbeddedPostgres, default_data_dir
from mink_server.storage.health import Health, place
from mink_server.storage.listener import Listener
from mink_server.storage.migrations import Migrations
from mink_server.storage.projections import Projections
from mink_server.storage.reader import Reader
from mink_server.storage.snapshots import Snapshots
from mink_server.storage.streams import Streams
from mink_server.storage.tail import Tail
from mink_server.storage.writer import Writer
from mink_server.telemetry import metrics, tracing
from mink_server.telemetry.memory import Memory
from mink_server.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from mink_server.settings import Settings
    from mink_server.telemetry.tracing import Tracing


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
        self.embedded_url = ""
        self._data_dir: Path | None = None
        self.tracing: Tracing | None = None
        self._grpc: GrpcServer | None = None

    async def start(self) -> None:
        """Starts everything; what was started is stopped again if something fails.

        Raises:
            EmbeddedPostgresError, MinkError, OSError, SettingsError: It cannot start; the text says why.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        settings = self._settings
        # First, so that a wrong variable or file is told before a database is started.
        self.tracing = tracing.start()
        if self.tracing is not None:
            self._running.push_async_callback(self.tracing.stop)
        security = Security(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file, settings.tokens_file)
        self._running.push_async_callback(security.stop)
        security.start()
        metrics.EVENTS_APPENDED.most = settings.metric_event_types

        dsn = await self._dsn()
        database, migrations = await self._open_database(dsn)
        the_log = await self._open_log(database, migrations, security, place(dsn))
        await self._serve(the_log, security, Watch(database, settings.database_schema, the_log.projections.control))

    async def _dsn(self) -> str:
        """Where the database is. Without DATABASE_URL, the embedded one is started."""
        if self._settings.database_url is not None:
            self.database = "DATABASE_URL"
            return self._settings.database_url.get_secret_value()
        self._data_dir = data_dir = self._settings.data_dir or default_data_dir(Path.cwd())
        embedded = EmbeddedPostgres(data_dir)
        self._running.push_async_callback(embedded.stop)
        await embedded.start()
        self.database = f"embedded Postgres in {data_dir}"
        self.embedded_url = embedded.dsn
        return embedded.dsn

    async def _open_database(self, dsn: str) -> tuple[Database, Migrations]:
        """The database, with a schema that this server can work with, and the schema's migrations."""
        settings = self._settings
        database = Database(
            dsn,
            pool_size=settings.database_pool,
            timeout=settings.database_timeout,
            statement_cache=settings.database_statement_cache,
        )
        self._running.push_async_callback(database.close)
        await database.open()
        migrations = Migrations(database, settings.database_schema)
        if settings.migrate or settings.database_url is None:
            await migrations.up()
        else:
            await migrations.check()
        return database, migrations

    async def _open_log(self, database: Database, migrations: Migrations, security: Security, where: str) -> Log:
        """The log, with its writer and its tail at work."""
        settings = self._settings
        schema = settings.database_schema
        reader = Reader(database, schema)
        tail = Tail(database, schema, reader, max_bytes=settings.tail_bytes)
        self._running.push_async_callback(tail.close)
        tail.start(await reader.head())
        connection = OwnConnection(database, "writer")
        self._running.push_async_callback(connection.close)
        server = uuid.uuid4().hex
        listener = Listener(connection, schema, server, tail, reader, self._heard_of_projection)
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
            spans=None if self.tracing is None else self.tracing.batches,
        )
        self._running.push_async_callback(writer.close)
        writer.start()
        streams = Streams(database, schema, tail.forget)
        self._running.push_async_callback(streams.close)
        self._do("removals", streams.finish_removals())
        projections = Projections(database, schema, lease=settings.projection_lease, server=server)
        self._running.push_async_callback(projections.close)
        return Log(
            writes=writer if self.tracing is None else self.tracing.writes(writer),
            reads=reader,
            tail=tail,
            streams=streams,
            snapshots=Snapshots(database, schema),
            health=Health(
                database,
                schema,
                migrations,
                head=lambda: tail.head,
                where=where,
                data_dir=self._data_dir,
                more=[projections_check(projections.control.list), security.checks],
            ),
            projections=projections,
        )

    def _heard_of_projection(self, projection: str) -> None:
        if self._grpc is not None:
            self._grpc.projection_changed(projection)

    async def _serve(self, the_log: Log, security: Security, watch: Watch) -> None:
        """Serves the log over gRPC, and over HTTP how it is."""
        settings = self._settings
        memory = Memory(settings.max_memory_bytes)
        self._grpc = grpc = GrpcServer(
            the_log,
            Limits(settings.max_event_bytes, settings.max_request_bytes, settings.max_events_per_append),
            _capacity(settings),
            memory,
            self._drain,
            checkpoint_seconds=settings.checkpoint_seconds,
            lease=settings.projection_lease,
            drain_seconds=settings.drain_seconds,
            reflection_on=settings.reflection,
            channelz_on=settings.channelz,
            credentials=security.credentials,
            identities=security.identities,
            tracer=None if self.tracing is None else self.tracing.tracer,
            access_log=settings.access_log,
        )
        health = health_app(watch.ping, self._drain, lambda: watch.faulted, faulted_not_ready=settings.faulted_not_ready)
        http = HttpServer(health, settings.http_listen)
        prometheus = HttpServer(metrics_app(metrics.REGISTRY), settings.metrics_listen)
        for web in (http, prometheus):
            self._running.push_async_callback(web.stop)
            await web.start()
        self._running.push_async_callback(grpc.stop, settings.drain_seconds)
        self.grpc_address = await grpc.start(settings.listen)
        self.http_address, self.metrics_address = http.address, prometheus.address
        await grpc.set_serving(True)
        for name, work in (
            ("watch", watch.database(grpc.set_serving)),
            ("log-size", watch.size()),
            ("projections-watch", watch.projections()),
            ("memory", memory.watch()),
            ("waiting", grpc.waiting.watch()),
        ):
            self._do(name, work)

    def _do(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Does something beside everything else, until the server stops."""
        self._running.push_async_callback(_cancel, asyncio.create_task(work, name=f"mink-{name}"))

    async def stop(self) -> None:
        """Drains and stops: calls first, then what they depend on."""
        await self._running.aclose()


def _capacity(settings: Settings) -> Capacity:
    return Capacity(
        connections=settings.max_connections,
        connection_age=settings.max_connection_age,
        calls=settings.max_calls,
        request_bytes=settings.max_request_bytes_in_flight,
        response_bytes=settings.max_response_bytes_in_flight,
        subscriptions=settings.max_subscriptions,
        subscriptions_per_client=settings.max_subscriptions_per_client,
    )


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
