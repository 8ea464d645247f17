"""The worker's `/health/live`, `/health/ready` and `/metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mink_client.worker.metrics import worker_registry

if TYPE_CHECKING:
    from starlette.requests import Request

    from mink_client.worker.status import RunnerStatus
    from mink_client.worker.worker import Worker


def health_app(worker: Worker) -> Starlette:
    """Health and metrics of a worker as an application.

    It is ready when every projection is connected, and no partition that the worker held is faulted. One that stands by is ready.
    """
    registry = worker_registry(lambda: worker.status)

    async def live(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"})

    async def ready(_request: Request) -> JSONResponse:
        checks = [_check("worker", "it is about to stop" if worker.stopping else "")]
        checks += [_check(f"projection {one.projection}", _problem(one, worker.server)) for one in worker.status]
        healthy = all(check["status"] == "healthy" for check in checks)
        answer = {"status": "healthy" if healthy else "unhealthy", "worker": worker.name, "checks": checks}
        return JSONResponse(answer, status_code=200 if healthy else 503)

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return Starlette(routes=[Route("/health/live", live), Route("/health/ready", ready), Route("/metrics", metrics)])


def _check(component: str, problem: str) -> dict[str, str]:
    if not problem:
        return {"status": "healthy", "component": component}
    return {"status": "unhealthy", "component": component, "message": problem}


def _problem(status: RunnerStatus, server: str) -> str:
    """What is wrong with a projection here; empty: nothing."""
    problems = [] if status.connected else [f"not connected to {server}"]
    for (build, partition), fault in sorted(status.faulted.items()):
        at = f" at position {fault.position} ({fault.type})" if fault.position else ""
        problems.append(f"partition {partition} of build {build} is faulted{at}")
    return "; ".join(problems)
