"""The gRPC server: services, interceptors, health, reflection, and its life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from mink.v1 import event_store_pb2, operations_pb2, snapshots_pb2

from mink_server.rpc import reflection
from mink_server.rpc.event_store import EventStore
from mink_server.rpc.handlers import generic_handler, request_classes
from mink_server.rpc.interceptors import interceptors
from mink_server.rpc.operations import Operations
from mink_server.rpc.snapshots import Snapshots

if TYPE_CHECKING:
    from mink_server.core.limits import Limits
    from mink_server.core.log import Log
    from mink_server.rpc.drain import Drain

_SERVICES: Final = tuple(
    file.services_by_name[name]
    for file, name in (
        (event_store_pb2.DESCRIPTOR, "EventStore"),
        (snapshots_pb2.DESCRIPTOR, "Snapshots"),
        (operations_pb2.DESCRIPTOR, "Operations"),
    )
)
# What is too large for an append, up to this many times, is told so with its size; beyond it, gRPC itself refuses the message.
_TIMES_TOO_LARGE: Final = 4


class GrpcServer:
    """Serves one log over gRPC.

    Args:
        log: The log.
        bounds: What a request may hold.
        drain: Begun when the server is about to stop.
        checkpoint_seconds: The longest silence of a subscription.
        max_subscriptions: Subscriptions at once.
        reflection_on: Whether clients may ask what there is.
        channelz_on: Whether channelz is served.
    """

    def __init__(
        self,
        log: Log,
        bounds: Limits,
        drain: Drain,
        *,
        checkpoint_seconds: float,
        max_subscriptions: int,
        reflection_on: bool,
        channelz_on: bool,
    ) -> None:
        self._drain = drain
        self._tail = log.tail
        options = [
            ("grpc.max_receive_message_length", bounds.request_bytes * _TIMES_TOO_LARGE),
            ("grpc.so_reuseport", 0),  # a second server on the same address is told so
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
            ("grpc.http2.max_pings_without_data", 0),
        ]
        self._server = grpc.aio.server(options=options)
        implementations = (
            EventStore(log, bounds, drain, checkpoint_seconds=checkpoint_seconds, max_subscriptions=max_subscriptions),
            Snapshots(log, bounds),
            Operations(log),
        )
        around = interceptors(request_classes(_SERVICES))
        handlers = [
            generic_handler(service, implementation, around)
            for service, implementation in zip(_SERVICES, implementations, strict=True)
        ]
        self._server.add_generic_rpc_handlers(handlers)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [service.full_name for service in _SERVICES] + [health.SERVICE_NAME]
        if channelz_on:
            from grpc_channelz.v1 import _servicer as channelz  # noqa: PLC0415 - only who asks for it pays for it
            from grpc_channelz.v1 import channelz_pb2_grpc  # noqa: PLC0415

            channelz_pb2_grpc.add_ChannelzServicer_to_server(channelz.ChannelzServicer(), self._server)
        if reflection_on:
            reflection.enable(names, self._server)

    async def start(self, address: str) -> str:
        """Binds HOST:PORT and begins to serve; answers with the address, with the port that was given for 0.

        Raises:
            OSError: The address cannot be used.
        """
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: it is in use, or not this machine's") from error
        await self._server.start()
        return f"{address.rpartition(':')[0]}:{port}"

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
