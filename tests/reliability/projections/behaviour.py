"""What the handlers of these projections do besides: they say when they are at what, and hang, fail or dawdle when told to.

Tests tell them by files in a folder: `hold` (wait until there is a file `go`), `slow` (seconds for each event), `mended` (events of
type Poisoned are no poison any more).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.reliability.projections.judge import Logged, partition_of
from tests.reliability.projections.writers import POISON

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mink_client import RecordedEvent

FOLDER = Path(os.environ["READ_MODEL_FOLDER"])
PARTITIONS = int(os.environ.get("READ_MODEL_PARTITIONS", "1"))
PID = os.getpid()

_files: dict[str, int] = {}


def write(kind: str, **what: object) -> None:
    """Adds a line to this process's file of a kind, whole or not at all."""
    if kind not in _files:
        _files[kind] = os.open(FOLDER / f"{kind}-{PID}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(_files[kind], json.dumps({"at": time.monotonic(), **what}).encode() + b"\n")


def logged(event: RecordedEvent) -> Logged:
    """An event as the judge knows it."""
    return Logged(event.position, event.stream, event.version, event.type, event.json()["amount"])


@contextlib.contextmanager
def span(events: Sequence[RecordedEvent]) -> Iterator[None]:
    """Says when the handler begins and ends."""
    about = {"partition": partition_of(events[0].stream, PARTITIONS), "first": events[0].position, "last": events[-1].position}
    began = time.monotonic()
    write("spans", began=began, ended=None, **about)
    try:
        yield
    finally:
        write("spans", began=began, ended=time.monotonic(), **about)


def fail(events: Sequence[RecordedEvent]) -> None:
    """Fails if there is poison among these."""
    if any(event.type == POISON for event in events) and not (FOLDER / "mended").exists():
        raise ValueError("poison cannot be handled")


async def dawdle(events: Sequence[RecordedEvent]) -> None:
    """Takes its time, or hangs. READ_MODEL_HOLDS says what a handler that hangs holds up: itself, or the whole process."""
    for seconds in _dawdling(events):
        if os.environ.get("READ_MODEL_HOLDS") == "process":
            time.sleep(seconds)  # noqa: ASYNC251 - that is what bad handlers do
        else:
            await asyncio.sleep(seconds)


def dawdle_here(events: Sequence[RecordedEvent]) -> None:
    """The same for a handler that is no coroutine."""
    for seconds in _dawdling(events):
        time.sleep(seconds)


def _dawdling(events: Sequence[RecordedEvent]) -> Iterator[float]:
    for _ in events:
        try:
            yield float((FOLDER / "slow").read_text() or 0)
        except FileNotFoundError:
            break
    if (FOLDER / "hold").exists():
        (FOLDER / f"held-{PID}").touch()
        while not (FOLDER / "go").exists():
            yield 0.02
        write("went_on", first=events[0].position, last=events[-1].position)
