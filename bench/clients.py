"""The harness's side of a client process."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.processes import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.peers.base import Place


class MeasureFailedError(Exception):
    """A measure gave no figure; the reason is the message."""


class ClientProcess:
    """Sends commands, waits for answers, never for ever."""

    def __init__(self, process: subprocess.Popen[Any]) -> None:
        self._process = process
        self._left = b""

    def call(self, command: dict[str, Any], timeout: float) -> Any:
        """The result of a command.

        Raises:
            MeasureFailedError: the client raised, ended, or did not answer in time.
        """
        if self._process.stdin is None:
            raise MeasureFailedError("the client process has no input")
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise MeasureFailedError(f"the client process is gone: {error}") from error
        answer = self.line(timeout)
        if "error" in answer:
            raise MeasureFailedError(answer["error"])
        return answer["result"]

    def line(self, timeout: float) -> dict[str, Any]:
        """The next line that the process prints."""
        if self._process.stdout is None:
            raise MeasureFailedError("the client process has no output")
        source = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout
        while b"\n" not in self._left:
            if not select.select([source], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise MeasureFailedError(f"no answer in {timeout:.0f} s")
            more = os.read(source, 65536)
            if not more:
                raise MeasureFailedError("the client process ended; see the log")
            self._left += more
        line, _, self._left = self._left.partition(b"\n")
        return dict(json.loads(line))


@contextmanager
def client(system: str, place: Place, log: Any) -> Iterator[ClientProcess]:
    """A client process of the system, connected."""
    argument = json.dumps([system, place.address, place.processes])
    command = [sys.executable, "-m", "bench.worker", argument]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log, "bufsize": 0}
    with running(command, **pipes) as process:
        connected = ClientProcess(process)
        connected.line(30)
        try:
            yield connected
        finally:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
