"""What happens around every call. The order is written down here.

1. metrics: counts what a client sees, so it stands outermost.
2. errors: turns what a handler raises into a status, so it stands next to the handler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mink_server.rpc.interceptors.errors import Errors
from mink_server.rpc.interceptors.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc


def interceptors() -> Sequence[grpc.aio.ServerInterceptor]:
    """All of them, outermost first."""
    return (Metrics(), Errors())
