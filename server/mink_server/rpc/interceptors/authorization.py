"""Lets through what a caller may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mink_server.rpc.access import check_role, rule_of
from mink_server.rpc.caller import CALLER, Guarded
from mink_server.telemetry.call import CURRENT

if TYPE_CHECKING:
    from mink_server.rpc.interceptors.wrapping import Behaviour
    from mink_server.telemetry.call import Method


class Authorization:
    """Checks the role and the streams of each request. A call whose answers stream is checked again with each answer."""

    def around(self, method: Method, behaviour: Behaviour) -> Behaviour:
        """See Interceptor."""
        role, reach = rule_of(method)
        guarded = method.kind == "server_stream"

        async def call(request: Any, context: Any) -> Any:
            current = CURRENT.get()
            assert current is not None
            identity = current.identity
            check_role(identity, role)
            if identity.prefixes:
                reach(identity, role, request)
            if guarded and (caller := CALLER.get()) is not None:
                context = Guarded(context, caller)
            return await behaviour(request, context)

        return call
