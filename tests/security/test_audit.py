"""The audit log: who managed what, and who was denied what."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest
from mink.v1 import event_store_pb2 as pb
from mink.v1 import expectation_pb2, operations_pb2
from mink_server.core.errors import PermissionDeniedError, UnauthenticatedError
from mink_server.telemetry import audit
from mink_server.telemetry.call import Call, Method
from structlog.testing import capture_logs

from tests.security.conftest import address_of, append_request, until


def lines(server: Any) -> list[dict[str, Any]]:
    """The audit lines that a server has written."""
    found = [json.loads(line) for line in server.output.splitlines() if line.startswith("{")]
    return [line for line in found if line["event"] == "audit"]


async def test_management_and_denials_are_written_whatever_the_level_and_nothing_else(start_secured, authority, tokens, connect):
    admin, reader = tokens.add("ops", "admin"), tokens.add("reports", "read", prefixes=("Order-",))
    server = start_secured(MINK_LOG_LEVEL="error")
    client = connect(address_of(server), authority.roots, admin)
    client.metadata += (("x-request-id", "ticket-7"),)
    other = connect(address_of(server), authority.roots, reader)
    await client.append("Order-1")
    await client.events.ReadStream(pb.ReadStreamRequest(stream="Order-1"), metadata=client.metadata, timeout=20).read()
    assert lines(server) == []
    await client.events.TruncateStream(
        pb.TruncateStreamRequest(stream="Order-1", before_version=2), metadata=client.metadata, timeout=20
    )
    await client.operations.Diagnose(operations_pb2.DiagnoseRequest(), metadata=client.metadata, timeout=20)
    deletion = pb.DeleteStreamRequest(stream="Order-9", state=expectation_pb2.STREAM_EXISTS)
    for who in (client, other):
        with pytest.raises(grpc.aio.AioRpcError):
            await who.events.DeleteStream(deletion, metadata=who.metadata, timeout=20)
    with pytest.raises(grpc.aio.AioRpcError):
        await other.events.GetStream(pb.GetStreamRequest(stream="Secret-1"), metadata=other.metadata, timeout=20)
    with pytest.raises(grpc.aio.AioRpcError):
        await connect(address_of(server), authority.roots, reader[:-1]).append("Order-1")
    await until(lambda: len(lines(server)) >= 6, "lines are missing")
    found = [(line["action"].rpartition("/")[2], line["stream"], line["identity"], line["outcome"]) for line in lines(server)]
    assert found == [
        ("TruncateStream", "Order-1", "ops", "OK"),
        ("Diagnose", "", "ops", "OK"),
        ("DeleteStream", "Order-9", "ops", "STREAM_NOT_FOUND"),
        ("DeleteStream", "Order-9", "reports", "PERMISSION_DENIED"),
        ("GetStream", "Secret-1", "reports", "PERMISSION_DENIED"),
        ("AppendToStream", "", "unknown", "UNAUTHENTICATED"),
    ]
    first, *_, last = lines(server)
    assert first["request_id"] == "ticket-7"
    assert first["peer"].startswith("ipv4:127.0.0.1:")
    assert reader.split("_")[1] in last["why"]  # the id says whose token it was
    assert reader.split("_")[2][:20] not in last["why"]


async def test_an_append_that_a_session_refuses_is_a_denial(secured, authority, tokens, connect):
    text = tokens.add("a", "append", "read", prefixes=("A-",))
    client = connect(address_of(secured), authority.roots, text)

    async def known() -> bool:
        return await client.statistics_code() is not grpc.StatusCode.UNAUTHENTICATED

    await until(known, "the token was not read")
    session = client.events.AppendSession(metadata=client.metadata, timeout=20)
    given = pb.SessionAppend(request_id=1, to_stream=append_request("B-1"))
    await session.write(pb.AppendSessionRequest(appends=[given]))
    assert (await session.read()).results[0].failure.code == grpc.StatusCode.PERMISSION_DENIED.value[0]
    await session.done_writing()
    assert ("AppendSession", "B-1") in [(line["action"].rpartition("/")[2], line["stream"]) for line in lines(secured)]


async def test_management_is_written_also_where_nobody_is_asked_who_they_are(start_server, connect):
    server = start_server()
    client = connect(server.grpc_address, None)
    await client.append("A-1")
    await client.events.DeleteStream(
        pb.DeleteStreamRequest(stream="A-1", state=expectation_pb2.STREAM_EXISTS, tombstone=True), timeout=20
    )
    await until(lambda: lines(server), "there is no line")
    assert [(line["stream"], line["identity"], line["outcome"]) for line in lines(server)] == [("A-1", "anybody", "OK")]


class Context:
    def peer(self) -> str:
        return "ipv4:10.0.0.7:1"

    def invocation_metadata(self) -> Any:
        return ()


async def test_a_flood_of_denials_is_counted_and_hides_no_other_reason():
    call = Call(Method("mink.v1.EventStore", "ReadAll", "server_stream"), Context())
    with capture_logs() as logs:
        for _ in range(1000):
            audit.denied(call, UnauthenticatedError("who?", "read"))
        audit.denied(call, PermissionDeniedError("no", "read", "x" * 5000))
        await until(lambda: any("left_out" in line for line in logs), "what was left out is not told")
    told = sum(line.get("left_out", 0) for line in logs)
    written = [line for line in logs if "left_out" not in line and line["outcome"] == "UNAUTHENTICATED"]
    assert len(written) + told == 1000
    assert len(written) <= 60
    (other,) = [line for line in logs if line["outcome"] == "PERMISSION_DENIED"]
    assert len(other["stream"]) == 500
