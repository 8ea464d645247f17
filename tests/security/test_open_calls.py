"""Calls that are open when their caller loses what they had."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from mink.v1 import event_store_pb2 as pb
from mink_server.core.access import Role

from tests.security.conftest import address_of, append_request, denied, until

REVOKED = "was revoked or has expired"


class Session:
    """An AppendSession that a test feeds."""

    def __init__(self, client: Any) -> None:
        self.call = client.events.AppendSession(metadata=client.metadata, timeout=60)
        self._number = 0

    async def append(self, stream: str) -> pb.SessionResult:
        """Sends one append, and answers with its result."""
        self._number += 1
        given = pb.SessionAppend(request_id=self._number, to_stream=append_request(stream))
        await self.call.write(pb.AppendSessionRequest(appends=[given]))
        message = await self.call.read()
        if message is grpc.aio.EOF:
            await self.call.wait_for_connection()  # raises what the call ended with
            raise AssertionError("the session ended without an error")
        return message.results[0]


async def ends(call: Any) -> Any:
    """How a call that streams ends, and that it does."""

    async def read() -> None:
        while await call.read() is not grpc.aio.EOF:
            pass
        await call.wait_for_connection()

    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await asyncio.wait_for(read(), 20)
    return denied(failed.value)


async def session_ends(session: Session, stream: str) -> Any:
    """Appends until the session is ended."""

    async def ended() -> Any:
        try:
            await session.append(stream)
        except grpc.aio.AioRpcError:
            return True
        except asyncio.InvalidStateError:
            return True
        return False

    await until(ended, "the session went on")
    assert await session.call.code() is grpc.StatusCode.UNAUTHENTICATED
    return await session.call.details()


async def test_who_is_revoked_is_stopped_in_a_session_a_subscription_and_at_the_next_call(secured, authority, tokens, connect):
    text = tokens.add("worker", "read", "append")
    other = connect(address_of(secured), authority.roots, tokens.add("other", "read", "append"))
    client = connect(address_of(secured), authority.roots, text)
    await until(lambda: _known(client, other), "the tokens were not read")
    session, subscription, others = Session(client), await client.subscribe(), await other.subscribe()
    assert (await session.append("A-1")).WhichOneof("result") == "to_stream"
    tokens.remove("worker")
    error = await ends(subscription)
    assert (error.code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert REVOKED in error.message
    assert REVOKED in await session_ends(session, "A-1")
    assert await client.statistics_code() is grpc.StatusCode.UNAUTHENTICATED
    # Nobody else noticed.
    await other.append("A-2")
    seen: set[str] = set()
    while "A-2" not in seen:
        seen |= {event.stream for event in (await others.read()).events.events}
    others.cancel()


async def _known(*clients: Any) -> bool:
    return all([await client.statistics_code() is grpc.StatusCode.NOT_FOUND for client in clients])


async def test_what_a_session_has_taken_is_answered_although_its_token_is_gone(secured, authority, tokens, connect):
    client = connect(address_of(secured), authority.roots, tokens.add("worker", "append", "read"))
    await until(lambda: _known(client), "the token was not read")
    session = Session(client)
    before = await session.append("A-1")
    tokens.remove("worker")
    await session_ends(session, "A-1")
    reader = connect(address_of(secured), authority.roots, tokens.add("reader", "read"))
    await until(lambda: _known(reader), "the token was not read")
    answer = await reader.events.GetStream(pb.GetStreamRequest(stream="A-1"), metadata=reader.metadata, timeout=20)
    # The message that found out was not taken: what is there is what was answered.
    assert before.to_stream.version == 1
    assert answer.stream.version == session._number - 1


async def test_a_token_that_expires_ends_what_is_open(secured, authority, tokens, connect):
    client = connect(address_of(secured), authority.roots, tokens.add("worker", "read", "append", seconds=6))
    await until(lambda: _known(client), "the token was not read")
    session, subscription = Session(client), await client.subscribe()
    await session.append("A-1")
    assert REVOKED in (await ends(subscription)).message
    assert REVOKED in await session_ends(session, "A-1")
    assert await client.statistics_code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_session_knows_at_its_next_message_what_its_caller_reaches_now(secured, authority, tokens, connect):
    client = connect(address_of(secured), authority.roots, tokens.add("worker", "append", "read"))
    await until(lambda: _known(client), "the token was not read")
    session, subscription = Session(client), await client.subscribe()
    assert (await session.append("B-1")).WhichOneof("result") == "to_stream"
    tokens.change("worker", prefixes=("A-",))

    async def fails_alone() -> bool:
        return (await session.append("B-1")).failure.code == grpc.StatusCode.PERMISSION_DENIED.value[0]

    await until(fails_alone, "the session went on as before")
    assert (await session.append("A-1")).WhichOneof("result") == "to_stream"
    # The subscription was begun for all streams: it has to begin anew.
    error = await ends(subscription)
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    tokens.change("worker", roles=(Role.READ,))

    async def ended() -> bool:
        try:
            await session.append("A-1")
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return True
        return False

    await until(ended, "the session went on without its role")
    assert await session.call.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_long_read_ends_at_its_next_message(secured, authority, tokens, connect):
    client = connect(address_of(secured), authority.roots, tokens.add("worker", "read", "append"))
    keeper = connect(address_of(secured), authority.roots, tokens.add("keeper", "read"))
    await until(lambda: _known(client, keeper), "the tokens were not read")
    large = append_request("Large-1")
    large.events[0].json = '"' + "x" * 900_000 + '"'
    for _ in range(40):
        await client.events.AppendToStream(large, metadata=client.metadata, timeout=20)
    reading = client.events.ReadAll(pb.ReadAllRequest(), metadata=client.metadata, timeout=60)
    await reading.read()
    tokens.remove("worker")

    # Meanwhile flow control has stopped the reading: its client takes nothing.
    async def revoked() -> bool:
        return await client.statistics_code() is grpc.StatusCode.UNAUTHENTICATED

    await until(revoked, "the token still counts")
    assert REVOKED in (await ends(reading)).message
