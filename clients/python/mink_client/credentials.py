"""What a connection shows of itself: the token that goes with each call, and TLS; both renewed when what they come from changes."""

import asyncio
import inspect
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc

from mink_client.errors import CredentialsError
from mink_client.security import TLS, TokenSource, checked_token, fingerprint, is_loopback, read_token

if TYPE_CHECKING:
    from mink_client.tracing import Metadata

_log: Final = logging.getLogger("mink_client")

_LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the files."""
_PATIENCE: Final = 10.0
"""Seconds that a token may take to be fetched."""


class Credentials:
    """The token and the certificates of one client.

    Attributes:
        tls: How to speak TLS; None: not at all.
        metadata: What goes with each call, ready made; None: nothing.
        version: Grows whenever the token or the certificates have changed.
        tls_version: Grows whenever the certificates have changed.
    """

    def __init__(self, target: str, tls: TLS | None, token: TokenSource | None, token_file: Path | None, *, in_clear: bool) -> None:
        """Takes what was given, and checks what can be checked now.

        Args:
            target: The server's address.
            tls: How to speak TLS; None: not at all.
            token: The token, or what fetches it.
            token_file: Where the token stands.
            in_clear: Whether the token may go to another machine without TLS.

        Raises:
            CredentialsError: Something cannot be used, or the token would go to another machine in clear.
        """
        if (token is not None or token_file is not None) and tls is None and not in_clear and not is_loopback(target):
            problem = f"the token would go to {target} in clear: turn TLS on; or allow it, if something else encrypts the way"
            raise CredentialsError("insecure_token", problem)
        self.tls = tls
        self.metadata: Metadata | None = None
        self.version = self.tls_version = 0
        self._token_file = token_file
        self._fetch = token if callable(token) else None
        self._fetching = asyncio.Lock()
        self._has_files = token_file is not None or (tls is not None and bool(tls.files))
        self._look_at = time.monotonic() + _LOOK_EVERY
        self._complaint = ""
        # Before they are read: what changes meanwhile is then read again.
        self._token_seen = fingerprint([token_file] if token_file else [])
        self._tls_seen = fingerprint(tls.files if tls else [])
        self._channel_credentials = tls.credentials() if tls else None
        if token_file is not None:
            self._take(read_token(token_file))
        elif token is not None and self._fetch is None:
            self._take(checked_token(token))

    async def open(self) -> None:
        """Fetches the token, if something fetches it.

        Raises:
            CredentialsError: What came is no token, or nothing came in time.
        """
        if self._fetch is not None:
            self._take(await self._fetched())

    def channel(self, target: str, options: tuple[tuple[str, int | str], ...], name: str = "") -> grpc.aio.Channel:
        """A new channel with the present certificates.

        Args:
            target: Where it goes.
            options: The options of the channel.
            name: The address, `host:port`, whose host the certificate must name, if it is not that of the target.
        """
        if self.tls is None or self._channel_credentials is None:
            if is_loopback(target):
                # What is on this machine is not reached through a proxy; and a proxy would see the token.
                options = (*options, ("grpc.enable_http_proxy", 0))
            return grpc.aio.insecure_channel(target, options=options)
        return grpc.aio.secure_channel(target, self._channel_credentials, options=(*options, *self.tls.options(name)))

    def look(self, *, now: bool = False) -> None:
        """Takes what has changed in the files. One that cannot be used is passed over, and looked at again.

        Args:
            now: Also if somebody has just looked.
        """
        if not self._has_files or (not now and time.monotonic() < self._look_at):
            return
        self._look_at = time.monotonic() + _LOOK_EVERY
        try:
            self._look_at_token()
            self._look_at_certificates()
            self._complaint = ""
        except CredentialsError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.warning("credentials stay as they were: %s", error)

    def _look_at_token(self) -> None:
        if self._token_file is None or (seen := fingerprint([self._token_file])) == self._token_seen:
            return
        self._take(read_token(self._token_file))
        self._token_seen = seen

    def _look_at_certificates(self) -> None:
        if self.tls is None or (seen := fingerprint(self.tls.files)) == self._tls_seen:
            return
        self._channel_credentials = self.tls.credentials()
        self._tls_seen = seen
        self.version += 1
        self.tls_version += 1

    async def renew(self, version: int) -> bool:
        """Gets another token, if there is one, after the server refused the present one.

        Args:
            version: The version that was refused.

        Returns:
            Whether there are other credentials now, so that trying again makes sense.
        """
        async with self._fetching:
            if self.version == version:
                self.look(now=True)
            if self.version == version and self._fetch is not None:
                try:
                    self._take(await self._fetched())
                except Exception as error:  # noqa: BLE001 - whatever somebody else's function raises; the caller gets the server's answer
                    _log.warning("no new token could be fetched: %s", type(error).__name__)
            return self.version != version

    async def _fetched(self) -> str:
        assert self._fetch is not None
        token = self._fetch()
        if inspect.isawaitable(token):
            try:
                async with asyncio.timeout(_PATIENCE):
                    token = await token
            except TimeoutError:
                raise CredentialsError("token", f"it was not fetched within {_PATIENCE:g} s") from None
        return checked_token(token, "what was fetched")

    def _take(self, token: str) -> None:
        metadata = (("authorization", f"Bearer {token}"),)
        if metadata != self.metadata:
            self.metadata = metadata
            self.version += 1
