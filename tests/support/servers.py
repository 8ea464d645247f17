"""Real `mink serve` processes, started, watched and killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ADDRESSES = {
    "grpc_address": r"gRPC\s+(\S+)",
    "http_address": r"health\s+http://([^/]+)/",
    "metrics_address": r"metrics\s+http://([^/]+)/",
}


class MinkProcess:
    """One `mink serve`, with its own ids, on ports that the system gives.

    Args:
        env: Settings on top of a clean environment. DATABASE_URL or MINK_DATA_DIR says where the log is.
    """

    def __init__(self, **env: str) -> None:
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "MINK_LISTEN": "127.0.0.1:0",
            "MINK_HTTP_LISTEN": "127.0.0.1:0",
            "MINK_METRICS_LISTEN": "127.0.0.1:0",
            **env,
        }
        self.grpc_address = self.http_address = self.metrics_address = ""
        self._output = Path(tempfile.mkstemp(prefix="mink-test-", suffix=".log")[1])
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        """What it has written to standard error."""
        return self._output.read_text()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, timeout: float = 60, *, same_address: bool = True) -> MinkProcess:
        """Starts it, on the address that it had before if it had one, and waits until it serves."""
        env = dict(self.env)
        if self.grpc_address and same_address:
            env["MINK_LISTEN"] = self.grpc_address
        before = self._output.stat().st_size
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mink_server"], env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        end = time.monotonic() + timeout
        while "/metrics" not in (text := self.output[before:]):
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"mink serve did not start:\n{text}")
            time.sleep(0.02)
        for name, pattern in ADDRESSES.items():
            found = re.search(pattern, text)
            assert found is not None, text
            setattr(self, name, found.group(1))
        return self

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(10)

    def terminate(self) -> None:
        """SIGTERM."""
        self.process.terminate()

    def wait(self, timeout: float = 30) -> int:
        """Waits for its end; answers with the exit code."""
        return self.process.wait(timeout)

    def stop(self) -> None:
        """Ends it however it is, and removes its output."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    def memory(self) -> int:
        """Bytes of memory that it has for itself."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no RssAnon")
