"""Following a rebuild to its end, with a bar on a terminal."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from mink_client import ProjectionState, RebuildMode
from mink_client.cli import projection_text as text
from mink_client.cli.errors import Failure
from mink_client.cli.text import clean
from mink_client.projection_status import Build, Observed, PartitionError, Projection, RebuildProgress

Show: TypeAlias = Callable[[str, int, int | None, str], None]


async def follow(
    begun: Projection, mode: RebuildMode, observed: AsyncIterator[Observed], ask: Callable[[], Awaitable[Projection]]
) -> Projection:
    """Waits until a rebuild is done.

    Args:
        begun: The projection as it was when the rebuild had been decided.
        mode: How it is rebuilt.
        observed: How the projection is, again and again, without end.
        ask: Asks how it is now: what is observed may be from a moment before the rebuild began.

    Returns:
        The projection as it is then.

    Raises:
        Failure: A handler failed for good, or the rebuild was given up.
        MinkError: It cannot be observed, for example because the projection was deleted.
    """
    wanted = begun.next.build if mode is RebuildMode.SIDE_BY_SIDE and begun.next else begun.live.build
    with _bar() as show:
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
            if (progress := build.rebuild) is not None:
                total = progress.total if progress.to_position else None
                show(_title(found, progress), progress.done, total, _left(found, progress))
    raise Failure(f"nothing more is told of {begun.name}: mink projection status {begun.name}")


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
    return f"mend it, then: mink projection restart {found.name}"


def _title(found: Projection, progress: RebuildProgress) -> str:
    doing = found.state.value if found.state is ProjectionState.PAUSED else progress.step
    return f"Rebuilding {found.name} {text.mode(progress.mode)}: {doing}"


def _left(found: Projection, progress: RebuildProgress) -> str:
    hindrance = text.hindered(found)
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
