"""Writes into the audit log who managed what, and who was denied what."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError

from mink_server.core.access import Role
from mink_server.core.errors import AccessError, MinkError
from mink_server.rpc.access import rule_of
from mink_server.telemetry import audit
from mink_server.telemetry.call import CURRENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mink_server.rpc.interceptors.wrapping import Behaviour
    from mink_server.telemetry.call import Method

_AUDITED: Final = (Role.MANAGE, Role.ADMIN)


class Audit:
    """Says how each call ended that takes the role manage or admin, and what was denied of the others.

    Args:
        classes: The class of each method's request.
        denials: Whether anything can be denied.
    """

    def __init__(self, classes: Mapping[Method, Any], *, denials: bool) -> None:
        self._classes = classes
        self._denials = denials

    def around(self, method: Method, behaviour: Behaviour) -> Behaviour:
        """See Interceptor."""
        if rule_of(method).role in _AUDITED:
            return self._all(method, behaviour)
        return _denials(behaviour) if self._denials else behaviour

    def _all(self, method: Method, behaviour: Behaviour) -> Behaviour:
        parse = self._classes[method].FromString

        async def call(request: Any, context: Any) -> Any:
            outcome = "OK"
            refusal: AccessError | None = None
            try:
                return await behaviour(request, context)
            except AccessError as error:
                refusal = error
                raise
            except asyncio.CancelledError:
                outcome = "CANCELLED"
                raise
            except MinkError as error:
                outcome = error.reason
                raise
            except BaseException:
                outcome = MinkError.reason
                raise
            finally:
                current = CURRENT.get()
                if current is not None:
                    stream, projection = _about(parse, current.request)
                    if refusal is None:
                        audit.done(current, stream, outcome, projection=projection)
                    else:
                        audit.denied(current, refusal, stream, managing=True, projection=projection)

        return call


def _denials(behaviour: Behaviour) -> Behaviour:
    async def call(request: Any, context: Any) -> Any:
        try:
            return await behaviour(request, context)
        except AccessError as error:
            current = CURRENT.get()
            if current is not None:
                audit.denied(current, error)
            raise

    return call


def _about(parse: Any, request: bytes) -> tuple[str, str]:
    """The stream and the projection that a request is about; empty: none.

    Such requests are small and few: decoding one twice costs less than handing it out.
    """
    try:
        message = parse(request)
    except DecodeError:
        return "", ""
    return str(getattr(message, "stream", "")), str(getattr(message, "projection", ""))
