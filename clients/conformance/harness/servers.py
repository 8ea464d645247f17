"""A real `mink serve`, to be started, watched, frozen and killed."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

from clients.conformance.harness.processes import clean_environment, launch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_START_LIMIT: Final = 60.0
_END_LIMIT: Final = 40.0
_READY_LIMIT: Final = 30.0
_GRPC: Final = re.compile(r"gRPC\s+(\S+)")
_HEALTH: Final = re.compile(r"health\s+http://([^/]+)/")
_TAIL: Final = 2000


class ServerError(Exception):
    """A server does not do what it was asked."""


class MinkServer:
    """One `mink serve` on loopback, on a port that the system gave and that it keeps.

    Args:
        log: The file for what it writes.
        settings: Its settings, on top of ports that the system gives.
    """

    def __init__(self, log: Path, settings: Mapping[str, str]) -> None:
        self.address = ""
        self._health = ""
        self._log = log
        self._settings = dict(settings)
        self._process: asyncio.subprocess.Process | None = None
        self._frozen = False

    def runs(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Starts it, on the address that it had before if it had one, and waits until it serves. Does nothing if it runs."""
        if self.runs():
            return
        env = {
            **clean_environment(),
            "MINK_LISTEN": self.address or "127.0.0.1:0",
            "MINK_HTTP_LISTEN": "127.0.0.1:0",
            "MINK_METRICS_LISTEN": "127.0.0.1:0",
            "MINK_MIGRATE": "true",
            **self._settings,
        }
        self._frozen = False
        with self._log.open("ab") as output:
            before = output.tell()
            command = [sys.executable, "-m", "mink_server"]
            self._process = await launch(command, env, stdout=output, stderr=output)
        end = time.monotonic() + _START_LIMIT
        while "/metrics" not in (text := self._log.read_bytes()[before:].decode(errors="replace")):
            if not self.runs() or time.monotonic() > end:
                await self.kill()
                raise ServerError(f"mink serve did not start: {text[-_TAIL:]}")
            await asyncio.sleep(0.02)
        grpc, health = _GRPC.search(text), _HEALTH.search(text)
        if grpc is None or health is None:
            await self.kill()
            raise ServerError(f"mink serve did not say where it serves: {text[-_TAIL:]}")
        self.address, self._health = grpc[1], health[1]

    async def kill(self) -> None:
        """SIGKILL, and waits until it is gone."""
        if self._process is not None and self.runs():
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM, and waits until it has left by itself."""
        if self._process is None or not self.runs():
            return
        await self.thaw()
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), _END_LIMIT)
        except TimeoutError:
            await self.kill()
            raise ServerError(f"mink serve did not end within {_END_LIMIT:g} s after SIGTERM") from None

    async def freeze(self) -> None:
        """SIGSTOP: it answers nobody, and its connections stay."""
        if self._process is None or not self.runs():
            raise ServerError("the server does not run, so it cannot be frozen")
        self._process.send_signal(signal.SIGSTOP)
        self._frozen = True

    async def thaw(self) -> None:
        """SIGCONT."""
        if self._process is not None and self.runs() and self._frozen:
            self._process.send_signal(signal.SIGCONT)
        self._frozen = False

    async def mend(self) -> None:
        """Has it serve, whatever was done to it."""
        await self.thaw()
        await self.start()
        end = time.monotonic() + _READY_LIMIT
        while not await asyncio.to_thread(self._is_ready):
            if time.monotonic() > end:
                raise ServerError(f"the server at {self.address} is not ready after {_READY_LIMIT:g} s: {self.tail()}")
            await asyncio.sleep(0.05)

    def tail(self) -> str:
        """The last that it wrote."""
        return self._log.read_bytes()[-_TAIL:].decode(errors="replace")

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError, urllib.error.HTTPError):
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://{self._health}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        return False
