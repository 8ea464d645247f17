"""What a handler raises as the status of its call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc

from mink_server.rpc.errors import to_status
from mink_server.rpc.interceptors.wrapping import is_ours, wrapped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Errors(grpc.aio.ServerInterceptor):
    """Aborts a call with the status of what its handler raised."""

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails) -> Any:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(details)
        if handler is None or not is_ours(details.method):
            return handler

        def wrap(behaviour: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
            async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
                try:
                    return await behaviour(request, context)
                except (asyncio.CancelledError, grpc.aio.AbortError):
                    raise
                except grpc.aio.BaseError:
                    # The client has left while something was written to it. There is nobody to tell.
                    return None
                except Exception as error:  # noqa: BLE001 - the border: nothing may pass it as it is
                    await context.abort_with_status(to_status(error))

            return call

        return wrapped(handler, wrap)
