"""What operators do with projections: look at them, pause, rebuild and restart them, and mind what was set aside."""

import builtins
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message
from mink.v1 import projections_pb2 as pb

from mink_client.arguments import request as make
from mink_client.channel import Connection
from mink_client.errors import MinkError
from mink_client.projection_messages import mode_number, observed, parked_event, projection
from mink_client.projection_status import (
    Observed,
    ParkedEvent,
    PauseResult,
    Projection,
    ProjectionDeleted,
    RebuildMode,
    ReplayResult,
)
from mink_client.retry import call, is_transient, was_refused
from mink_client.watching import watch

Answer = TypeVar("Answer", bound=Message)


class Projections:
    """The projections of a log, for an operator: `mink.projections`.

    Every method that names a projection raises `ProjectionNotFound` if there is none of that name: a projection is made by its
    first worker. A `timeout` is in seconds, with all retries; not given: the client's. What all calls can raise is said at `Mink`.
    """

    def __init__(self, connection: Callable[[], Connection], timeout: float) -> None:
        """Made by `Mink.projections`.

        Args:
            connection: Gives the connection, or raises `ClientClosed`.
            timeout: Seconds that a call may take, unless it says otherwise.
        """
        self._open = connection
        self._timeout = timeout

    async def list(self, *, timeout: float | None = None) -> builtins.list[Projection]:
        """All projections, by name."""
        stub = self._open().projections
        answer = await self._ask(stub.ListProjections, pb.ListProjectionsRequest(), timeout)
        return [projection(message) for message in answer.projections]

    async def get(self, name: str, *, timeout: float | None = None) -> Projection:
        """One projection, with its partitions and workers."""
        stub = self._open().projections
        answer = await self._ask(stub.GetProjection, make(pb.GetProjectionRequest, projection=name), timeout)
        return projection(answer.projection)

    async def watch(
        self, name: str | None = None, *, timeout: float | None = None, silence_timeout: float = 15.0
    ) -> AsyncGenerator[Observed, None]:
        """How a projection is, or all are: now, again whenever that changes, and at least every few seconds. Without end.

        It goes on by itself when the server goes away, stops, or falls silent.

        Args:
            name: Which one; None: all.
            timeout: Seconds that the first answer may take, with all retries; not given: the client's. A server that has once
                answered is waited for without end.
            silence_timeout: Seconds without any message after which the connection counts as broken.

        Raises:
            ProjectionNotFound: There is none of that name, or there is none any more.
            ValueError: The name is empty.
        """
        if name == "":
            raise ValueError("name: must not be empty; None watches all")
        connection = self._open()
        request = make(pb.WatchProjectionsRequest, projection=name or "")
        seconds = self._seconds(timeout)
        messages = watch(
            connection, lambda: connection.projections.WatchProjections(request), timeout=seconds, silence_timeout=silence_timeout
        )
        try:
            async for message in messages:
                yield observed(message)
        finally:
            await messages.aclose()

    async def pause(self, name: str, *, timeout: float | None = None) -> PauseResult:
        """Takes all leases away, and lets none be given until the projection is resumed. One that is paused stays as it is.

        Returns when every worker has acknowledged that it handles nothing any more; or shortly before the time is over, with those
        who have not. It is sent again by itself where it is not known whether it was done; the workers that acknowledged the first
        one are not counted then.
        """
        stub = self._open().projections
        answer = await self._ask(stub.PauseProjection, make(pb.PauseProjectionRequest, projection=name), timeout)
        return PauseResult(projection(answer.projection), answer.acknowledged, tuple(answer.not_acknowledged))

    async def resume(self, name: str, *, timeout: float | None = None) -> Projection:
        """Ends a pause. One that is not paused stays as it is."""
        stub = self._open().projections
        answer = await self._ask(stub.ResumeProjection, make(pb.ResumeProjectionRequest, projection=name), timeout)
        return projection(answer.projection)

    async def rebuild(
        self,
        name: str,
        *,
        mode: RebuildMode | str = RebuildMode.IN_PLACE,
        revision: int = 0,
        timeout: float | None = None,
    ) -> Projection:
        """Builds the read model anew from the log. Returns when that is decided; `watch` tells when it is done.

        It is not sent again when it is not known whether it was done: a rebuild that has begun would begin again.

        Args:
            name: The projection.
            mode: In place, or side by side. Side by side while a build is made already: that one is begun again.
            revision: The revision of the code to rebuild with; 0: the highest of the workers that are connected, or else the live
                build's.
            timeout: Seconds.

        Returns:
            The projection as it is now.

        Raises:
            ProjectionInUse: The workers that are connected cannot do it.
            ValueError: The mode is none.
        """
        stub = self._open().projections
        request = make(pb.RebuildProjectionRequest, projection=name, mode=mode_number(mode), revision=revision)
        answer = await self._ask(stub.RebuildProjection, request, timeout, may_retry=was_refused)
        return projection(answer.projection)

    async def restart(self, name: str, *, timeout: float | None = None) -> Projection:
        """Takes all leases away and gives them anew, from the checkpoint; forgets that partitions were faulted."""
        stub = self._open().projections
        answer = await self._ask(stub.RestartProjection, make(pb.RestartProjectionRequest, projection=name), timeout)
        return projection(answer.projection)

    async def delete(self, name: str, *, timeout: float | None = None) -> ProjectionDeleted:
        """Forgets a projection: checkpoints, errors, parked events. The read model stays: it is not Mink's.

        Raises:
            ProjectionInUse: Workers are connected.
        """
        stub = self._open().projections
        request = make(pb.DeleteProjectionRequest, projection=name)
        # Not sent again when its outcome is unknown: the second answer would be that there is nothing to delete.
        answer = await self._ask(stub.DeleteProjection, request, timeout, may_retry=was_refused)
        return ProjectionDeleted(answer.checkpoint, answer.parked_events)

    async def parked(self, name: str, *, page_size: int = 0, timeout: float | None = None) -> AsyncIterator[ParkedEvent]:
        """Events that were set aside because their handler failed, by position; the next page is asked for when it is needed.

        Args:
            name: The projection.
            page_size: How many events the server sends at once, at most 1000. 0: 100.
            timeout: Seconds that a page may take.
        """
        request = make(pb.ListParkedEventsRequest, projection=name, page_size=page_size)
        while True:
            stub = self._open().projections
            page = await self._ask(stub.ListParkedEvents, request, timeout)
            for event in page.events:
                yield parked_event(event)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def replay_parked(
        self, name: str, *, positions: Sequence[int] | None = None, timeout: float | None = None
    ) -> ReplayResult:
        """Gives parked events to the handlers once more. Returns when all were tried, or shortly before the time is over.

        It is not sent again when it is not known whether it was done: what was handled would not be counted.

        Args:
            name: The projection.
            positions: Their positions, at most 1000; None: all.
            timeout: Seconds.

        Raises:
            ValueError: `positions` is empty.
        """
        if positions is not None and not positions:
            raise ValueError("positions: at least one; None replays all")
        stub = self._open().projections
        request = make(pb.ReplayParkedEventsRequest, projection=name, positions=_numbers(positions))
        answer = await self._ask(stub.ReplayParkedEvents, request, timeout, may_retry=was_refused)
        return ReplayResult(answer.handled, answer.failed, answer.waiting)

    async def drop_parked(
        self,
        name: str,
        *,
        positions: Sequence[int] | None = None,
        all: bool = False,  # noqa: A002
        timeout: float | None = None,
    ) -> int:
        """Forgets parked events. They stay in the log.

        It is not sent again when it is not known whether it was done: what was dropped would not be counted, and with `all` it
        would forget what was parked meanwhile.

        Args:
            name: The projection.
            positions: Their positions, at most 1000.
            all: All that are parked.
            timeout: Seconds.

        Returns:
            How many were forgotten.

        Raises:
            ValueError: Not one of `positions` and `all` was given, or both.
        """
        if bool(positions) == all:
            raise ValueError("positions, all: one of the two")
        stub = self._open().projections
        request = make(pb.DropParkedEventsRequest, projection=name, positions=_numbers(positions), all=all)
        answer = await self._ask(stub.DropParkedEvents, request, timeout, may_retry=was_refused)
        return answer.dropped

    async def _ask(
        self,
        method: Callable[..., Awaitable[Answer]],
        request: Any,
        timeout: float | None,
        may_retry: Callable[[MinkError], bool] = is_transient,
    ) -> Answer:
        return await call(self._open(), lambda left: method(request, timeout=left), self._seconds(timeout), may_retry=may_retry)

    def _seconds(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout


def _numbers(positions: Sequence[int] | None) -> list[int]:
    return [] if positions is None else [*positions]
