"""Serves an application over HTTP, inside the server's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import uvicorn

from mink_server.http.patience import PatientProtocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.applications import Starlette


class _Quiet(uvicorn.Server):
    """A server that leaves signals to the one who runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves one application.

    Args:
        application: What to serve.
        address: HOST:PORT; port 0: a free one.
    """

    def __init__(self, application: Starlette, address: str) -> None:
        self._address = address
        config = uvicorn.Config(
            application,
            http=PatientProtocol,
            log_config=None,
            log_level="error",  # whoever sends nonsense does not fill the log
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = _Quiet(config)
        self._task: asyncio.Task[None] | None = None
        self.address = address

    async def start(self) -> None:
        """Binds, and begins to serve.

        Raises:
            OSError: The address cannot be used.
        """
        host, _, port = self._address.rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            bound = socket.create_server((host.strip("[]"), int(port)), family=family, backlog=128)
        except OSError as error:
            raise OSError(f"cannot listen on {self._address}: {error.strerror}") from error
        self.address = f"{host}:{bound.getsockname()[1]}"
        self._task = asyncio.create_task(self._server.serve(sockets=[bound]), name="mink-http")
        while not self._server.started:
            if self._task.done():
                await self._task
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Ends."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
