"""The servers of a run, by what the cases call them. Each is started when a case wants it first."""

from __future__ import annotations

import asyncio
import itertools
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from clients.conformance.harness.alone import Alone
from clients.conformance.harness.files import Files
from clients.conformance.harness.postgres import Postgres
from clients.conformance.harness.proxy import Proxy
from clients.conformance.harness.servers import MinkServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROFILES: Final = ("plain", "alone", "small", "tls", "mtls", "tokens", "faulty")
"""What a case may say as its `server`."""

_SMALL: Final = {
    "MINK_MAX_EVENT_BYTES": "1024",
    "MINK_MAX_REQUEST_BYTES": "4096",
    "MINK_MAX_EVENTS_PER_APPEND": "10",
    "MINK_CHECKPOINT_SECONDS": "0.5",
}


@dataclass(frozen=True, slots=True)
class Station:
    """What a case has before it.

    Attributes:
        address: Where its client goes.
        server: The server, which the case may stop.
        proxy: The proxy before it; None: there is none.
        postgres: The Postgres that the case may stop; None: it may not.
        told: What `/case` says beside the address.
    """

    address: str
    server: MinkServer
    proxy: Proxy | None = None
    postgres: Postgres | None = None
    told: Mapping[str, object] = field(default_factory=dict)


class Fleet:
    """All servers of a run.

    Args:
        folder: An empty folder for everything, which the account of Postgres can enter.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._postgres = Postgres(folder / "shared")
        files = folder / "files"
        files.mkdir(mode=0o700)
        self._files = Files(files)
        self._settings: dict[str, Mapping[str, str]] = {
            "plain": {},
            "small": _SMALL,
            "tls": self._files.tls,
            "mtls": self._files.mtls,
            "tokens": self._files.with_tokens,
        }
        self._told: dict[str, Mapping[str, object]] = {
            "tls": self._files.trust,
            "mtls": {**self._files.trust, **self._files.identity},
            "tokens": {"tokens": self._files.tokens},
        }
        self._shared: dict[str, MinkServer] = {}
        self._proxy: Proxy | None = None
        self._numbers = itertools.count(1)
        self.alone = Alone(Postgres(folder / "alone"), self._new_server)
        # Bound and never listening: whoever connects is refused, and nobody else gets the port.
        self._closed = socket.socket()
        self._closed.bind(("127.0.0.1", 0))

    @property
    def closed(self) -> str:
        """An address at which nobody listens."""
        host, port = self._closed.getsockname()
        return f"{host}:{port}"

    async def prepare(self, profile: str) -> Station:
        """Has a server serve with nothing wrong with it."""
        if profile == "alone":
            server = await self.alone.take()
            return Station(server.address, server, postgres=self.alone.postgres)
        server = await self._shared_server("plain" if profile == "faulty" else profile)
        if profile != "faulty":
            return Station(server.address, server, told=self._told.get(profile, {}))
        if self._proxy is None:
            self._proxy = Proxy(server.address)
            await self._proxy.start()
        self._proxy.new_case()
        return Station(self._proxy.address, server, self._proxy)

    async def _shared_server(self, profile: str) -> MinkServer:
        await self._postgres.start()
        if profile not in self._shared:
            _, dsn = await self._postgres.new_database()
            self._shared[profile] = self._new_server(profile, {"DATABASE_URL": dsn, **self._settings[profile]})
        server = self._shared[profile]
        await server.mend()
        return server

    def _new_server(self, name: str, settings: Mapping[str, str]) -> MinkServer:
        return MinkServer(self._folder / f"{name}-{next(self._numbers)}.log", settings)

    async def close(self) -> None:
        """Ends everything."""
        self._closed.close()
        if self._proxy is not None:
            await self._proxy.stop()
        await asyncio.gather(*(server.kill() for server in self._shared.values()), self.alone.close(), return_exceptions=True)
        await asyncio.gather(self._postgres.stop(), self.alone.postgres.stop(), return_exceptions=True)
