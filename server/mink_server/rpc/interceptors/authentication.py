"""Finds out who calls, before anything is done for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mink_server.core.errors import UnauthenticatedError
from mink_server.rpc.access import rule_of
from mink_server.rpc.caller import CALLER, Caller
from mink_server.telemetry.call import CURRENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from mink_server.core.access import Identities, Identity, Role
    from mink_server.rpc.interceptors.wrapping import Behaviour
    from mink_server.telemetry.call import Call, Method

# What a certificate says of its holder, as gRPC has it from a verified one, in the order in which it counts.
_NAMES: Final = ("peer_uri", "peer_dns", "x509_common_name")
_SHOWN: Final = 5
_LONGEST_ID: Final = 16


class Authentication:
    """Sets the identity of the call, from a bearer token or, without one, from the client's certificate.

    Args:
        identities: Knows them.
    """

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    def around(self, method: Method, behaviour: Behaviour) -> Behaviour:
        """See Interceptor."""
        role = rule_of(method).role
        open_longer = method.kind != "unary"
        identities = self._identities

        async def call(request: Any, context: Any) -> Any:
            current = CURRENT.get()
            assert current is not None
            find, why_not = _proof(current, identities, role)
            identity = find()
            if identity is None:
                raise UnauthenticatedError(why_not(), role)
            current.identity = identity
            if open_longer:
                CALLER.set(Caller(current, identities, find, role))
            return await behaviour(request, context)

        return call


def _proof(call: Call, identities: Identities, role: Role) -> tuple[Callable[[], Identity | None], Callable[[], str]]:
    """How to find out who calls, and what to say if nobody is found."""
    authorizations = [value for key, value in call.context.invocation_metadata() or () if key == "authorization"]
    if authorizations:
        if len(authorizations) > 1:
            raise UnauthenticatedError("several authorizations are given: send one", role)
        scheme, _, token = authorizations[0].partition(" ")
        if scheme.lower() != "bearer":
            raise UnauthenticatedError("the authorization must be Bearer and a token", role)
        token = token.strip(" ")
        return lambda: identities.by_token(token), lambda: f"the token {_id(token)}is not known, or counts no longer"
    names = names_in(call.context.auth_context())
    if names:
        return (
            lambda: identities.by_certificate(names),
            lambda: f"nobody is known by the certificate of {', '.join(map(repr, names[:_SHOWN]))}",
        )
    raise UnauthenticatedError("say who you are: send a token, as authorization: Bearer mink_…", role)


def names_in(auth_context: dict[str, list[bytes]]) -> list[str]:
    """The names in a client's verified certificate: its URIs, its DNS names, its common name; none without a certificate."""
    return [name.decode("utf-8", "replace") for key in _NAMES for name in auth_context.get(key, ())]


def _id(token: str) -> str:
    """The id of a token, for people. A text of another form may be all secret: it is not shown."""
    prefix, _, rest = token.partition("_")
    token_id, separator, _ = rest.partition("_")
    shown = prefix == "mink" and separator and token_id.isascii() and token_id.isalnum() and len(token_id) <= _LONGEST_ID
    return f"{token_id} " if shown else ""
