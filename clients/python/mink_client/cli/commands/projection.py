"""`mink projection …`: look at projections, pause, resume, restart and delete them."""

import typer

from mink_client import PauseResult, ProjectionState
from mink_client.cli import options, output
from mink_client.cli import projection_text as text
from mink_client.cli.asking import ask, may_ask
from mink_client.cli.command import command
from mink_client.cli.commands import projection_parked, projection_rebuild, projection_watch
from mink_client.cli.errors import Failure
from mink_client.cli.output import Column, JsonArray, Rows, to_json
from mink_client.cli.progress import working
from mink_client.cli.projection_json import projection_json
from mink_client.cli.projection_view import show_status
from mink_client.cli.session import Session
from mink_client.cli.text import clean, moment
from mink_client.projection_status import Projection


def register(projections: typer.Typer) -> None:
    """Adds the commands."""
    command(projections, "list")(_list)
    command(projections, "status")(_status)
    projection_watch.register(projections)
    command(projections, "pause")(_pause)
    command(projections, "resume")(_resume)
    command(projections, "restart")(_restart)
    projection_rebuild.register(projections)
    command(projections, "delete")(_delete)
    parked = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Events that were set aside: list, replay, drop them.")
    projection_parked.register(parked)
    projections.add_typer(parked, name="parked")


async def _list(session: Session) -> None:
    """List projections by name."""
    async with session.connect() as mink:
        found = await mink.projections.list()
    if session.json:
        with JsonArray() as writer:
            for projection in found:
                writer.add(to_json(projection_json(projection)))
        return
    if not found:
        output.write(f"There is no projection yet; start a worker of one: {text.START_WORKER}")
        return
    columns = (Column("NAME"), Column("POSITION", right=True), Column("STATUS"), Column("LAG"), Column("LAST UPDATED"))
    with Rows(*columns) as rows:
        for projection in found:
            status = projection.state.value
            rows.add(projection.name, projection.checkpoint, status, text.lag(projection), moment(projection.updated_at) or "never")


async def _status(session: Session, projection: options.Projection) -> None:
    """Show how a projection is: position and lag, partitions, workers, errors, and how far a rebuild is."""
    async with session.connect() as mink:
        found = await mink.projections.get(projection)
    if session.json:
        output.write_json(to_json(projection_json(found)))
    else:
        show_status(found)


async def _pause(session: Session, projection: options.Projection) -> None:
    """Pause a projection until it is resumed. Ends when its workers have acknowledged, with 1 if one has not in time."""
    async with session.connect() as mink:
        before = await mink.projections.get(projection)
        with working("Pausing"):
            paused = await mink.projections.pause(projection)
    already = before.state is ProjectionState.PAUSED
    if session.json:
        document = {
            "acknowledged": paused.acknowledged,
            "not_acknowledged": paused.not_acknowledged,
            "already_paused": already,
            "projection": projection_json(paused.projection),
        }
        output.write_json(to_json(document))
    elif not paused.not_acknowledged:
        output.write(clean(_paused(paused, already=already)))
    if paused.not_acknowledged:
        # What was written so far is the whole answer for a program.
        output.flush()
        names = ", ".join(paused.not_acknowledged)
        others = f"; {text.count(paused.acknowledged, 'worker')} acknowledged" if paused.acknowledged else ""
        raise Failure(
            f"{projection} is paused, and not acknowledged in time by {names}, who lose their leases within seconds{others}"
        )


def _paused(result: PauseResult, *, already: bool) -> str:
    name = result.projection.name
    if already and not result.acknowledged:
        return f"{name} is paused already."
    if result.acknowledged:
        position = result.projection.checkpoint
        return f"Paused {name} at position {position}: acknowledged by {text.count(result.acknowledged, 'worker')}."
    if result.projection.workers:
        return f"Paused {name}: no worker was at it; {text.count(len(result.projection.workers), 'worker')} connected."
    return f"Paused {name}: no worker is connected."


async def _resume(session: Session, projection: options.Projection) -> None:
    """End a pause."""
    async with session.connect() as mink:
        before = await mink.projections.get(projection)
        after = await mink.projections.resume(projection)
    was_paused = before.state is ProjectionState.PAUSED
    _show(session, after, f"Resumed {projection} at position {after.checkpoint}" if was_paused else f"{projection} was not paused")


async def _restart(session: Session, projection: options.Projection) -> None:
    """Have a projection's partitions handled anew from its checkpoint, also those that stopped at an error."""
    async with session.connect() as mink:
        after = await mink.projections.restart(projection)
    _show(session, after, f"Restarted {projection} at position {after.checkpoint}")


def _show(session: Session, after: Projection, done: str) -> None:
    if session.json:
        output.write_json(to_json(projection_json(after)))
        return
    hindrance = text.hindered(after)
    output.write(clean(f"{done}; {hindrance}" if hindrance else f"{done}."))


async def _delete(session: Session, projection: options.Projection, yes: options.Yes = False) -> None:
    """Forget a projection: its checkpoint, errors and parked events. The read model stays. Refused while workers are connected."""
    asking = may_ask(session, yes=yes)
    async with session.connect() as mink:
        if asking:
            found = await mink.projections.get(projection)
            parked = text.count(found.parked_events, "parked event")
            ask(f"Forget the projection {projection} at position {found.checkpoint}, with {parked}, for good?")
        deleted = await mink.projections.delete(projection)
    if session.json:
        done = {"projection": projection, "checkpoint": deleted.checkpoint, "parked_events": deleted.parked_events}
        output.write_json(to_json(done))
        return
    parked = text.count(deleted.parked_events, "parked event")
    output.write(clean(f"Deleted {projection}, which was at position {deleted.checkpoint}, with {parked}. Its read model stays."))
