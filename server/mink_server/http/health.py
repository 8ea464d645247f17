"""`/health/live` and `/health/ready`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from mink_server.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request


class Draining(Protocol):
    """Says whether the server is about to stop."""

    @property
    def begun(self) -> bool:
        """Whether it is."""


def _latency(seconds: float) -> str:
    return f"{seconds * 1000:.3f}ms"


def health_app(
    ping: Callable[[], Awaitable[str | None]],
    drain: Draining,
    faulted: Callable[[], Sequence[str]],
    *,
    faulted_not_ready: bool,
) -> Starlette:
    """The health checks as an application.

    Args:
        ping: Reaches for the database; answers with what is wrong, or None.
        drain: Says whether the server is about to stop; it is then not ready.
        faulted: Answers with the names of the projections that are faulted.
        faulted_not_ready: Whether the server is not ready while one is. It serves all others as ever.
    """

    async def live(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"})

    async def ready(_request: Request) -> JSONResponse:
        started = time.perf_counter()
        problem = await ping()
        database: dict[str, Any] = {"status": "unhealthy" if problem else "healthy", "component": "database"}
        if problem:
            database["message"] = problem
        database["latency"] = _latency(time.perf_counter() - started)
        checks = [database]
        if drain.begun:
            checks.append({"status": "unhealthy", "component": "server", "message": "the server is about to stop"})
        healthy = all(check["status"] == "healthy" for check in checks)
        names = faulted()
        projections: dict[str, Any] = {"status": "unhealthy" if names else "healthy", "component": "projections"}
        if names:
            projections["message"] = f"faulted: {', '.join(names)}"
            healthy = healthy and not faulted_not_ready
        checks.append(projections)
        return JSONResponse(
            {"status": "healthy" if healthy else "unhealthy", "version": VERSION, "checks": checks},
            status_code=200 if healthy else 503,
        )

    return Starlette(routes=[Route("/health/live", live), Route("/health/ready", ready)])
