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
    """

    __slots__ = ("_metadata", "_request_id", "context", "identity", "method", "started")

    def __init__(self, method: Method, context: Any) -> None:
        self.method = method
        self.context = context
        self.started = time.perf_counter()
        self.identity: Identity = ANYBODY
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


CURRENT: Final[ContextVar[Call | None]] = ContextVar("mink_call", default=None)
