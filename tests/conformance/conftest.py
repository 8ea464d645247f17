"""A harness for the tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from clients.conformance.harness import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def harness() -> AsyncIterator[run.Harness]:
    """A harness that serves; its servers are started when a case wants them."""
    async with run.harness() as serving:
        yield serving
