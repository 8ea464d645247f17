"""The Operations service."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from mink.v1 import operations_pb2 as pb

from mink_server.rpc import checks
from mink_server.version import VERSION

if TYPE_CHECKING:
    from mink_server.core.log import Log

_OUTCOMES: Final = {"ok": pb.Check.OK, "warning": pb.Check.WARNING, "failed": pb.Check.FAILED}


class Operations:
    """Answers operators about one log.

    Args:
        log: The log.
    """

    def __init__(self, log: Log) -> None:
        self._log = log

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

    async def VerifyLog(self, _request: pb.VerifyLogRequest, context: object) -> None:  # noqa: N802
        """See the proto."""
        raise NotImplementedError
