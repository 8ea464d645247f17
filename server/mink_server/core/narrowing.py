"""What somebody may see of what they ask for, when they reach only streams whose names begin in certain ways.

What was asked for by name and lies wholly outside is refused; what lies partly outside is narrowed to the part inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mink_server.core.access import Role
from mink_server.core.errors import PermissionDeniedError, shown
from mink_server.core.filters import EventFilter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mink_server.core.access import Identity

_SHOWN = 10


def outside(identity: Identity, role: Role, stream: str, what: str = "stream") -> PermissionDeniedError:
    """The error for a stream, prefix or category that somebody does not reach."""
    return PermissionDeniedError(
        f"the {what} {shown(stream)!r} lies outside of what {identity.name} may reach: {_reach(identity)}", role, stream
    )


def _reach(identity: Identity) -> str:
    more = f" and {len(identity.prefixes) - _SHOWN} more" if len(identity.prefixes) > _SHOWN else ""
    return "streams that begin with " + ", ".join(map(repr, identity.prefixes[:_SHOWN])) + more


def shortest(prefixes: Iterable[str]) -> tuple[str, ...]:
    """The prefixes without those that begin with another one and so say nothing more."""
    given = dict.fromkeys(prefixes)
    return tuple(one for one in given if not any(one != other and one.startswith(other) for other in given))


def narrowed(where: EventFilter, identity: Identity) -> EventFilter:
    """A filter that passes what both the filter passes and the identity reaches.

    Raises:
        PermissionDeniedError: One of the streams, prefixes or categories has nothing that the identity reaches.
    """
    reach = identity.prefixes
    if not reach:
        return where
    if not where.chooses_streams:
        return EventFilter(stream_prefixes=reach, types=where.types)
    for stream in where.streams:
        if not identity.reaches(stream):
            raise outside(identity, Role.READ, stream)
    prefixes: dict[str, None] = {}
    for prefix in where.stream_prefixes:
        prefixes.update(dict.fromkeys(_common(prefix, identity) or _nothing(identity, prefix, "prefix")))
    categories: set[str] = set()
    for category in where.categories:
        # A category is the stream of its name, and every stream that begins with its name and a dash.
        if "-" in category:
            raise outside(identity, Role.READ, category, "category")
        if category.startswith(reach):
            categories.add(category)
        else:
            prefixes.update(dict.fromkeys(_common(category + "-", identity) or _nothing(identity, category, "category")))
    return EventFilter(where.streams, tuple(prefixes), frozenset(categories), where.types)


def narrowed_prefix(prefix: str, identity: Identity) -> str:
    """The one prefix of what both a prefix names and the identity reaches.

    Raises:
        PermissionDeniedError: There is none, or more than one.
    """
    if not identity.prefixes:
        return prefix
    found = _common(prefix, identity)
    if not found:
        raise outside(identity, Role.READ, prefix, "prefix")
    if len(found) > 1:
        raise PermissionDeniedError(
            f"say which prefix: {identity.name} does not reach all that begins with {shown(prefix)!r}, only {_reach(identity)}",
            Role.READ,
            prefix,
        )
    return found[0]


def _common(prefix: str, identity: Identity) -> list[str]:
    """The prefixes of what both a prefix names and the identity reaches; none: nothing."""
    if prefix.startswith(identity.prefixes):
        return [prefix]
    return [reached for reached in identity.prefixes if reached.startswith(prefix)]


def _nothing(identity: Identity, name: str, what: str) -> list[str]:
    raise outside(identity, Role.READ, name, what)
