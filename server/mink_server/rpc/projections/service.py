"""The Projections service: check, call the core, convert."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from mink.v1 import projections_pb2 as pb

from mink_server.core import limits
from mink_server.core.access import ANYBODY
from mink_server.rpc import checks
from mink_server.rpc.lifetime import Lifetime
from mink_server.rpc.projections import convert
from mink_server.rpc.projections.operating import Operating
from mink_server.rpc.projections.session import Session
from mink_server.telemetry.call import CURRENT

if TYPE_CHECKING:
    import grpc

    from mink_server.core.access import Identity
    from mink_server.core.log import Log
    from mink_server.core.projections.model import Observed
    from mink_server.rpc.admission import Admission
    from mink_server.rpc.drain import Drain
    from mink_server.rpc.projections.supervisor import Supervisor
    from mink_server.rpc.waiting import Waiting

    Context = grpc.aio.ServicerContext[Any, Any]

_DEFAULT_PAGE: Final = 100
_MOST_POSITIONS: Final = 1000


class Projections:
    """Serves the projections of one log.

    Args:
        log: The log.
        supervisor: Decides with the database who gets which lease.
        drain: Says when the server is about to stop.
        admission: Counts what clients have under way.
        waiting: Sends messages.
        checkpoint_seconds: The longest silence of a watch.
        age: Seconds after which a worker's call begins anew; 0: never.
        patience: Seconds that a worker has for giving back its leases when its call has to end.
    """

    def __init__(
        self,
        log: Log,
        supervisor: Supervisor,
        drain: Drain,
        admission: Admission,
        waiting: Waiting,
        *,
        checkpoint_seconds: float,
        age: float,
        patience: float,
    ) -> None:
        self._log = log
        self._control = log.projections.control
        self._supervisor = supervisor
        self._drain = drain
        self._admission = admission
        self._waiting = waiting
        self._checkpoint_seconds = checkpoint_seconds
        self._age = age
        self._patience = patience
        self._operating = Operating(self._control, supervisor)

    async def Run(self, _requests: object, context: Context) -> None:  # noqa: N802
        """See the proto."""
        client = self._admission.subscribe()
        try:
            lifetime = Lifetime(self._drain, self._age)
            await Session(
                self._log,
                self._supervisor,
                self._drain,
                lifetime,
                self._admission,
                self._waiting,
                context,
                self._patience,
            ).run()
        finally:
            self._admission.unsubscribe(client)

    async def ListProjections(self, _request: pb.ListProjectionsRequest, _context: Context) -> pb.ListProjectionsResponse:  # noqa: N802
        """See the proto."""
        return pb.ListProjectionsResponse(projections=convert.projections(await self._control.list(), _caller()))

    async def GetProjection(self, request: pb.GetProjectionRequest, _context: Context) -> pb.GetProjectionResponse:  # noqa: N802
        """See the proto."""
        return pb.GetProjectionResponse(projection=_shown(await self._control.get(_name(request))))

    async def WatchProjections(self, request: pb.WatchProjectionsRequest, context: Context) -> None:  # noqa: N802
        """See the proto."""
        name = _name(request) if request.projection else ""
        client = self._admission.subscribe()
        try:
            lifetime = Lifetime(self._drain, self._age)
            await self._operating.watch(name, lifetime, self._waiting, context, self._checkpoint_seconds)
        finally:
            self._admission.unsubscribe(client)

    async def PauseProjection(self, request: pb.PauseProjectionRequest, context: Context) -> pb.PauseProjectionResponse:  # noqa: N802
        """See the proto."""
        paused = await self._operating.pause(_name(request), context.time_remaining())
        return pb.PauseProjectionResponse(
            projection=_shown(paused.observed), acknowledged=paused.acknowledged, not_acknowledged=paused.not_acknowledged
        )

    async def ResumeProjection(self, request: pb.ResumeProjectionRequest, _context: Context) -> pb.ResumeProjectionResponse:  # noqa: N802
        """See the proto."""
        observed = await self._control.resume(_name(request))
        self._supervisor.changed(request.projection)
        return pb.ResumeProjectionResponse(projection=_shown(observed))

    async def RebuildProjection(self, request: pb.RebuildProjectionRequest, _context: Context) -> pb.RebuildProjectionResponse:  # noqa: N802
        """See the proto."""
        problems = checks.Problems()
        checks.check_name(problems, "projection", request.projection, limits.MAX_PROJECTION_NAME)
        mode = convert.mode(problems, "mode", request.mode)
        revision = checks.count(problems, "revision", request.revision)
        problems.check()
        observed = await self._control.rebuild(request.projection, mode, revision)
        self._supervisor.changed(request.projection)
        return pb.RebuildProjectionResponse(projection=_shown(observed))

    async def RestartProjection(self, request: pb.RestartProjectionRequest, _context: Context) -> pb.RestartProjectionResponse:  # noqa: N802
        """See the proto."""
        observed = await self._control.restart(_name(request))
        self._supervisor.changed(request.projection)
        return pb.RestartProjectionResponse(projection=_shown(observed))

    async def DeleteProjection(self, request: pb.DeleteProjectionRequest, _context: Context) -> pb.DeleteProjectionResponse:  # noqa: N802
        """See the proto."""
        name = _name(request)
        checkpoint, parked = await self._control.delete(name)
        self._supervisor.counts.forget(name)
        self._supervisor.changed(request.projection)
        return pb.DeleteProjectionResponse(checkpoint=checkpoint, parked_events=parked)

    async def ListParkedEvents(self, request: pb.ListParkedEventsRequest, _context: Context) -> pb.ListParkedEventsResponse:  # noqa: N802
        """See the proto."""
        problems = checks.Problems()
        checks.check_name(problems, "projection", request.projection, limits.MAX_PROJECTION_NAME)
        size = checks.count(problems, "page_size", request.page_size, limits.MAX_PAGE_SIZE) or _DEFAULT_PAGE
        after = 0
        try:
            text = base64.b64decode(request.page_token, altchars=b"-_", validate=True).decode("ascii")
            after = checks.count(problems, "page_token", int(text)) if text else 0
        except ValueError:
            problems.add("page_token", "must be one that a page before gave")
        problems.check()
        found = await self._control.parked(request.projection, after, size + 1)
        token = base64.urlsafe_b64encode(str(found[size - 1].position).encode()).decode() if len(found) > size else ""
        return pb.ListParkedEventsResponse(events=map(convert.parked_event, found[:size]), next_page_token=token)

    async def ReplayParkedEvents(  # noqa: N802
        self, request: pb.ReplayParkedEventsRequest, context: Context
    ) -> pb.ReplayParkedEventsResponse:
        """See the proto."""
        problems = checks.Problems()
        positions = _positions(request, problems)
        problems.check()
        tried = await self._operating.replay(request.projection, positions, context.time_remaining())
        return pb.ReplayParkedEventsResponse(handled=tried.handled, failed=tried.failed, waiting=tried.waiting)

    async def DropParkedEvents(self, request: pb.DropParkedEventsRequest, _context: Context) -> pb.DropParkedEventsResponse:  # noqa: N802
        """See the proto."""
        problems = checks.Problems()
        positions = _positions(request, problems)
        if not positions and not request.all:
            problems.add("positions", "must be given, or all must be true")
        if positions and request.all:
            problems.add("all", "goes without positions")
        problems.check()
        return pb.DropParkedEventsResponse(dropped=await self._control.drop(request.projection, positions))


def _name(request: Any) -> str:
    """The `projection` of a request.

    Raises:
        InvalidRequestError: It is no projection's name.
    """
    problems = checks.Problems()
    checks.check_name(problems, "projection", request.projection, limits.MAX_PROJECTION_NAME)
    problems.check()
    return str(request.projection)


def _positions(request: Any, problems: checks.Problems) -> list[int]:
    """The `projection` of a request, checked, and its `positions`."""
    checks.check_name(problems, "projection", request.projection, limits.MAX_PROJECTION_NAME)
    if len(request.positions) > _MOST_POSITIONS:
        problems.add("positions", f"has {len(request.positions)} entries, at most {_MOST_POSITIONS} are allowed")
    for i, position in enumerate(request.positions):
        if position < 1:
            problems.add(f"positions[{i}]", "must be 1 or more")
    return sorted(set(request.positions))


def _caller() -> Identity:
    call = CURRENT.get()
    return ANYBODY if call is None else call.identity


def _shown(observed: Observed) -> pb.Projection:
    return convert.projection(observed, _caller())
