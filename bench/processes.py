"""Starting and surely ending processes; each leads a group of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def free_port() -> int:
    """A TCP port of the loopback address that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(command: list[str], *, stop: signal.Signals = signal.SIGTERM, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """The process, ended at the end: asked by `stop` first, its whole group killed after ten seconds."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(stop)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[Any], *, what: str, timeout: float = 60.0) -> None:
    """Poll until `ready()` holds; an error if the process ends first, or in time nothing happens."""
    deadline = time.monotonic() + timeout
    while not ready():
        if process.poll() is not None:
            raise RuntimeError(f"{what} ended with {process.returncode} while it started; see its log")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not ready after {timeout:.0f} s; see its log")
        time.sleep(0.05)
