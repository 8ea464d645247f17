"""What gRPC's core is told: how many connections it takes, how it keeps and ends them, how much it buffers for each.

Source of names and meanings: https://github.com/grpc/grpc/blob/master/include/grpc/impl/channel_arg_names.h
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from mink_server.core.limits import Capacity, Limits

log = structlog.get_logger(__name__)

# What is too large for an append, up to this many times, is told so with its size; beyond it, gRPC itself refuses the message.
_TIMES_TOO_LARGE: Final = 4
# Streams of one connection beside a client's subscriptions; gRPC's clients let more calls wait.
_OTHER_STREAMS: Final = 1_000
# Descriptors that are no connection of a gRPC client: the database's, HTTP, files.
_OTHER_DESCRIPTORS: Final = 512
# A stream's first window: what of a message arrives before we say that we want it. Without the probes gRPC would raise it to MiBs,
# for every stream that nobody reads from; and it opens the window for what is being read anyway.
_WINDOW: Final = 65_535
# Calls that wait for the event loop to take or refuse them; with more, gRPC begins to end some as CANCELLED, without a reason.
_PENDING: Final = 5_000
_HANDSHAKE_SECONDS: Final = 10
_IDLE_SECONDS: Final = 900


def server_options(bounds: Limits, capacity: Capacity) -> list[tuple[str, int]]:
    """The options of a server.

    Args:
        bounds: What a request may hold.
        capacity: What all clients together may have.
    """
    options = [
        ("grpc.max_receive_message_length", bounds.request_bytes * _TIMES_TOO_LARGE),
        ("grpc.so_reuseport", 0),  # a second server on the same address is told so
        # Connections: how many, for how long, and how long they may take to begin.
        ("grpc.max_allowed_incoming_connections", _connections(capacity.connections)),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_SECONDS * 1000),
        ("grpc.max_connection_idle_ms", _IDLE_SECONDS * 1000),
        # What one may hold.
        ("grpc.max_concurrent_streams", capacity.subscriptions_per_client + _OTHER_STREAMS),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", _WINDOW),
        ("grpc.server.max_pending_requests", _PENDING),
        ("grpc.server.max_pending_requests_hard_limit", 2 * _PENDING),
        # Peers that went away without a word are noticed within 40 seconds; those that ping more often than each 5 are sent away.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 10_000),  # a minute otherwise, whatever the one above says
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    if capacity.connection_age:
        # gRPC gives or takes a tenth. A call without an end of its own that began just before ends by itself within the grace.
        age = int(capacity.connection_age * 1000)
        options += [("grpc.max_connection_age_ms", age), ("grpc.max_connection_age_grace_ms", age + age // 4 + 30_000)]
    return options


def _connections(wanted: int) -> int:
    """As many connections as are wanted, or as the process may have descriptors for; its limit is raised as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _OTHER_DESCRIPTORS
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    except (ValueError, OSError):
        raised = soft
    if raised >= needed:
        return wanted
    room = max(raised - _OTHER_DESCRIPTORS, raised // 2)
    log.warning("fewer connections than are set: the process may not open more files", connections=room, wanted=wanted)
    return room
