"""One call on its way through the proxy."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import grpc
from mink.v1 import errors_pb2, event_store_pb2

from clients.conformance.harness.faults import SESSION
from clients.conformance.harness.statuses import DETAILS_KEY, code_of, trailers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from google.rpc import status_pb2

    from clients.conformance.harness.faults import Fault, Faults

# Metadata of a call that gRPC itself writes.
_OWN: Final = ("grpc-", "user-agent", ":", "te", "content-type")
_FIRST_MESSAGE: Final = 0.2  # seconds; a session may be opened before there is something to say
_CUT: Final = "cut by the harness"


class Passing:
    """Passes one call on, and does to it what a fault says.

    Args:
        method: The method's name.
        faults: What is counted, and what is to be done to appends.
        fault: What is to be done to this call; None: nothing.
        messages: What the client says.
        context: gRPC's, with which it is answered.
    """

    def __init__(self, method: str, faults: Faults, fault: Fault | None, messages: AsyncIterator[bytes], context: Any) -> None:
        self._method = method
        self._faults = faults
        self._do = fault.do if fault else ""
        self._after = fault.after if fault else 0.0
        self._refusal = fault.status if fault else None
        self._messages = messages
        self._context = context
        self._writing = asyncio.Lock()
        self._silent = asyncio.Event()

    async def run(self, begin: Callable[..., Any]) -> None:
        """Serves the call.

        Args:
            begin: Begins the call to the server behind.
        """
        if self._do == "refuse" and self._refusal is not None:
            await self._first_message()
            await self._fail(self._refusal)
        if self._do == "delay":
            await asyncio.sleep(self._after)
        call = begin(metadata=_passed_on(self._context.invocation_metadata()), timeout=self._time_left())
        up = asyncio.create_task(self._up(call))
        try:
            await self._down(call)
        finally:
            up.cancel()
            call.cancel()
            await asyncio.gather(up, return_exceptions=True)

    async def _first_message(self) -> None:
        """Waits for what the client says first: gRPC may lose the status of a call that ends while its client still writes."""
        with contextlib.suppress(TimeoutError, StopAsyncIteration):
            await asyncio.wait_for(anext(self._messages), _FIRST_MESSAGE)

    def _time_left(self) -> float | None:
        left = self._context.time_remaining()
        return None if left is None else max(float(left), 0.001)

    async def _up(self, call: Any) -> None:
        """What the client says, to the server. What goes wrong here, the other direction sees too."""
        async for message in self._messages:
            await self._while_not_silent()
            passed = await self._looked_at(message) if self._method == SESSION else message
            if passed is not None:
                await call.write(passed)
        await self._while_not_silent()
        await call.done_writing()

    async def _while_not_silent(self) -> None:
        if self._do == "silence" and (self._silent.is_set() or self._after <= 0):
            await asyncio.Event().wait()

    async def _down(self, call: Any) -> None:
        """What the server says, to the client."""
        passed = 0
        while True:
            if self._do in ("cut_after", "end_after", "silence") and passed >= self._after:
                await self._break_off()
                return
            try:
                message = await call.read()
            except grpc.aio.AioRpcError:
                break
            if self._do == "lose_answer":
                await self._context.abort(grpc.StatusCode.UNAVAILABLE, _CUT)
            if message is grpc.aio.EOF:
                break
            await self._answer(message)
            passed += 1
        if self._do == "lose_answer":
            await self._context.abort(grpc.StatusCode.UNAVAILABLE, _CUT)
        await self._end(call)

    async def _break_off(self) -> None:
        if self._do == "silence":
            self._silent.set()
            await self._faults.cleared.wait()
        if self._do != "end_after":
            await self._context.abort(grpc.StatusCode.UNAVAILABLE, _CUT)

    async def _end(self, call: Any) -> None:
        """Ends the call as the server did."""
        code = await call.code()
        trailing = tuple((key, value) for key, value in await call.trailing_metadata() or () if _is_passed_on(key))
        if code is grpc.StatusCode.OK:
            self._context.set_trailing_metadata(trailing)
        else:
            await self._context.abort(code, await call.details() or "", trailing)

    async def _looked_at(self, data: bytes) -> bytes | None:
        """Of a message of a session, what reaches the server; the appends that are to be refused are answered."""
        request = event_store_pb2.AppendSessionRequest.FromString(data)
        answer = event_store_pb2.AppendSessionResponse()
        kept = []
        for append in request.appends:
            refusal = self._faults.append()
            if refusal is None:
                kept.append(append)
            else:
                failure = errors_pb2.Failure.FromString(refusal.SerializeToString())
                answer.results.add(request_id=append.request_id, failure=failure)
        if not answer.results:
            return data
        await self._answer(answer.SerializeToString())
        return event_store_pb2.AppendSessionRequest(appends=kept).SerializeToString() if kept else None

    async def _answer(self, data: bytes) -> None:
        async with self._writing:
            await self._context.write(data)

    async def _fail(self, status: status_pb2.Status) -> None:
        await self._context.abort(code_of(status), status.message, trailers(status))


def _is_passed_on(key: str) -> bool:
    return key == DETAILS_KEY or not key.startswith(_OWN)


def _passed_on(metadata: Any) -> tuple[tuple[str, str | bytes], ...]:
    return tuple((key, value) for key, value in metadata or () if _is_passed_on(key))
