"""The call that is being served, for whatever is said about it: log lines, spans, audit."""

from __future__ import annotations

import time
import uuid
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from mink_server.core.access import ANYBODY, Identity


class Method(NamedTuple):
    """A method of a service.

    Attributes:
        service: Its service, such as mink.v1.EventStore.
        name: Its name, such as ReadStream.
        kind: unary, server_stream, client_stream or bidi_stream.
    """

    service: str
    name: str
    kind: str

    @property
    def path(self) -> str:
        """As gRPC has it on the wire: /mink.v1.EventStore/ReadStream."""
        return f"/{self.service}/{self.name}"


class Call:
    """One call.

    Args:
        method: What is called.
        context: The call, as gRPC has it.

    Attributes:
        identity: Who calls.
        request: The request's bytes, once they were received, if they are few; empty for a client that streams.
        started: When the call began, as time.perf_counter has it.
        received: Messages that the client has sent.
        sent: Messages that were sent to the client.
        reason: The reason of the error that it ended with; empty if it did not.
        left: Whether the client left while something was written to it.
        code: The status code that it ended with, once something has asked for it (`rpc.interceptors.ending`).
        span: Its span, if there are traces.
    """

    __slots__ = (
        "_metadata", "_request_id", "code", "context", "identity", "left", "method", "reason", "received", "request", "sent",
        "span", "started",
    )  # fmt: skip

    def __init__(self, method: Method, context: Any) -> None:
        self.method = method
        self.context = context
        self.started = time.perf_counter()
        self.identity: Identity = ANYBODY
        self.request = b""
        self.received = 0
        self.sent = 0
        self.reason = ""
        self.left = False
        self.code: Any = None
        self.span: Any = None
        self._metadata: dict[str, str] | None = None
        self._request_id = ""

    @property
    def metadata(self) -> dict[str, str]:
        """What the client sent beside its request; of a key that comes twice, the last. Binary values are left out."""
        if self._metadata is None:
            sent = self.context.invocation_metadata() or ()
            self._metadata = {key: value for key, value in sent if isinstance(value, str)}
        return self._metadata

    @property
    def request_id(self) -> str:
        """What the client calls this call (`x-request-id`, at most 100 characters of it), or an id made when first asked for."""
        if not self._request_id:
            given = "".join(c for c in self.metadata.get("x-request-id", "")[:100] if c.isprintable())
            self._request_id = given or uuid.uuid4().hex
        return self._request_id

    @property
    def peer(self) -> str:
        """The client's address, such as ipv4:10.0.0.7:51234."""
        return str(self.context.peer())

    def about(self) -> dict[str, str]:
        """What a log line says of it."""
        said = {"request_id": self.request_id, "method": self.method.path, "identity": self.identity.name}
        if self.span is not None:
            span = self.span.get_span_context()
            said["trace_id"], said["span_id"] = f"{span.trace_id:032x}", f"{span.span_id:016x}"
        return said


CURRENT: Final[ContextVar[Call | None]] = ContextVar("mink_call", default=None)
