"""Words for projections: lags, spans, bars, errors. The texts are not clean yet: what writes them sees to that."""

import shlex
import sys
from datetime import timedelta
from typing import Final

from mink_client.cli.text import moment
from mink_client.projection_status import Filter, PartitionError, Projection, ProjectionState, RebuildMode, RebuildProgress

BAR_WIDTH: Final = 30
START_WORKER: Final = "mink worker run package.module:Name"
_STEPS: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def hint(command: str, name: str) -> str:
    """A command about a projection, as it can be typed into a shell: `mink projection resume 'my orders'`."""
    return f"mink projection {command} {shlex.quote(name)}"


def mode(found: RebuildMode) -> str:
    """A way to rebuild for a person."""
    return found.value.replace("_", " ")


def count(number: int, what: str) -> str:
    """A number of things: `1 event`, `2 events`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def span(time: timedelta) -> str:
    """A span in its two largest units: `0.3 s`, `42 s`, `3 min 5 s`, `2 d 4 h`."""
    seconds = max(time.total_seconds(), 0.0)
    if seconds < 10:
        return f"{seconds:.1f} s" if round(seconds, 1) else "0 s"
    left = round(seconds)
    parts: list[str] = []
    for unit, size in _STEPS:
        number, left = divmod(left, size)
        if number or parts:
            parts.append(f"{number} {unit}" if number else "")
    return " ".join(part for part in parts[:2] if part)


def lag(found: Projection) -> str:
    """How far behind, in events and in time."""
    return f"{count(found.lag_events, 'event')}, {span(found.lag)}"


def rate(events_per_second: float) -> str:
    """Events a second."""
    return f"{events_per_second:.1f}" if 0 < events_per_second < 100 else f"{events_per_second:.0f}"


def percent(done: int, total: int) -> str:
    """A share in percent. It is 100 only when all is done."""
    return "100%" if done >= total else f"{min(max(done, 0) * 100 // total, 99)}%"


def bar(done: int, total: int) -> str:
    """A bar of how much is done, and the share."""
    full, empty = "█░" if _can_write("█░") else "#-"
    filled = BAR_WIDTH if done >= total else max(done, 0) * BAR_WIDTH // total
    return f"{full * filled}{empty * (BAR_WIDTH - filled)} {percent(done, total)}"


def _can_write(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def rebuild(progress: RebuildProgress) -> str:
    """What a rebuild is at, and how far."""
    if not progress.to_position:
        return f"{mode(progress.mode)}, {progress.step}"
    known = f", {span(progress.time_left)} left" if progress.time_left is not None else ""
    return f"{mode(progress.mode)}, {progress.step}: {progress.done} of {progress.total} positions{known}"


def event_filter(chosen: Filter | None) -> str:
    """Which events a build handles."""
    if chosen is None:
        return "all events"
    lists = {
        "streams": chosen.streams,
        "stream prefixes": chosen.stream_prefixes,
        "categories": chosen.categories,
        "types": chosen.types,
    }
    return "; ".join(f"{name} {', '.join(texts)}" for name, texts in lists.items() if texts) or "all events"


def error_place(error: PartitionError) -> str:
    """Where something went wrong, and when."""
    # What somebody may not see of an event comes empty.
    kind = f", {error.type} of {error.stream}" if error.type and error.stream else ""
    event = f"position {error.position}{kind}" if error.position else "no single event"
    tried = f", tried {count(error.attempts, 'time')}" if error.attempts else ""
    return f"{moment(error.occurred_at)} at {event}, partition {error.partition}{tried}".lstrip()


def hindered(found: Projection) -> str:
    """Why nobody does what is to be done; empty if somebody does."""
    return halted(found) or (f"waiting for: {found.waiting_for}" if found.waiting_for else "")


def halted(found: Projection) -> str:
    """Why nothing at all is done: it is paused, or nobody is there; empty if neither."""
    if found.state is ProjectionState.PAUSED:
        return f"it is paused: {hint('resume', found.name)}"
    return "" if found.workers else f"no worker is connected; start one: {START_WORKER}"
