"""Whoever sends nonsense over HTTP gets an answer or none, and puts nothing into the log."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import pytest
from mink_server.http.metrics import metrics_app
from mink_server.http.server import HttpServer
from prometheus_client import CollectorRegistry

GET = b"GET /metrics HTTP/1.1\r\nhost: x\r\n"
NONSENSE = [
    GET + b"transfer-encoding: chunked\r\n\r\nZZZ\r\n\r\n",
    GET + b"content-length: 3\r\ncontent-length: 4\r\n\r\n",
    GET + b"\r\n\x00\x01\r\n\r\n",
    GET + b"connection: close\r\n\r\n\x00\x01\r\n\r\n",
    GET + b"upgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    b"\x16\x03\x01" + b"x" * 100 + b"\r\n\r\n",
    b"GET " + b"x" * 100_000,
]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("sent", NONSENSE)
async def test_nothing_is_logged(sent, late, caplog):
    unhandled = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    server = HttpServer(metrics_app(CollectorRegistry()), "127.0.0.1:0")
    await server.start()
    try:
        with caplog.at_level(logging.INFO):
            host, _, port = server.address.rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            head, tail = sent[: sent.find(b"\r\n\r\n") + 4], sent[sent.find(b"\r\n\r\n") + 4 :]
            if late and b"\r\n\r\n" in sent and tail:
                writer.write(head)
                await asyncio.wait_for(reader.read(1), 10)
                writer.write(tail)
            else:
                writer.write(sent)
            with suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 20)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(GET + b"connection: close\r\n\r\n")
            assert b"200 OK" in await asyncio.wait_for(reader.read(), 10)
            writer.close()
            await writer.wait_closed()
    finally:
        await server.stop()
    assert caplog.records == []
    assert unhandled == []
