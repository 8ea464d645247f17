"""The Operations service."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mink.v1 import operations_pb2 as pb

from mink_server.core.errors import ShuttingDownError
from mink_server.rpc import checks
from mink_server.version import VERSION

if TYPE_CHECKING:
    import grpc

    from mink_server.core.log import Log
    from mink_server.core.verification import Progress, Verdict
    from mink_server.rpc.drain import Drain

_OUTCOMES: Final = {"ok": pb.Check.OK, "warning": pb.Check.WARNING, "failed": pb.Check.FAILED}
_PROGRESS_EVERY: Final = 1.0

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Operations:
    """Answers operators about one log.

    Args:
        log: The log.
        drain: Says when the server is about to stop.
    """

    def __init__(self, log: Log, drain: Drain) -> None:
        self._log = log
        self._drain = drain

    async def GetStatistics(self, request: pb.GetStatisticsRequest, _context: object) -> pb.GetStatisticsResponse:  # noqa: N802
        """See the proto."""
        problems = checks.Problems()
        top = checks.count(problems, "top_types", request.top_types, 1000) or 10
        problems.check()
        found = await self._log.health.statistics(top)
        return pb.GetStatisticsResponse(
            log_id=found.log_id,
            head=found.head,
            events=found.events,
            streams=found.streams,
            types=found.types,
            top_types=[pb.TypeCount(type=name, events=events) for name, events in found.top_types],
            size_bytes=found.size_bytes,
        )

    async def Diagnose(self, _request: pb.DiagnoseRequest, _context: object) -> pb.DiagnoseResponse:  # noqa: N802
        """See the proto."""
        response = pb.DiagnoseResponse(server_version=VERSION)
        for check in await self._log.health.diagnose():
            entry = response.checks.add(
                component=check.component,
                outcome=_OUTCOMES[check.outcome],
                message=check.message,
                recommendation=check.recommendation,
            )
            entry.took.FromNanoseconds(int(check.took * 1e9))
        response.server_time.FromNanoseconds(time.time_ns())
        return response

    async def VerifyLog(self, _request: pb.VerifyLogRequest, context: Context) -> None:  # noqa: N802
        """See the proto."""
        reached: Progress | None = None

        def note(progress: Progress) -> None:
            nonlocal reached
            reached = progress

        # It goes on by itself while the client is slow to read: its transactions must not wait for anybody.
        verifying = asyncio.create_task(self._log.health.verify(note), name="mink-verify")
        ending = asyncio.create_task(self._drain.wait())
        try:
            while True:
                await asyncio.wait((verifying, ending), timeout=_PROGRESS_EVERY, return_when=asyncio.FIRST_COMPLETED)
                if verifying.done():
                    break
                if ending.done():
                    raise ShuttingDownError
                if reached is not None:
                    progress = pb.VerifyLogProgress(step=reached.step, position=reached.position, head=reached.head)
                    await context.write(pb.VerifyLogResponse(progress=progress))
            await context.write(pb.VerifyLogResponse(result=_result(verifying.result())))
        finally:
            verifying.cancel()
            ending.cancel()
            await asyncio.gather(verifying, ending, return_exceptions=True)


def _result(verdict: Verdict) -> pb.VerifyLogResult:
    result = pb.VerifyLogResult(
        head=verdict.head,
        events=verdict.events,
        streams=verdict.streams,
        snapshots=verdict.snapshots,
        removed=verdict.removed,
    )
    if verdict.fault is not None:
        fault = verdict.fault
        result.fault.CopyFrom(
            pb.LogFault(
                kind=pb.LogFault.Kind.Value(fault.kind),
                position=fault.position,
                stream=fault.stream,
                version=fault.version,
                message=fault.message,
            )
        )
    return result
