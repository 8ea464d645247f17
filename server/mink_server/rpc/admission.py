"""What all clients together have under way: counts it, and refuses what would be too much, before it costs anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mink_server.core.access import ANYBODY
from mink_server.core.errors import OverloadedError
from mink_server.telemetry import metrics
from mink_server.telemetry.call import CURRENT

if TYPE_CHECKING:
    from mink_server.core.limits import Capacity
    from mink_server.telemetry.memory import Memory

# Calls that operators may make when there is no room for anybody else's.
_RESERVE: Final = 20
# Of the bytes of requests, from how many on sessions are not read further: what they have sent stays with them.
_CROWDED: Final = 0.5


class Admission:
    """Counts calls, the bytes of their requests, and subscriptions.

    Attributes:
        calls: Calls that are served.
        request_bytes: Bytes of the requests that are served, and of what sessions have sent and have no result for.
        subscriptions: Subscriptions that are served.

    Args:
        capacity: What may be under way.
        memory: The process's; while it is full, nobody is let in but operators.
    """

    def __init__(self, capacity: Capacity, memory: Memory) -> None:
        self._capacity = capacity
        self._memory = memory
        self.calls = 0
        self.request_bytes = 0
        self.subscriptions = 0
        self._subscriptions_of: dict[str, int] = {}
        metrics.CALLS_IN_FLIGHT.set_function(lambda: self.calls)
        metrics.REQUEST_BYTES_IN_FLIGHT.set_function(lambda: self.request_bytes)

    def enter(self, *, operator: bool = False) -> None:
        """Lets a call in; `leave` must follow.

        Raises:
            OverloadedError: There is no room for it.
        """
        if self.calls >= self._capacity.calls and not (operator and self.calls < self._capacity.calls + _RESERVE):
            raise refused("calls", f"{self._capacity.calls} calls")
        self._check_memory(operator=operator)
        self.calls += 1

    def leave(self, size: int = 0) -> None:
        """A call has ended; `size` is what its request took."""
        self.calls -= 1
        self.request_bytes -= size

    def take(self, size: int, *, operator: bool = False) -> None:
        """Takes the bytes of a request; `leave` or `give_back` must follow.

        Raises:
            OverloadedError: There is no room for them.
        """
        self._check_memory(operator=operator)
        if self.request_bytes + size > self._capacity.request_bytes and self.request_bytes:
            raise refused("request_bytes", f"{self._capacity.request_bytes} bytes of requests")
        self.request_bytes += size

    def _check_memory(self, *, operator: bool) -> None:
        if self._memory.full and not operator:
            raise refused("memory", "the server's memory is full")

    def give_back(self, size: int) -> None:
        """A part of a call has ended whose request took `size` bytes."""
        self.request_bytes -= size

    @property
    def crowded(self) -> bool:
        """Whether it is better not to read more of what sessions send."""
        return self._memory.full or self.request_bytes > self._capacity.request_bytes * _CROWDED

    def subscribe(self) -> str:
        """Lets a subscription of the current call in, and names its client; `unsubscribe` must follow.

        Raises:
            OverloadedError: There is no room for it, or its client has too many.
        """
        if self.subscriptions >= self._capacity.subscriptions:
            raise refused("subscriptions", f"{self._capacity.subscriptions} subscriptions")
        client = _client()
        of_client = self._subscriptions_of.get(client, 0)
        if of_client >= self._capacity.subscriptions_per_client:
            raise refused("subscriptions_per_client", f"{self._capacity.subscriptions_per_client} subscriptions of this client")
        self._subscriptions_of[client] = of_client + 1
        self.subscriptions += 1
        return client

    def unsubscribe(self, client: str) -> None:
        """A subscription has ended."""
        self.subscriptions -= 1
        left = self._subscriptions_of.pop(client) - 1
        if left:
            self._subscriptions_of[client] = left


def refused(bound: str, what: str) -> OverloadedError:
    """The error for somebody who would break a bound, counted.

    Args:
        bound: Which one, for the metric.
        what: What there is too much of, for the caller.
    """
    metrics.REFUSED.labels(bound).inc()
    return OverloadedError(what)


def _client() -> str:
    """Whose the current call is: a name if it said one, else its address without the port. All of a Unix socket's are one."""
    call = CURRENT.get()
    if call is None:
        return ""
    if call.identity is not ANYBODY:
        return f"identity {call.identity.name}"
    kind, _, address = call.peer.partition(":")
    return f"{kind} {address.rpartition(':')[0]}"
