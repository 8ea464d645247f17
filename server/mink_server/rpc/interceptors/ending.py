"""How a call ended, as its client sees it: asked by whatever counts, traces or logs it, found out once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import grpc

if TYPE_CHECKING:
    from mink_server.telemetry.call import Call

_NUMBERS: Final = {code.value[0]: code for code in grpc.StatusCode}
# A client whose deadline passes cancels its call, a moment before the server would: gRPC rounds deadlines up on their way, by at
# most a hundredth, and they begin anew when the request arrives, which may have waited on its way longer than the cancellation.
# Seconds that it may be early on top of the hundredth; of a short deadline, no more than this part.
_EARLY: Final = 0.1
_EARLY_PART: Final = 0.25


def code_of(call: Call, error: BaseException | None) -> grpc.StatusCode:
    """The status code that a call ended with.

    Args:
        call: The call.
        error: What came out of the interceptors further in, None if nothing did.
    """
    if call.code is None:
        call.code = _found(call, error)
    code: grpc.StatusCode = call.code
    return code


def _found(call: Call, error: BaseException | None) -> grpc.StatusCode:
    if call.left or isinstance(error, asyncio.CancelledError):
        return grpc.StatusCode.DEADLINE_EXCEEDED if _past_deadline(call) else grpc.StatusCode.CANCELLED
    if error is None:
        return grpc.StatusCode.OK
    # The context gives a code or its number.
    code = call.context.code()
    return code if isinstance(code, grpc.StatusCode) else _NUMBERS.get(code) or grpc.StatusCode.UNKNOWN


def _past_deadline(call: Call) -> bool:
    left = call.context.time_remaining()
    if left is None:
        return False
    whole = left + time.perf_counter() - call.started
    return bool(left <= whole / 100 + min(whole * _EARLY_PART, _EARLY))
