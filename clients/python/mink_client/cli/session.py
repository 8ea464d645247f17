"""One run of a command: what all commands are told, and the connection that they work over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from mink_client import Mink, Unavailable
from mink_client.cli.errors import wrong_call
from mink_client.cli.output import Format


@dataclass(frozen=True, slots=True)
class Session:
    """What every command is told.

    Attributes:
        server: The server's address.
        timeout: Seconds that a call may take.
        non_interactive: Whether nobody may be asked.
        output: How results are written.
    """

    server: str
    timeout: float
    non_interactive: bool
    output: Format = Format.TABLE

    @property
    def json(self) -> bool:
        """Whether results are for a program."""
        return self.output is Format.JSON

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Mink]:
        """A client of the server.

        Raises:
            Failure: The address or the timeout cannot be right.
            Unavailable: No server is there.
        """
        if ":" not in self.server or self.server.startswith(("http:", "https:", "grpc:")):
            raise wrong_call(f"--server (MINK_SERVER): HOST:PORT, for example localhost:50051, not {self.server!r}")
        try:
            mink = Mink(self.server, timeout=self.timeout)
        except ValueError as error:
            raise wrong_call(f"--{error}") from None
        await _reach(mink.server, self.timeout)
        async with mink:
            yield mink


async def _reach(server: str, timeout: float) -> None:
    """Looks whether anybody is there: the client would wait for a server to come back, and a person wants to know now.

    Raises:
        Unavailable: Nobody is.
    """
    async with grpc.aio.insecure_channel(server, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            async with asyncio.timeout(timeout):
                while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
                    if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                        raise Unavailable("UNAVAILABLE", "")
                    await channel.wait_for_state_change(state)
        except TimeoutError:
            raise Unavailable("UNAVAILABLE", f"no connection within {timeout:g} s") from None
