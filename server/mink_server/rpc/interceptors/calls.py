"""Makes the call known to whatever speaks about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mink_server.telemetry.call import CURRENT, Call

if TYPE_CHECKING:
    from mink_server.rpc.interceptors.wrapping import Behaviour
    from mink_server.telemetry.call import Method


class Calls:
    """Sets `CURRENT`. Each call is served in a task of its own, which the tasks that it starts inherit from."""

    def around(self, method: Method, behaviour: Behaviour) -> Behaviour:
        """See Interceptor."""

        async def call(request: Any, context: Any) -> Any:
            CURRENT.set(Call(method, context))
            return await behaviour(request, context)

        return call
