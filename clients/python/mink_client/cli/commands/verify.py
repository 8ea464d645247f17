"""`mink verify`: whether anything in the log is missing or bent."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import typer

from mink_client import Mink, Verification, VerificationProgress
from mink_client.cli import output
from mink_client.cli.command import command
from mink_client.cli.errors import Failure
from mink_client.cli.output import to_json
from mink_client.cli.progress import counting
from mink_client.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable


def register(app: typer.Typer) -> None:
    """Adds the command."""
    command(app, "verify", timeout=20)(_verify)


async def _verify(session: Session) -> None:
    """Read the whole log and prove that nothing is missing or bent. Ends with 1 and the first fault if something is.

    --timeout says how long the server may be silent, not how long the verification may take.
    """
    async with session.connect() as mink:
        found = await _watched(mink)
    fault = found.fault
    if session.json:
        output.write_json(to_json(_as_json(found)))
    else:
        pairs: list[tuple[str, object]] = [
            ("newest position", found.head),
            ("events", found.events),
            ("streams, also deleted", found.streams),
            ("snapshots", found.snapshots),
        ]
        if fault is None:
            pairs.append(("removed events", found.removed))
        else:
            concerned = {"position": fault.position, "stream": fault.stream, "version": fault.version}
            pairs += [("fault", fault.kind.name), *((name, value) for name, value in concerned.items() if value)]
        pairs.append(("the log is", "sound" if fault is None else "not sound"))
        output.facts(*pairs)
    if fault is not None:
        raise Failure(f"the log is not sound: {fault.message}")


async def _watched(mink: Mink) -> Verification:
    """Verifies, with a bar for each step."""
    with ExitStack() as bar:
        step, at = "", 0
        more: Callable[[int], None] | None = None

        def show(progress: VerificationProgress) -> None:
            nonlocal step, at, more
            if more is None or progress.step != step:
                bar.close()
                step, at = progress.step, 0
                more = bar.enter_context(counting(f"Verifying {step}", progress.head))
            more(progress.position - at)
            at = progress.position

        return await mink.verify(progress=show)


def _as_json(found: Verification) -> dict[str, Any]:
    fault = found.fault
    return {
        "sound": found.sound,
        "head": found.head,
        "events": found.events,
        "streams": found.streams,
        "snapshots": found.snapshots,
        "removed": found.removed,
        "fault": None
        if fault is None
        else {
            "kind": fault.kind.name,
            "position": fault.position,
            "stream": fault.stream,
            "version": fault.version,
            "message": fault.message,
        },
    }
