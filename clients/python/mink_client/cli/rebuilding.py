"""Following a rebuild to its end, with a bar on a terminal."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias

from mink_client import ProjectionState, RebuildMode
from mink_client.cli import projection_text as text
from mink_client.cli.errors import Failure
from mink_client.cli.text import clean
from mink_client.projection_status import Build, Observed, PartitionError, Projection, RebuildProgress

Show: TypeAlias = Callable[[str, int, int | None, str], None]


async def follow(
    begun: Projection,
    mode: RebuildMode,
    observed: AsyncIterator[Observed],
    ask: Callable[[], Awaitable[Projection]],
    patience: float,
) -> Projection:
    """Waits until a rebuild is done.

    Args:
        begun: The projection as it was when the rebuild had been decided.
        mode: How it is rebuilt.
        observed: How the projection is, again and again, without end.
        ask: Asks how it is now: what is observed may be from a moment before the rebuild began.
        patience: Seconds that it may wait for what only an operator can change: a pause, or that no worker is there.

    Returns:
        The projection as it is then.

    Raises:
        Failure: A handler failed for good, the rebuild was given up, or it waits for too long.
        MinkError: It cannot be observed, for example because the projection was deleted.
    """
    waiting = _Waiting(patience)
    with _bar() as show:
        async with waiting.limit():
            return await _follow(begun, mode, observed, ask, waiting, show)


async def _follow(
    begun: Projection,
    mode: RebuildMode,
    observed: AsyncIterator[Observed],
    ask: Callable[[], Awaitable[Projection]],
    waiting: "_Waiting",
    show: Show,
) -> Projection:
    wanted = begun.next.build if mode is RebuildMode.SIDE_BY_SIDE and begun.next else begun.live.build
    async for seen in observed:
        found = next(iter(seen.projections), begun)
        build = _under_way(found, mode)
        if build is None or _stopped_at(build):
            found = await ask()
            build = _under_way(found, mode)
        if build is None:
            return _ended(found, wanted)
        if error := _stopped_at(build):
            raise Failure(f"the rebuild has stopped {text.error_place(error)}: {error.message}; {_advice(found)}")
        waiting.see(_hindrance(found, build))
        if (progress := build.rebuild) is not None:
            total = progress.total if progress.to_position else None
            show(_title(found, progress), progress.done, total, _left(waiting.hindrance, progress))
    raise Failure(f"nothing more is told of {begun.name}: {text.hint('status', begun.name)}")


class _Waiting:
    """What a rebuild waits for that only an operator can change, and how long it may.

    Attributes:
        hindrance: What it waits for; empty: it goes on.
    """

    def __init__(self, patience: float) -> None:
        self.hindrance = ""
        self._patience = patience
        self._clock = asyncio.timeout(None)

    @asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        """Ends what is in it when the rebuild has waited for too long.

        Raises:
            Failure: It has.
        """
        try:
            async with self._clock:
                yield
        except TimeoutError:
            if not self._clock.expired():
                raise
            raise Failure(f"the rebuild waits; {self.hindrance}") from None

    def see(self, hindrance: str) -> None:
        """Takes note of what it waits for now."""
        if bool(hindrance) != bool(self.hindrance):
            self._clock.reschedule(asyncio.get_running_loop().time() + self._patience if hindrance else None)
        self.hindrance = hindrance


def _under_way(found: Projection, mode: RebuildMode) -> Build | None:
    if mode is RebuildMode.SIDE_BY_SIDE:
        return found.next
    return found.live if found.live.rebuild is not None else None


def _stopped_at(build: Build) -> PartitionError | None:
    """The error at which a partition of a build has stopped until an operator restarts it; None if it goes on by itself."""
    faulted = (p for p in build.partitions if p.state is ProjectionState.FAULTED and p.restarts_at is None)
    return next((p.last_error or _untold(p.partition) for p in faulted), None)


def _untold(partition: int) -> PartitionError:
    return PartitionError(0, "", "", "its error is not known", 0, None, partition)


def _ended(found: Projection, wanted: int) -> Projection:
    if found.live.build < wanted:
        raise Failure(f"build {wanted} of {found.name} was given up; build {found.live.build} is live")
    return found


def _advice(found: Projection) -> str:
    return f"mend it, then: {text.hint('restart', found.name)}"


def _title(found: Projection, progress: RebuildProgress) -> str:
    doing = found.state.value if found.state is ProjectionState.PAUSED else progress.step
    return f"Rebuilding {found.name} {text.mode(progress.mode)}: {doing}"


def _hindrance(found: Projection, build: Build) -> str:
    """Why nobody does the rebuild; empty if somebody does."""
    if any(partition.worker_id for partition in build.partitions):
        return text.halted(found)  # what waits for a worker is the other build
    return text.hindered(found)


def _left(hindrance: str, progress: RebuildProgress) -> str:
    if hindrance:
        return hindrance
    return f"{text.span(progress.time_left)} left" if progress.time_left is not None else ""


@contextmanager
def _bar() -> Iterator[Show]:
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.markup import escape  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Rebuilding", total=None, left="")

        def show(title: str, done: int, total: int | None, left: str) -> None:
            progress.update(task, description=escape(clean(title)), completed=done, total=total, left=escape(clean(left)))

        yield show
