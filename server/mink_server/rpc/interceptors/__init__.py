"""What happens around every call of Mink's own services. The order is written down here, outermost first.

1. calls: makes the call known to whatever speaks about it, so it stands outermost.
2. metrics: counts what a client sees.
3. errors: turns what is raised further in into a status.
4. decoding: turns bytes into a message, after all that can refuse a call without looking at it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mink_server.rpc.interceptors.calls import Calls
from mink_server.rpc.interceptors.decoding import Decoding
from mink_server.rpc.interceptors.errors import Errors
from mink_server.rpc.interceptors.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mink_server.rpc.interceptors.wrapping import Interceptor
    from mink_server.telemetry.call import Method


def interceptors(classes: Mapping[Method, Any]) -> Sequence[Interceptor]:
    """All of them, outermost first.

    Args:
        classes: The class of each method's request.
    """
    return (Calls(), Metrics(), Errors(), Decoding(classes))
