"""What a handler raises as the status of its call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import structlog

from mink_server.rpc.errors import to_status
from mink_server.telemetry.call import CURRENT

if TYPE_CHECKING:
    from mink_server.rpc.interceptors.wrapping import Behaviour
    from mink_server.telemetry.call import Method

log = structlog.get_logger(__name__)


class Errors:
    """Aborts a call with the status of what its handler raised."""

    def around(self, method: Method, behaviour: Behaviour) -> Behaviour:  # noqa: ARG002 - the same for every method
        """See Interceptor."""

        async def call(request: Any, context: Any) -> Any:
            try:
                return await behaviour(request, context)
            except grpc.aio.AbortError:
                raise
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # A part of the handler was cancelled, and not the call: without a status, its client would wait for ever.
                log.exception("a part of a call was cancelled")
                status = to_status(RuntimeError("a part of a call was cancelled"))
            except grpc.aio.BaseError:
                # The client has left while something was written to it. There is nobody to tell.
                if (current := CURRENT.get()) is not None:
                    current.left = True
                return None
            except Exception as error:  # noqa: BLE001 - the border: nothing may pass it as it is
                status = to_status(error)
            # Not inside of the except clause: gRPC keeps what ends a call in a circle of references, and until the collector comes
            # there would stay with it what it was raised from: all frames, and the request in them.
            await context.abort_with_status(status)
            return None

        return call
