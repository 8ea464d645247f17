"""What a case has: its clients, subscriptions and files."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from conformance import given
from conformance.braces import replaced
from conformance.following import Followed

if TYPE_CHECKING:
    from mink_client import Mink, Subscription

    from conformance.control import Control
    from conformance.scope import Scope


class CaseError(Exception):
    """The case asks for what cannot be: a client or a subscription that it has not made, an operation that there is none of."""


class World:
    """Everything of one case; at its end all of it is closed.

    Args:
        control: The harness.
        scope: What names stand for.
        options: The options of the client `main`, as the case says them.
    """

    def __init__(self, control: Control, scope: Scope, options: dict[str, Any]) -> None:
        self.control = control
        self.scope = scope
        self._options = options
        self._clients: dict[str, Mink] = {}
        self._subscriptions: dict[str, Followed] = {}
        self._open = AsyncExitStack()
        self._folder: Path | None = None

    async def __aenter__(self) -> Self:
        await self._open.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for subscription in self._subscriptions.values():
            await subscription.close()
        await self._open.aclose()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def new_client(self, name: str, options: dict[str, Any]) -> None:
        """Makes a client. One that has the name already stays open until the case's end."""
        client = given.client(options, self.scope("address"))
        self._clients[name] = await self._open.enter_async_context(client)

    async def client(self, name: str) -> Mink:
        """A client; `main` is made when it is used first."""
        if name == "main" and name not in self._clients:
            await self.new_client(name, replaced(self._options, self.scope))
        if name not in self._clients:
            raise CaseError(f"the case has made no client {name!r}")
        return self._clients[name]

    async def subscribe(self, name: str, subscription: Subscription) -> None:
        """Opens a subscription."""
        if name in self._subscriptions:
            await self._subscriptions[name].close()
        self._subscriptions[name] = Followed(await self._open.enter_async_context(subscription))

    def subscription(self, name: str) -> Followed:
        """A subscription."""
        if name not in self._subscriptions:
            raise CaseError(f"the case has made no subscription {name!r}")
        return self._subscriptions[name]

    def write_file(self, name: str, text: str) -> None:
        """Writes a file, whose path is then `${file:name}`."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="mink-case-"))
        path = self._folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        self.scope.keep_file(name, str(path))
