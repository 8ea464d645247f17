"""Real `mink worker run` processes, started, watched and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
MINK = Path(sys.executable).with_name("mink")
MODULE = "tests.reliability.projections.readmodel"


class WorkerProcess:
    """One `mink worker run`.

    Args:
        server: The server's address.
        projection: A class of readmodel.py.
        name: The worker's name.
        output: Where standard output and error go.
        env: Variables, on top of a clean environment.
    """

    def __init__(self, server: str, projection: str, *, name: str, output: Path, **env: str) -> None:
        self.name = name
        self.server = server
        self._output = output
        clean = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}
        command = [MINK, "worker", "run", f"{MODULE}:{projection}", "--name", name, "--http-listen", "off"]
        with output.open("ab") as file:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**clean, "MINK_SERVER": server, **env},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def output(self) -> str:
        """What it has written."""
        return self._output.read_text()

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(10)

    def freeze(self) -> None:
        """Stops it where it is."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        self.process.send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        """SIGTERM."""
        self.process.terminate()

    def wait(self, timeout: float = 30) -> int:
        """Waits for its end; answers with the exit code."""
        return self.process.wait(timeout)

    def memory(self) -> int:
        """Bytes of memory that it has for itself."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no RssAnon")
