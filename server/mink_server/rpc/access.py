"""Who may call what: one table. What has no row in it takes the role admin, and reaching all streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mink.v1 import event_store_pb2

from mink_server.core.access import Identity, Role
from mink_server.core.errors import PermissionDeniedError
from mink_server.core.filters import EventFilter
from mink_server.core.narrowing import narrowed, narrowed_prefix, outside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mink_server.telemetry.call import Method


def check_role(identity: Identity, role: Role) -> None:
    """Checks that somebody has a role.

    Raises:
        PermissionDeniedError: They do not.
    """
    if not identity.has(role):
        raise PermissionDeniedError(f"this takes the role {role}, which {identity.name} does not have", role)


def check_streams(identity: Identity, role: Role, streams: Iterable[str]) -> None:
    """Checks that somebody reaches streams.

    Raises:
        PermissionDeniedError: They do not reach one of them.
    """
    for stream in streams:
        if not identity.reaches(stream):
            raise outside(identity, role, stream)


def _no_stream(identity: Identity, role: Role, request: Any) -> None:
    """The request is about no stream, or its messages are checked one by one."""


def _one_stream(identity: Identity, role: Role, request: Any) -> None:
    check_streams(identity, role, (request.stream,))


def _several_streams(identity: Identity, role: Role, request: Any) -> None:
    # Also those that are only checked: the answer tells their versions.
    check_streams(identity, role, (part.stream for part in request.appends))


def _filtered(identity: Identity, role: Role, request: Any) -> None:  # noqa: ARG001 - as the others
    given = request.filter
    where = narrowed(
        EventFilter(frozenset(given.streams), tuple(given.stream_prefixes), frozenset(given.categories), frozenset(given.types)),
        identity,
    )
    given.CopyFrom(
        event_store_pb2.EventFilter(
            streams=sorted(where.streams),
            stream_prefixes=where.stream_prefixes,
            categories=sorted(where.categories),
            types=sorted(where.types),
        )
    )


def _listed(identity: Identity, role: Role, request: Any) -> None:  # noqa: ARG001 - as the others
    request.prefix = narrowed_prefix(request.prefix, identity)


def _all_streams(identity: Identity, role: Role, request: Any) -> None:  # noqa: ARG001 - as the others
    # Without the role, which they have: a client that asked for it would be none the wiser.
    raise PermissionDeniedError(
        f"this takes reaching all streams, and {identity.name} reaches only those of its prefixes; "
        "an identity without prefixes may do it",
        role="",
    )


def check_session_append(identity: Identity, given: event_store_pb2.SessionAppend) -> None:
    """Checks the streams of one append of a session.

    Raises:
        PermissionDeniedError: The caller does not reach one of them.
    """
    if given.WhichOneof("append") == "to_stream":
        _one_stream(identity, Role.APPEND, given.to_stream)
    else:
        _several_streams(identity, Role.APPEND, given.to_streams)


class Rule(NamedTuple):
    """What a method takes.

    Attributes:
        role: The role.
        reach: Checks the request of somebody who does not reach all streams, and narrows it where it may be narrowed.
    """

    role: Role
    reach: Callable[[Identity, Role, Any], None]


RULES: Final = {
    "/mink.v1.EventStore/AppendToStream": Rule(Role.APPEND, _one_stream),
    "/mink.v1.EventStore/AppendToStreams": Rule(Role.APPEND, _several_streams),
    "/mink.v1.EventStore/AppendSession": Rule(Role.APPEND, _no_stream),
    "/mink.v1.EventStore/ReadStream": Rule(Role.READ, _one_stream),
    "/mink.v1.EventStore/ReadAll": Rule(Role.READ, _filtered),
    "/mink.v1.EventStore/SubscribeAll": Rule(Role.READ, _filtered),
    "/mink.v1.EventStore/GetStream": Rule(Role.READ, _one_stream),
    "/mink.v1.EventStore/ListStreams": Rule(Role.READ, _listed),
    "/mink.v1.EventStore/TruncateStream": Rule(Role.MANAGE, _one_stream),
    "/mink.v1.EventStore/DeleteStream": Rule(Role.MANAGE, _one_stream),
    "/mink.v1.Snapshots/SaveSnapshot": Rule(Role.APPEND, _one_stream),
    "/mink.v1.Snapshots/LoadSnapshot": Rule(Role.READ, _one_stream),
    "/mink.v1.Snapshots/DeleteSnapshot": Rule(Role.MANAGE, _one_stream),
    "/mink.v1.Projections/Run": Rule(Role.READ, _no_stream),
    "/mink.v1.Projections/ListProjections": Rule(Role.READ, _no_stream),
    "/mink.v1.Projections/GetProjection": Rule(Role.READ, _no_stream),
    "/mink.v1.Projections/WatchProjections": Rule(Role.READ, _no_stream),
    "/mink.v1.Projections/PauseProjection": Rule(Role.MANAGE, _no_stream),
    "/mink.v1.Projections/ResumeProjection": Rule(Role.MANAGE, _no_stream),
    "/mink.v1.Projections/RebuildProjection": Rule(Role.MANAGE, _no_stream),
    "/mink.v1.Projections/RestartProjection": Rule(Role.MANAGE, _no_stream),
    "/mink.v1.Projections/DeleteProjection": Rule(Role.MANAGE, _no_stream),
    "/mink.v1.Projections/ListParkedEvents": Rule(Role.READ, _all_streams),
    "/mink.v1.Projections/ReplayParkedEvents": Rule(Role.MANAGE, _no_stream),
    "/mink.v1.Projections/DropParkedEvents": Rule(Role.MANAGE, _no_stream),
    "/mink.v1.Operations/GetStatistics": Rule(Role.READ, _all_streams),
    "/mink.v1.Operations/Diagnose": Rule(Role.ADMIN, _no_stream),
    "/mink.v1.Operations/VerifyLog": Rule(Role.ADMIN, _all_streams),
}
_WITHOUT_ROW: Final = Rule(Role.ADMIN, _all_streams)


def rule_of(method: Method) -> Rule:
    """What a method takes."""
    return RULES.get(method.path, _WITHOUT_ROW)
