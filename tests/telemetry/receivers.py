"""Collectors for tests: they take OTLP over gRPC or HTTP as a real one does, and keep the spans."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


@dataclass
class Span:
    """A span as it was received; ids as hexadecimal text."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    status: int
    status_text: str
    attributes: dict[str, Any]
    links: list[str]
    events: list[Any]
    resource: dict[str, Any]


@dataclass
class Receiver:
    """What has arrived. `headers` are those of the last request."""

    address: str = ""
    spans: list[Span] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def take(self, request: Any) -> None:
        for of_resource in request.resource_spans:
            resource = _plain(of_resource.resource.attributes)
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    self.spans.append(_read(span, resource))

    def named(self, name: str, trace: str = "") -> list[Span]:
        return [span for span in self.spans if span.name == name and trace in span.trace]

    async def until(self, condition: Callable[[], Any], seconds: float = 15) -> Any:
        """Waits until something is true of what has arrived, and answers with it."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, f"not received; there are {[(s.name, s.trace, s.attributes) for s in self.spans]}"
            await asyncio.sleep(0.02)
        return found


def _read(span: Any, resource: dict[str, Any]) -> Span:
    return Span(
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=span.kind,
        status=span.status.code,
        status_text=span.status.message,
        attributes=_plain(span.attributes),
        links=[link.span_id.hex() for link in span.links],
        events=list(span.events),
        resource=resource,
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


class _Service(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver

    async def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.receiver.headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        self.receiver.take(request)
        return trace_service_pb2.ExportTraceServiceResponse()


@asynccontextmanager
async def grpc_receiver(address: str = "127.0.0.1:0") -> AsyncIterator[Receiver]:
    """A collector that takes OTLP over gRPC. Whoever names its address may hold that with a socket that is only bound."""
    receiver = Receiver()
    server = grpc.aio.server(options=[("grpc.so_reuseport", int(not address.endswith(":0")))])
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_Service(receiver), server)
    receiver.address = f"127.0.0.1:{server.add_insecure_port(address)}"
    await server.start()
    try:
        yield receiver
    finally:
        await server.stop(0)


@contextmanager
def http_receiver() -> Iterator[Receiver]:
    """A collector that takes OTLP over HTTP."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path != "/v1/traces":
                self.send_error(404)
                return
            receiver.headers = {key.lower(): value for key, value in self.headers.items()}
            receiver.take(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    receiver.address = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
