"""One file a system: how its server is started (`server`), and how its best client does the work (`client`)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from bench.peers.base import Client, Host, Place

MINK = "mink"
UMADB = "umadb"
EVENTSOURCING = "eventsourcing"
EVENTSOURCING_FUNCTIONS = "eventsourcing-functions"
SYSTEMS = (MINK, UMADB, EVENTSOURCING, EVENTSOURCING_FUNCTIONS)


def server(system: str, host: Host, name: str) -> AbstractContextManager[Place]:
    """A running server of the system; `name` says whose data: started again by the same name, it has what it had."""
    return _module(system).server(host, name)  # type: ignore[no-any-return]


def client(system: str, address: Any) -> Client:
    """The system's client. A client process loads this one system's packages and no other's."""
    return _module(system).client(address, system)  # type: ignore[no-any-return]


def _module(system: str) -> Any:
    return import_module(f"bench.peers.{system.partition('-')[0]}")
