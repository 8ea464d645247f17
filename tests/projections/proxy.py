"""A network between a worker and Postgres that can lose an answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter


class Proxy:
    """Passes bytes on; when told to, lets a request through and breaks the connection instead of answering."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self.swallowed = 0
        self.dsn = ""
        self._host = host
        self._port = port
        self._path = path
        self._needle: bytes | None = None
        self._server: asyncio.Server | None = None

    @classmethod
    async def to(cls, dsn: str) -> Proxy:
        """A proxy before a Postgres."""
        parts = urlsplit(dsn)
        query = parse_qs(parts.query)
        host = query.get("host", [parts.hostname or "127.0.0.1"])[0]
        port = int(query.get("port", [parts.port or 5432])[0])
        found = cls(host, port, f"{host}/.s.PGSQL.{port}")
        found._server = await asyncio.start_server(found._serve, "127.0.0.1", 0)
        own = found._server.sockets[0].getsockname()[1]
        login = f"{parts.username}{':' + parts.password if parts.password else ''}@" if parts.username else ""
        found.dsn = f"postgresql://{login}127.0.0.1:{own}{parts.path}?sslmode=disable"
        return found

    def swallow_after(self, needle: bytes) -> None:
        """The answer to the next request that has this in it is lost, and the connection with it."""
        self._needle = needle

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self._host.startswith("/"):
            back, forth = await asyncio.open_unix_connection(self._path)
        else:
            back, forth = await asyncio.open_connection(self._host, self._port)
        armed = False

        async def requests() -> None:
            nonlocal armed
            while data := await reader.read(65536):
                if self._needle is not None and self._needle in data:
                    self._needle, armed = None, True
                forth.write(data)

        async def answers() -> None:
            while data := await back.read(65536):
                if armed:
                    self.swallowed += 1
                    return
                writer.write(data)

        tasks = {asyncio.create_task(requests()), asyncio.create_task(answers())}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        forth.close()
        writer.close()
