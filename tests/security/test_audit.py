"""The audit log: who managed what, and who was denied what."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from mink.v1 import event_store_pb2 as pb
from mink.v1 import expectation_pb2, operations_pb2
from mink_server.core.access import Identity
from mink_server.core.errors import PermissionDeniedError, UnauthenticatedError
from mink_server.telemetry import audit, audit_bounds
from mink_server.telemetry.audit_bounds import Bounds
from mink_server.telemetry.call import CURRENT, Call, Method
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
    def __init__(self, peer: str = "ipv4:10.0.0.7:1") -> None:
        self._peer = peer

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> Any:
        return ()


READ = Method("mink.v1.EventStore", "ReadAll", "server_stream")
REFUSED = UnauthenticatedError("who?", "read")


@pytest.fixture
def bounds(monkeypatch):
    """The bounds as at the start, and with a second that does not pass while a test looks."""
    made = Bounds(audit._left_out)
    monkeypatch.setattr(audit, "_bounds", made)
    monkeypatch.setattr(audit_bounds.time, "monotonic", lambda: 100.0)
    return made


async def test_a_flood_of_denials_is_counted_and_hides_no_other_reason_and_no_other_caller(bounds, monkeypatch):
    call = Call(READ, Context())
    CURRENT.set(call)  # as in a call: what the summary says must be about none
    other = Call(READ, Context("ipv4:10.0.0.8:1"))
    known = Call(READ, Context())
    known.identity = Identity("billing", frozenset())
    with capture_logs() as logs:
        for port in range(1000):
            audit.denied(Call(READ, Context(f"ipv4:10.0.0.7:{port}")), REFUSED)
        audit.denied(call, PermissionDeniedError("no", "read", "x" * 5000))
        audit.denied(other, REFUSED)
        audit.denied(known, REFUSED)
        monkeypatch.undo()  # seconds pass again
        about: list[Any] = []
        real = audit._log.info
        monkeypatch.setattr(audit, "_log", SimpleNamespace(info=lambda *a, **k: (about.append(CURRENT.get()), real(*a, **k))))
        await until(lambda: about, "what was left out is not told")
    (told,) = [line for line in logs if "left_out" in line]
    assert told == {
        "event": "audit", "action": "denials left out", "outcome": "UNAUTHENTICATED", "left_out": 980, "log_level": "info",
    }  # fmt: skip
    assert about == [None]
    written = [line for line in logs if "left_out" not in line]
    assert len([line for line in written if line["peer"].startswith("ipv4:10.0.0.7:") and line["identity"] == "unknown"]) == 20
    assert [line["identity"] for line in written[-3:]] == ["anybody", "unknown", "billing"]
    assert written[-2]["peer"] == "ipv4:10.0.0.8:1"
    assert len(written[-3]["stream"]) == 500


async def test_denied_management_is_not_hidden_by_other_denials_and_has_a_bound_of_its_own(bounds):
    with capture_logs() as logs:
        for _ in range(1000):
            audit.denied(Call(READ, Context()), REFUSED)
        for _ in range(1000):
            audit.denied(Call(READ, Context()), REFUSED, managing=True)
    assert len(logs) == 20 + 200


async def test_strangers_at_many_addresses_are_bounded_together_and_hide_nobody_who_is_known(bounds):
    known = Call(READ, Context())
    known.identity = Identity("billing", frozenset())
    with capture_logs() as logs:
        for i in range(20_000):
            audit.denied(Call(READ, Context(f"ipv6:%5B{i:x}::1%5D:1")), REFUSED)
        audit.denied(known, PermissionDeniedError("no", "read"))
    assert len(logs) == 200 + 1
    assert len(bounds._lines) <= 2000 + 2
