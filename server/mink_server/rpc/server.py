"""The gRPC server: services, interceptors, health, reflection, and its life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from mink.v1 import event_store_pb2, operations_pb2, projections_pb2, snapshots_pb2

from mink_server.rpc import reflection
from mink_server.rpc.admission import Admission
from mink_server.rpc.event_store import EventStore
from mink_server.rpc.handlers import generic_handler, request_classes
from mink_server.rpc.interceptors import interceptors
from mink_server.rpc.interceptors.limits import Limits as LimitsOfCalls
from mink_server.rpc.operations import Operations
from mink_server.rpc.options import server_options
from mink_server.rpc.projections.service import Projections
from mink_server.rpc.projections.supervisor import Supervisor
from mink_server.rpc.snapshots import Snapshots
from mink_server.rpc.waiting import Waiting

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from mink_server.core.access import Identities
    from mink_server.core.limits import Capacity, Limits
    from mink_server.core.log import Log
    from mink_server.rpc.drain import Drain
    from mink_server.telemetry.memory import Memory

_SERVICES: Final = tuple(
    file.services_by_name[name]
    for file, name in (
        (event_store_pb2.DESCRIPTOR, "EventStore"),
        (snapshots_pb2.DESCRIPTOR, "Snapshots"),
        (projections_pb2.DESCRIPTOR, "Projections"),
        (operations_pb2.DESCRIPTOR, "Operations"),
    )
)
# Calls beyond those that are let in: of health checks, reflection, and those that are being refused.
_OTHER_CALLS: Final = 2_000
_MOST_HEALTH_WATCHES: Final = 1_000


class _Health(health.aio.HealthServicer):
    """grpc.health.v1, for as many watchers as there may be: anybody may ask, known or not."""

    def __init__(self) -> None:
        super().__init__()
        self._watches = 0

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802
        if self._watches >= _MOST_HEALTH_WATCHES:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watch the server's health")
        self._watches += 1
        try:
            await super().Watch(request, context)
        finally:
            self._watches -= 1


class GrpcServer:
    """Serves one log over gRPC.

    Args:
        log: The log.
        bounds: What a request may hold.
        capacity: What all clients together may have under way.
        memory: The process's.
        drain: Begun when the server is about to stop.
        checkpoint_seconds: The longest silence of a subscription.
        lease: How long a worker's lease lasts, in seconds.
        drain_seconds: How long calls in flight have when the server stops.
        reflection_on: Whether clients may ask what there is.
        channelz_on: Whether channelz is served.
        credentials: For TLS; None: it is served without.
        identities: Knows who calls; None: nobody is asked.
        tracer: Makes spans of calls; None: there are no traces.
        access_log: Whether every call has a line in the log.
    """

    def __init__(
        self,
        log: Log,
        bounds: Limits,
        capacity: Capacity,
        memory: Memory,
        drain: Drain,
        *,
        checkpoint_seconds: float,
        lease: float,
        drain_seconds: float,
        reflection_on: bool,
        channelz_on: bool,
        credentials: grpc.ServerCredentials | None = None,
        identities: Identities | None = None,
        tracer: Tracer | None = None,
        access_log: bool = False,
    ) -> None:
        self._credentials = credentials
        self._drain = drain
        self._tail = log.tail
        admission = Admission(capacity, memory)
        self.waiting = Waiting(capacity, memory)
        self._supervisor = Supervisor(log.projections.workers, lease)
        self._server = grpc.aio.server(
            options=server_options(bounds, capacity), maximum_concurrent_rpcs=capacity.calls + _OTHER_CALLS
        )
        implementations = (
            EventStore(
                log,
                bounds,
                drain,
                admission,
                self.waiting,
                checkpoint_seconds=checkpoint_seconds,
                age=capacity.connection_age,
            ),
            Snapshots(log, bounds),
            Projections(
                log,
                self._supervisor,
                drain,
                admission,
                self.waiting,
                checkpoint_seconds=checkpoint_seconds,
                age=capacity.connection_age,
                patience=min(drain_seconds / 2, lease),
            ),
            Operations(log, drain),
        )
        served: list[tuple[Any, object]] = list(zip(_SERVICES, implementations, strict=True))
        if channelz_on:
            from mink_server.rpc import channelz  # noqa: PLC0415 - only who asks for it pays for it

            served.append((channelz.SERVICE, channelz.Channelz()))
        around = interceptors(
            request_classes(service for service, _ in served),
            LimitsOfCalls(admission, self.waiting),
            identities,
            tracer=tracer,
            access_log=access_log,
        )
        handlers = [generic_handler(service, implementation, around) for service, implementation in served]
        self._server.add_generic_rpc_handlers(handlers)
        self._health = _Health()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [service.full_name for service in _SERVICES] + [health.SERVICE_NAME]
        if reflection_on:
            reflection.enable(names, self._server)

    async def start(self, address: str) -> str:
        """Binds HOST:PORT and begins to serve; answers with the address, with the port that was given for 0.

        Raises:
            OSError: The address cannot be used.
        """
        try:
            if self._credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, self._credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: it is in use, or not this machine's") from error
        self._supervisor.start()
        await self._server.start()
        return f"{address.rpartition(':')[0]}:{port}"

    def projection_changed(self, projection: str) -> None:
        """Another server has changed something about a projection."""
        self._supervisor.changed(projection)

    async def set_serving(self, serving: bool) -> None:
        """Says through grpc.health.v1 whether calls will be served."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *(service.full_name for service in _SERVICES)):
            await self._health.set(name, status)

    async def stop(self, grace: float) -> None:
        """Drains: health says not serving, calls in flight have `grace` seconds, sessions and subscriptions end by themselves."""
        await self._health.enter_graceful_shutdown()
        self._drain.begin()
        self._tail.wake()
        await self._server.stop(grace)
        await self._supervisor.close()
