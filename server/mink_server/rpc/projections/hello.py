"""What a worker says of itself when it comes, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mink_server.core import limits
from mink_server.core.access import Role
from mink_server.core.errors import PermissionDeniedError, shown
from mink_server.core.filters import EventFilter
from mink_server.core.narrowing import narrowed
from mink_server.core.projections.model import Joining
from mink_server.rpc import checks
from mink_server.rpc.convert import event_filter
from mink_server.rpc.projections.convert import mode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mink.v1 import projections_pb2 as pb

    from mink_server.core.access import Identity
    from mink_server.core.reading import Head

_MOST_REVISIONS: Final = 2**31 - 1


class _Problems(checks.Problems):
    """Collects what is wrong with a Hello."""

    def add(self, field: str, description: str) -> None:
        """Notes a field that is wrong."""
        super().add(f"hello.{field}", description)


async def joining(hello: pb.Hello, worker: str, identity: Identity, head: Callable[[], Awaitable[Head]]) -> Joining:
    """The worker that says hello.

    Args:
        hello: What it says.
        worker: The id that it gets.
        identity: Who it is.
        head: Reads the log's head, for a projection that begins there.

    Raises:
        InvalidRequestError: Fields are wrong.
        PermissionDeniedError: It asks for events that it does not reach.
    """
    problems = _Problems()
    checks.check_name(problems, "projection", hello.projection, limits.MAX_PROJECTION_NAME)
    checks.check_name(problems, "worker", hello.worker, limits.MAX_WORKER_NAME)
    where = event_filter(hello, problems)
    revision = checks.count(problems, "revision", hello.revision, _MOST_REVISIONS) or 1
    partitions = checks.count(problems, "partitions", hello.partitions, limits.MAX_PARTITIONS) or 1
    most = checks.count(problems, "max_partitions", hello.max_partitions)
    start = hello.WhichOneof("start")
    after = checks.count(problems, "after_position", hello.after_position)
    if start == "from_end" and not hello.from_end:
        problems.add("from_end", "must be true, or not set")
    on_new_revision = mode(problems, "on_new_revision", hello.on_new_revision)
    problems.check()
    if not _reaches_all(where, identity):
        raise PermissionDeniedError(
            f"the projection's filter passes more than {identity.name} may reach: "
            "give it streams, stream_prefixes or categories that lie within it",
            Role.READ,
        )
    return Joining(
        projection=hello.projection,
        worker=worker,
        name=hello.worker,
        revision=revision,
        partitions=partitions,
        max_partitions=most,
        where=where,
        start_after=(await head()).position if start == "from_end" else after,
        on_new_revision=on_new_revision,
        can_clear=hello.can_clear,
        can_switch=hello.can_switch,
    )


def check_builds(projection: str, identity: Identity) -> Callable[[EventFilter | None], None] | None:
    """Makes sure that somebody reaches all that a projection's builds handle: with a higher revision it would replace them.

    Args:
        projection: The projection's name.
        identity: Who it is.

    Returns:
        What raises PermissionDeniedError for the filter of a build; None: nothing is to be checked.
    """

    def check(where: EventFilter | None) -> None:
        try:
            inside = _reaches_all(where, identity)
        except PermissionDeniedError:  # which says what the filter names
            inside = False
        if not inside:
            raise PermissionDeniedError(
                f"projection {shown(projection)!r} is there already and handles more than {identity.name} may reach", Role.READ
            )

    return check if identity.prefixes else None


def _reaches_all(where: EventFilter | None, identity: Identity) -> bool:
    """Whether a filter lies wholly within what somebody reaches: it is part of the projection, and is not narrowed."""
    if not identity.prefixes:
        return True
    given = where or EventFilter()
    part = narrowed(given, identity)
    whole = (given.streams, frozenset(given.stream_prefixes), given.categories)
    return whole == (part.streams, frozenset(part.stream_prefixes), part.categories)
