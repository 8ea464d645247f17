"""The connection to a server: one gRPC channel, its options, and what is called over it."""

import asyncio
from importlib import metadata
from typing import TYPE_CHECKING, Final, cast

import grpc
from mink.v1.event_store_pb2_grpc import EventStoreStub
from mink.v1.operations_pb2_grpc import OperationsStub
from mink.v1.snapshots_pb2_grpc import SnapshotsStub

from mink_client.errors import ClientClosed, MinkError, from_rpc

if TYPE_CHECKING:
    from mink.v1.event_store_pb2_grpc import EventStoreAsyncStub
    from mink.v1.operations_pb2_grpc import OperationsAsyncStub
    from mink.v1.snapshots_pb2_grpc import SnapshotsAsyncStub


def _version() -> str:
    try:
        return metadata.version("mink-client")
    except metadata.PackageNotFoundError:
        return "0"


OPTIONS: Final[tuple[tuple[str, int | str], ...]] = (
    ("grpc.primary_user_agent", f"mink-client-python/{_version()}"),
    # A peer that went away without a word is noticed within 40 seconds, also when no call is open.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # A server that comes back is found again at once. The "minimum" is how long one attempt to connect may take.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    # Each client has a connection of its own, and no other client's backoff.
    ("grpc.use_local_subchannel_pool", 1),
)


class Connection:
    """One channel and the stubs over it. Belongs to the event loop that runs when it is made.

    Attributes:
        target: The server's address, `host:port`.
        channel: The gRPC channel.
        event_store: Appends, reads and subscriptions.
        snapshots: Snapshots.
        operations: What an operator asks.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self._closed = False
        self.channel = grpc.aio.insecure_channel(target, options=OPTIONS)
        self.event_store = cast("EventStoreAsyncStub", EventStoreStub(self.channel))
        self.snapshots = cast("SnapshotsAsyncStub", SnapshotsStub(self.channel))
        self.operations = cast("OperationsAsyncStub", OperationsStub(self.channel))

    def error(self, error: grpc.aio.AioRpcError) -> MinkError:
        """What a failed call means."""
        return from_rpc(error, self.target)

    def check_open(self) -> None:
        """To be asked before each call: gRPC's own answer is not for users.

        Raises:
            ClientClosed: The connection was closed.
        """
        if self._closed:
            raise ClientClosed("the client is closed")

    async def close(self) -> None:
        """Ends every call and the connection."""
        self._closed = True
        await self.channel.close()


def call_was_cut() -> MinkError:
    """What to raise instead of a `CancelledError` that comes from gRPC.

    gRPC raises it where a call was cancelled under its reader, which here means that the client was closed. If the
    reader's own task is being cancelled, that goes on as it is.

    Raises:
        asyncio.CancelledError: The running task is being cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return ClientClosed("the client was closed while the call was under way")
