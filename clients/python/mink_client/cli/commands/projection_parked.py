"""`mink projection parked list|replay|drop`: events that were set aside because their handler failed."""

from typing import Annotated

import typer

from mink_client import ReplayResult
from mink_client.cli import options, output
from mink_client.cli import projection_text as text
from mink_client.cli.asking import ask, may_ask
from mink_client.cli.command import command
from mink_client.cli.errors import Failure, wrong_call
from mink_client.cli.output import Column, JsonArray, Rows, to_json
from mink_client.cli.progress import working
from mink_client.cli.projection_json import parked_json
from mink_client.cli.session import Session
from mink_client.cli.text import clean, moment
from mink_client.projection_status import ParkedEvent, Projection

_REPLAYING_TIMEOUT = 60.0
_PAGE = 1000

Positions = Annotated[
    list[int] | None,
    typer.Option("--position", min=1, max=options.MOST, metavar="N", help="The event at this position; repeatable."),
]
All = Annotated[bool, typer.Option("--all", help="All that are parked.")]

_COLUMNS = (
    Column("POSITION", right=True),
    Column("STREAM"),
    Column("VERSION", right=True),
    Column("TYPE"),
    Column("TRIED", right=True),
    Column("PARKED AT"),
    Column("REPLAYING"),
    Column("ERROR"),
)


def register(parked: typer.Typer) -> None:
    """Adds the commands."""
    command(parked, "list")(_list)
    command(parked, "replay", timeout=_REPLAYING_TIMEOUT)(_replay)
    command(parked, "drop")(_drop)


async def _list(session: Session, projection: options.Projection, limit: options.Limit = 0) -> None:
    """List the events that a projection has set aside, with their errors, by position."""
    async with session.connect() as mink:
        found = mink.projections.parked(projection, page_size=min(limit, _PAGE) or _PAGE)
        if session.json:
            with JsonArray() as writer:
                number = 0
                async for event in found:
                    writer.add(to_json(parked_json(event)))
                    number += 1
                    if number == limit:
                        break
            return
        rows = Rows(*_COLUMNS)
        number = 0
        async for event in found:
            _add(rows, event)
            number += 1
            if number == limit:
                break
    if number:
        rows.flush()
    else:
        output.write(clean(f"{projection} has no parked events."))


def _add(rows: Rows, event: ParkedEvent) -> None:
    replaying = "yes" if event.replaying else "no"
    about = (event.position, event.stream, event.version, event.type, event.attempts)
    rows.add(*about, moment(event.parked_at), replaying, event.message)


async def _replay(session: Session, projection: options.Projection, positions: Positions = None, everything: All = False) -> None:
    """Give parked events to their handlers once more: all, or those at the positions. Ends with 1 if one is not handled."""
    if positions and everything:
        raise wrong_call("--position, --all: one of the two")
    wanted = sorted(set(positions)) if positions else None
    async with session.connect() as mink:
        with working("Replaying"):
            result = await mink.projections.replay_parked(projection, positions=wanted)
        found = await mink.projections.get(projection) if result.waiting else None
    if session.json:
        done = {"projection": projection, "handled": result.handled, "failed": result.failed, "waiting": result.waiting}
        output.write_json(to_json(done))
    elif result.handled or result.failed or result.waiting:
        output.write(clean(f"Replayed {projection}: {result.handled} handled, {result.failed} failed, {result.waiting} waiting."))
    elif wanted is None:
        output.write(clean(f"{projection} has no parked events."))
    problems = _problems(projection, result, found)
    tried = result.handled + result.failed + result.waiting
    if wanted and tried < len(wanted):
        problems.append(f"{_of(len(wanted) - tried, len(wanted))} not parked")
    if problems:
        raise Failure("; ".join(problems))


def _problems(projection: str, result: ReplayResult, found: Projection | None) -> list[str]:
    problems = []
    if result.failed:
        stays = f"{text.count(result.failed, 'event')} failed again and {'stays' if result.failed == 1 else 'stay'} parked"
        problems.append(f"{stays}: `{text.hint('parked list', projection)}` has the errors")
    if found is not None:
        why = text.hindered(found) or "it is done when a worker comes to it"
        problems.append(f"{text.count(result.waiting, 'event')} not tried in time: {why}")
    return problems


async def _drop(
    session: Session, projection: options.Projection, positions: Positions = None, everything: All = False, yes: options.Yes = False
) -> None:
    """Forget parked events: those at the positions, or all. They stay in the log, and the read model stays without them."""
    if bool(positions) == everything:
        raise wrong_call("say which: --position N, which can be repeated, or --all")
    wanted = sorted(set(positions)) if positions else None
    asking = may_ask(session, yes=yes)
    async with session.connect() as mink:
        if asking:
            found = await mink.projections.get(projection)
            number = len(wanted) if wanted else found.parked_events
            ask(f"Forget {text.count(number, 'parked event')} of {projection}, for good?")
        dropped = await mink.projections.drop_parked(projection, positions=wanted, all=everything)
    if session.json:
        output.write_json(to_json({"projection": projection, "dropped": dropped}))
    elif dropped or not wanted:
        output.write(clean(f"Dropped {text.count(dropped, 'parked event')} of {projection}."))
    if wanted and dropped < len(wanted):
        raise Failure(f"{_of(len(wanted) - dropped, len(wanted))} not parked")


def _of(number: int, total: int) -> str:
    return f"{number} of {text.count(total, 'position')}"
