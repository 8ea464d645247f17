"""Who makes a call that stays open, as of now: they may lose what they had while it is open."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from mink_server.core.errors import ShuttingDownError, UnauthenticatedError
from mink_server.rpc.access import check_role

if TYPE_CHECKING:
    from collections.abc import Callable

    from mink_server.core.access import Identities, Identity, Role
    from mink_server.telemetry.call import Call


class Caller:
    """Who makes a call.

    Args:
        call: The call; its identity is kept right.
        identities: Says when to ask again.
        find: Asks again who they are.
        role: What the call takes.
    """

    __slots__ = ("_call", "_find", "_generation", "_identities", "_prefixes", "_role")

    def __init__(self, call: Call, identities: Identities, find: Callable[[], Identity | None], role: Role) -> None:
        self._call = call
        self._identities = identities
        self._generation = identities.generation
        self._find = find
        self._role = role
        self._prefixes = call.identity.prefixes

    def now(self) -> Identity:
        """Who they are now.

        Raises:
            UnauthenticatedError: Their token or certificate counts no longer.
            PermissionDeniedError: They lost the role that the call takes.
        """
        if self._identities.generation != self._generation:
            self._generation = self._identities.generation
            found = self._find()
            if found is None:
                name = self._call.identity.name
                raise UnauthenticatedError(f"what {name} proved itself with was revoked or has expired", self._role)
            check_role(found, self._role)
            self._call.identity = found
        return self._call.identity

    def check(self) -> None:
        """Checks that the call may go on as it began.

        Raises:
            UnauthenticatedError: Their token or certificate counts no longer.
            PermissionDeniedError: They lost the role that the call takes.
            ShuttingDownError: They reach other streams now; the call may begin anew.
        """
        if self.now().prefixes != self._prefixes:
            raise ShuttingDownError(f"{self._call.identity.name} reaches other streams than before: call again", retry_after=0.0)


class Guarded:
    """The context of a call whose answers stream: each one is sent only if the caller may still have it.

    Args:
        context: The call, as gRPC has it.
        caller: Who makes it.
    """

    def __init__(self, context: Any, caller: Caller) -> None:
        self._check = caller.check
        self._write = context.write
        self._context = context

    def write(self, message: Any) -> Any:
        """Sends a message; to be awaited."""
        self._check()
        return self._write(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


# Who makes the call that is being served, if it stays open and somebody asks who they are.
CALLER: Final[ContextVar[Caller | None]] = ContextVar("mink_caller", default=None)
