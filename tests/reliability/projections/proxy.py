"""A way between two that can be cut without either of them being told."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path


class Proxy:
    """Passes bytes on between whoever connects to it and one of its targets.

    While it is cut it takes connections and bytes as ever, and passes nothing on. What it took is passed on late (`delay`, as by a
    network that was away for a while), or it is lost, and with it the connection (`swallow`, as by a firewall that forgot it).

    Args:
        targets: `host:port` or paths of Unix sockets; a connection goes to the first that can be reached, beginning with the one
            after that of the connection before.
        socket: Path of the Unix socket to listen on; None: a port of the system's choice.
    """

    def __init__(self, *targets: str, socket: Path | None = None) -> None:
        self.address = ""
        self._targets = list(targets)
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._delay = False
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        if self._socket is not None:
            self._server = await asyncio.start_unix_server(self._connected, self._socket)
            self._socket.chmod(0o777)
            self.address = str(self._socket)
        else:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
            host, port = self._server.sockets[0].getsockname()
            self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def links(self) -> int:
        """How many connections there are."""
        return len(self._links)

    def cut(self, how: str = "swallow") -> None:
        """Passes nothing on any more. `forget` concerns the connections that there are, and lets new ones through."""
        if how == "forget":
            for link in self._links:
                link.forgotten = True
            return
        self._delay = how == "delay"
        self._open.clear()

    def heal(self) -> None:
        """Passes on what comes. Connections that have lost something are broken off."""
        self._open.set()
        for link in self._links:
            if link.lost:
                link.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # by closing the proxy; asyncio would complain of it
            await self._serve(reader, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        link = _Link(writer)
        self._links.add(link)
        try:
            await self._open.wait()
            other, onward = await self._reach()
            link.writers.append(onward)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(link, reader, onward))
                group.create_task(self._pass(link, other, writer))
        except* (OSError, EOFError):
            pass
        finally:
            link.abort()
            self._links.discard(link)
            self._tasks.discard(task)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in self._targets:
            target = self._targets.pop(0)
            self._targets.append(target)
            try:
                if target.startswith("/"):
                    return await asyncio.open_unix_connection(target)
                host, _, port = target.rpartition(":")
                return await asyncio.open_connection(host, int(port))
            except OSError:
                continue
        raise ConnectionRefusedError(f"nobody is at {self._targets}")

    async def _pass(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if link.forgotten or not (self._open.is_set() or self._delay):
                link.lost = True
                continue
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        raise EOFError


class _Link:
    """One connection, and the one to the target."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writers = [writer]
        self.lost = self.forgotten = False

    def abort(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
