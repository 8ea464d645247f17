"""What a worker says of its leases: checked, and taken."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from mink_server.core.errors import FieldViolation, InvalidRequestError
from mink_server.core.projections.model import Lease
from mink_server.rpc import checks
from mink_server.rpc.projections import messages
from mink_server.rpc.projections.convert import handler_error, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from mink.v1 import projections_pb2 as pb

    from mink_server.rpc.projections.counts import Counts
    from mink_server.rpc.projections.desk import Desk
    from mink_server.rpc.projections.holding import Held
    from mink_server.rpc.projections.leases import Leases
    from mink_server.rpc.projections.outbox import Outbox

_LONGEST_RESTART: Final = 86_400
_LONGEST_TOOK: Final = 86_400
# Failures that a worker may tell of at once: sums of them must fit into a bigint for ever.
_MOST_ERRORS: Final = 1_000_000
# Messages that only a lease for handling events has, and of these, those that come after Start.
_OF_EVENTS: Final = ("start", "handled", "park", "replayed")
_AFTER_START: Final = ("handled", "park", "replayed")


class Answers:
    """Takes what one worker says.

    Args:
        leases: The worker's.
        desk: Does what must be durable.
        outbox: The worker's.
        counts: Counts what was handled.
    """

    def __init__(self, leases: Leases, desk: Desk, outbox: Outbox, counts: Counts) -> None:
        self._leases = leases
        self._desk = desk
        self._outbox = outbox
        self._counts = counts
        self._clock = asyncio.get_running_loop().time
        self._take: dict[str, Callable[[Held, Any], None]] = {
            "start": self._start,
            "handled": self._handled,
            "released": self._released,
            "faulted": self._faulted,
            "park": self._park,
            "replayed": self._replayed,
            "done": self._done,
        }

    def take(self, request: pb.RunRequest) -> None:
        """Takes a message after the first.

        Raises:
            InvalidRequestError: It cannot be right.
        """
        kind = request.WhichOneof("message")
        if kind == "heartbeat":
            return
        if kind is None:
            raise _wrong("message", "must be set")
        if kind == "hello":
            raise _wrong("hello", "must be sent once, and first")
        given: Any = getattr(request, kind)
        held = self._leases.find(given.lease.build, given.lease.partition, given.lease.token)
        if held is None:
            if kind != "released":
                lease = Lease(self._leases.projection, given.lease.build, given.lease.partition, given.lease.token)
                self._outbox.put(messages.revoked(lease, lost=True))
            return
        if kind == "done" and held.handles:
            raise _wrong("done.lease", "is for handling events")
        if kind in _OF_EVENTS and not held.handles:
            raise _wrong(f"{kind}.lease", "is not for handling events")
        if kind in _AFTER_START and not held.started:
            raise _wrong(f"{kind}.lease", "no events were sent under it")
        self._take[kind](held, given)

    def _start(self, held: Held, given: pb.Start) -> None:
        problems = checks.Problems()
        checks.count(problems, "start.after_position", given.after_position)
        if held.starting:
            problems.add("start.lease", "was started already")
        problems.check()
        held.starting = True
        self._desk.start(held, given.after_position, given.log_id)

    def _handled(self, held: Held, given: pb.Handled) -> None:
        problems = checks.Problems()
        checks.count(problems, "handled.position", given.position)
        # Each event has a position of its own.
        checks.count(problems, "handled.events", given.events, max(min(given.position, held.told) - held.checkpoint, 0))
        for field in ("errors", "skipped"):
            checks.count(problems, f"handled.{field}", getattr(given, field), _MOST_ERRORS)
        if given.position > held.told:
            problems.add("handled.position", f"is beyond what was sent, which is {held.told}")
        took = seconds(given.took)
        if not 0 <= took <= _LONGEST_TOOK:
            problems.add("handled.took", f"must be 0 to {_LONGEST_TOOK} seconds")
        problems.check()
        held.handled(given.position, given.events, given.errors, self._clock())
        self._counts.handled(self._leases.projection, given.events, given.errors, took)

    def _released(self, held: Held, _given: pb.Released) -> None:
        self._leases.drop(held)
        self._desk.release(held)

    def _faulted(self, held: Held, given: pb.Faulted) -> None:
        after = seconds(given.restart_after) if given.HasField("restart_after") else None
        if after is not None and not 0 <= after <= _LONGEST_RESTART:
            raise _wrong("faulted.restart_after", f"must be 0 to {_LONGEST_RESTART} seconds")
        error = handler_error(given.error)
        held.failed(max(error.attempts, 1))
        self._counts.handled(self._leases.projection, 0, max(error.attempts, 1), 0)
        self._leases.drop(held)
        self._desk.fault(held, error, after)

    def _park(self, held: Held, given: pb.Park) -> None:
        error = handler_error(given.error)
        if not held.checkpoint < error.position <= held.told:
            raise _wrong("park.error.position", f"must be one that was sent and not handled: {held.checkpoint + 1} to {held.told}")
        self._desk.park(held, error)

    def _replayed(self, held: Held, given: pb.Replayed) -> None:
        if held.replays is not None:
            held.replays.answered(given.position, handler_error(given.error) if given.HasField("error") else None)

    def _done(self, held: Held, _given: pb.Done) -> None:
        self._desk.finish(held)


def _wrong(field: str, description: str) -> InvalidRequestError:
    return InvalidRequestError([FieldViolation(field, description)])
