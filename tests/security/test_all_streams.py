"""What is about all streams takes reaching all of them, and says so."""

from __future__ import annotations

import grpc
import pytest
from mink.v1 import operations_pb2

from tests.security.conftest import address_of, denied


async def test_somebody_with_the_role_and_with_prefixes_is_told_that_it_takes_all_streams(
    start_secured, authority, tokens, connect
):
    text = tokens.add("ops", "admin", prefixes=("Order-",))
    client = connect(address_of(start_secured()), authority.roots, text)
    for name in ("GetStatistics", "VerifyLog"):
        request = getattr(operations_pb2, f"{name}Request")()
        call = getattr(client.operations, name)(request, metadata=client.metadata, timeout=20)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await (call if name == "GetStatistics" else call.read())
        error = denied(failed.value)
        assert error.reason == "PERMISSION_DENIED"
        assert (error.role, error.stream) == ("", "")  # it has the role
        assert "this takes reaching all streams" in error.message
        assert "ops" in error.message
