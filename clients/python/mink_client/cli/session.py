"""One run of a command: what all commands are told, and the connection that they work over."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mink_client import CredentialsError, Mink, Unavailable
from mink_client.address import AddressError, checked_address
from mink_client.cli.errors import wrong_call, wrong_credentials
from mink_client.cli.output import Format
from mink_client.security import choose_tls


@dataclass(frozen=True, slots=True)
class Session:
    """What every command is told.

    Attributes:
        server: The server's address.
        timeout: Seconds that a call may take.
        non_interactive: Whether nobody may be asked.
        output: How results are written.
        tls: Whether to speak TLS; None: as the files and the environment say.
        ca_file: Who may have signed the server's certificate.
        client_cert_file: The client's certificate.
        client_key_file: Its key.
        token_file: Where the token stands. The token itself is no option: everybody sees what a process was called with.
    """

    server: str
    timeout: float
    non_interactive: bool
    output: Format = Format.TABLE
    tls: bool | None = None
    ca_file: Path | None = None
    client_cert_file: Path | None = None
    client_key_file: Path | None = None
    token_file: Path | None = None

    @property
    def json(self) -> bool:
        """Whether results are for a program."""
        return self.output is Format.JSON

    def client(self) -> Mink:
        """A client of the server that is not entered yet.

        Raises:
            Failure: The address, the timeout, a certificate or the token cannot be right.
        """
        try:
            checked_address(self.server, "--server (MINK_SERVER)")
            tls = choose_tls(self.tls, ca_file=self.ca_file, cert_file=self.client_cert_file, key_file=self.client_key_file)
            return Mink(self.server, timeout=self.timeout, tls=tls or False, token_file=self.token_file)
        except CredentialsError as error:
            raise wrong_credentials(error) from None
        except AddressError as error:
            raise wrong_call(str(error)) from None
        except ValueError as error:
            raise wrong_call(f"--{error}") from None

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Mink]:
        """A client of the server.

        Raises:
            Failure: The address, the timeout, a certificate or the token cannot be right.
            Unavailable: No server is there: the client would wait for it to come back, and a person wants to know now.
        """
        async with self.client() as mink:
            try:
                await mink.connect()
            except Unavailable as error:
                # What gRPC says about an address where nobody is helps nobody.
                raise error if error.advice else Unavailable("UNAVAILABLE", "") from None
            yield mink
