"""A lease: what a worker may handle, and under which token."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_current: Final[ContextVar[Lease]] = ContextVar("mink_lease")


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to handle one partition of one build.

    Attributes:
        projection: The projection's name.
        build: The build: 1, 2, 3 … in the projection.
        partition: The partition: 0 to `partitions` - 1.
        token: The fencing token: greater than that of every lease of the projection before.
        partitions: How many partitions the build has.
        live: Whether the build is the live one.
        live_build: The build that is live.
    """

    projection: str
    build: int
    partition: int
    token: int
    partitions: int
    live: bool
    live_build: int


def current_lease() -> Lease:
    """The lease under which the handler or hook runs that calls this. For targets of your own that keep builds side by side.

    Raises:
        LookupError: No handler and no hook runs here.
    """
    return _current.get()


@contextmanager
def under(lease: Lease) -> Iterator[None]:
    """What runs inside runs under the lease.

    Args:
        lease: The lease.
    """
    before = _current.set(lease)
    try:
        yield
    finally:
        _current.reset(before)
