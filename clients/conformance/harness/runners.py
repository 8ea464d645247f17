"""Runs the runner of one client, watches over it, and takes what it reports."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clients.conformance.harness.processes import clean_environment, end_group, launch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clients.conformance.harness.control import Record

SKIPPED: Final = 77
"""The exit code of a runner whose toolchain is not there."""

_LOOK: Final = 0.2
_TAIL_LINES: Final = 30


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a runner may take, in seconds.

    Attributes:
        start: Before its first case: it may have to build itself.
        case: From one case to the next, and from the last to its end.
    """

    start: float = 900.0
    case: float = 90.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a runner ended.

    Attributes:
        code: Its exit code; None: it was killed because it was over its limit.
        tail: The last lines that it wrote.
        results: What it reported; None: nothing that could be read.
        seconds: How long it ran.
        hung_in: Where it was when it was killed.
    """

    code: int | None
    tail: str
    results: Any
    seconds: float
    hung_in: str = ""


async def run(
    command: Path, folder: Path, record: Record, variables: Mapping[str, str], limits: Limits, *, aloud: bool = True
) -> Ended:
    """Runs a runner to its end.

    Args:
        command: The program.
        folder: Where its results go.
        record: What it asks for, so that one that hangs is noticed.
        variables: What it is told, beside where its results go.
        limits: How long it may take.
        aloud: Whether what it writes is shown while it runs.
    """
    results = folder / "results.json"
    results.unlink(missing_ok=True)
    env = {**clean_environment(), **variables, "MINK_CONFORMANCE_RESULTS": str(results)}
    began = record.since = time.monotonic()
    process = await launch(
        [command],
        env,
        dies_by=signal.SIGTERM,
        cwd=command.parent,
        start_new_session=True,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    echo = asyncio.create_task(_echo(process, tail, aloud=aloud))
    hung_in = ""
    try:
        while process.returncode is None and not hung_in:
            await asyncio.wait([asyncio.create_task(process.wait())], timeout=_LOOK)
            hung_in = _over(record, limits) if process.returncode is None else ""
        code = None if hung_in else process.returncode
    finally:
        # Also what a runner that has ended left behind.
        await end_group(process)
        await asyncio.wait([echo], timeout=1)
        echo.cancel()
    return Ended(code, "".join(tail), _read(results), time.monotonic() - began, hung_in)


def _over(record: Record, limits: Limits) -> str:
    passed = time.monotonic() - record.since
    if record.current is None:
        return f"before its first case, for {passed:.0f} s" if passed > limits.start else ""
    return f"in or after {record.current[0]}: {record.current[1]}, for {passed:.0f} s" if passed > limits.case else ""


async def _echo(process: asyncio.subprocess.Process, tail: deque[str], *, aloud: bool) -> None:
    assert process.stdout is not None
    while line := await process.stdout.read(65536):
        text = line.decode(errors="replace")
        if aloud:
            sys.stderr.write(text)
            sys.stderr.flush()
        tail.extend(text.splitlines(keepends=True))


def _read(results: Path) -> Any:
    try:
        return json.loads(results.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def ci() -> bool:
    """Whether this is a run of continuous integration, where nothing may be left out."""
    return os.environ.get("CI") == "true"
