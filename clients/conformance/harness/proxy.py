"""A proxy before a real server: passes calls on as bytes, and makes them fail as a case says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import grpc

from clients.conformance.harness.faults import Faults
from clients.conformance.harness.passing import Passing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_LARGEST: Final = 128 * 1024 * 1024
_FRONT: Final = (
    ("grpc.max_receive_message_length", _LARGEST),
    ("grpc.max_send_message_length", _LARGEST),
    ("grpc.so_reuseport", 0),
    # As a Mink takes it: clients ping every 30 seconds, also without a call.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
)
_BACK: Final = (
    ("grpc.max_receive_message_length", _LARGEST),
    ("grpc.max_send_message_length", _LARGEST),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.primary_user_agent", "mink-conformance"),
)


class Proxy:
    """The proxy, on a port of its own for the whole run.

    Attributes:
        address: Where clients reach it; known once it has started.
        faults: What it does and has seen; new for each case.
    """

    def __init__(self, backend: str) -> None:
        """Prepares it.

        Args:
            backend: The address of the server behind it.
        """
        self.address = ""
        self.faults = Faults()
        self._channel = grpc.aio.insecure_channel(backend, options=_BACK)
        self._server = grpc.aio.server(options=_FRONT)
        self._server.add_generic_rpc_handlers((_Everything(self),))

    async def start(self) -> None:
        """Begins to serve."""
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()

    async def stop(self) -> None:
        """Ends all calls."""
        await self._server.stop(None)
        await self._channel.close()

    def new_case(self) -> None:
        """Forgets the case before: its faults, and what was seen. Calls of it that are silent break."""
        self.faults.plan({"do": "clear"})
        self.faults = Faults()

    async def call(self, path: str, messages: AsyncIterator[bytes], context: Any) -> None:
        """Serves one call."""
        method = path.rpartition("/")[2]
        faults = self.faults
        await Passing(method, faults, faults.begin(method), messages, context).run(self._channel.stream_stream(path))


class _Everything(grpc.GenericRpcHandler):
    """Every method of every service: one message, or many, look alike on the wire."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        path = handler_call_details.method

        async def handle(messages: AsyncIterator[bytes], context: Any) -> None:
            await self._proxy.call(path, messages, context)

        return grpc.stream_stream_rpc_method_handler(cast("Any", handle))
