"""channelz, for who looks into gRPC's own connections: other people's code, behind the same interceptors as Mink's services."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from grpc_channelz.v1 import _servicer, channelz_pb2

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SERVICE = channelz_pb2.DESCRIPTOR.services_by_name["Channelz"]


class Channelz:
    """Has a coroutine for every method of the service."""

    def __getattr__(self, name: str) -> Callable[[Any, Any], Awaitable[Any]]:
        answer = getattr(_servicer.ChannelzServicer, name)

        async def method(request: Any, context: Any) -> Any:
            return await asyncio.to_thread(answer, request, context)

        return method
