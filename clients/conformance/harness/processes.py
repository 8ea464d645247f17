"""Child processes that end with the harness, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Between the harness and the program: asks the kernel for a signal when the harness dies, and turns into the program. A preexec_fn
# would run Python in a fork of a process full of threads.
_LAUNCHER: Final = """
import ctypes, os, sys
parent, number = int(sys.argv[1]), int(sys.argv[2])
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, number, 0, 0, 0)
if os.getppid() == parent:
    os.execvp(sys.argv[3], sys.argv[3:])
"""


async def launch(
    command: Sequence[str | Path], env: Mapping[str, str], *, dies_by: signal.Signals = signal.SIGKILL, **more: Any
) -> asyncio.subprocess.Process:
    """Starts a program. To be called from the main thread, whose end the kernel waits for.

    Args:
        command: The program and its arguments.
        env: Its whole environment.
        dies_by: The signal that it gets if the harness is killed.
        more: What else `asyncio.create_subprocess_exec` takes.
    """
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), str(int(dies_by))]
    return await asyncio.create_subprocess_exec(
        *launcher, *map(str, command), env=dict(env), stdin=asyncio.subprocess.DEVNULL, **more
    )


async def end_group(process: asyncio.subprocess.Process, patience: float = 5.0) -> None:
    """Ends a process that leads a group of its own, and all that it has started in the group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        if process.returncode is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), patience)


def clean_environment() -> dict[str, str]:
    """The harness's own environment, without what would tell Mink or OpenTelemetry something."""
    foreign = ("MINK_", "DATABASE_", "OTEL_", "GRPC_", "PG")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
