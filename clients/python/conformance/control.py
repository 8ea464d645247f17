"""What the runner asks the harness for."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any, Final

_LIMIT: Final = 55.0


class ControlError(Exception):
    """The harness could not do what it was asked."""


class Control:
    """The harness.

    Args:
        url: Where it serves.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    async def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Asks for something, and waits until it is done.

        Raises:
            ControlError: It could not be done.
        """
        return await asyncio.to_thread(self._post, path, body)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._url}/{path}", json.dumps(body).encode(), headers)  # noqa: S310 - the harness's
        try:
            with self._opener.open(request, timeout=_LIMIT) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise ControlError(f"/{path}: {error.read().decode(errors='replace')}") from None
        except OSError as error:
            raise ControlError(f"/{path}: the harness does not answer: {error}") from None
