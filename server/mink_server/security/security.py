"""The server's security, from its settings: what is checked at the start, followed while it runs, and told to operators."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog

from mink_server.core.log import Check
from mink_server.security import certificates
from mink_server.security.certificates import Certificates, ServerCertificates
from mink_server.security.errors import SecurityFileError
from mink_server.security.findings import of_certificate, of_client_ca, of_tokens
from mink_server.security.identities import EveryCertificate, KnownIdentities
from mink_server.security.reloading import Reloading
from mink_server.security.tokens_file import SETTING as TOKENS
from mink_server.security.tokens_file import TokensFile, load

if TYPE_CHECKING:
    from pathlib import Path

    import grpc

    from mink_server.core.access import Identities

log = structlog.get_logger(__name__)

_LOOK_EVERY: Final = 1.0


class Security:
    """Certificates and tokens of one server.

    Args:
        cert_file: MINK_TLS_CERT_FILE; None: no TLS.
        key_file: MINK_TLS_KEY_FILE.
        client_ca_file: MINK_TLS_CLIENT_CA_FILE.
        tokens_file: MINK_TOKENS_FILE.

    Raises:
        SecurityFileError: A file cannot be used.
    """

    def __init__(
        self, cert_file: Path | None, key_file: Path | None, client_ca_file: Path | None, tokens_file: Path | None
    ) -> None:
        self._watching: asyncio.Task[None] | None = None
        self._certificate_files: Reloading[Certificates] | None = None
        self._certificates: ServerCertificates | None = None
        self._client_ca_file = client_ca_file
        if cert_file is not None and key_file is not None:
            paths = {certificates.CERT: cert_file, certificates.KEY: key_file}
            if client_ca_file is not None:
                paths[certificates.CLIENT_CA] = client_ca_file
            self._certificate_files = Reloading("certificate", paths, lambda: self._usable(cert_file, key_file, client_ca_file))
            self._certificates = ServerCertificates(self._certificate_files.first)
            _warn(self._certificates.current)
        self._token_files: Reloading[TokensFile] | None = None
        self._known: KnownIdentities | None = None
        if tokens_file is not None:
            self._token_files = Reloading("tokens", {TOKENS: tokens_file}, lambda: load(tokens_file))
            self._tokens_open = self._token_files.first.open
            self._known = KnownIdentities(self._token_files.first.content)
        elif client_ca_file is not None:
            log.warning(
                "every client certificate may do everything; a tokens file gives them roles",
                signed_by=certificates.CLIENT_CA,
                roles_from=TOKENS,
            )

    @property
    def credentials(self) -> grpc.ServerCredentials | None:
        """For gRPC's port; None: there is no TLS."""
        return None if self._certificates is None else self._certificates.credentials

    @property
    def identities(self) -> Identities | None:
        """Who calls; None: nobody is asked."""
        if self._known is not None:
            return self._known
        return EveryCertificate() if self._client_ca_file is not None else None

    def start(self) -> None:
        """Begins to follow the files."""
        self._watching = asyncio.create_task(self._watch(), name="mink-security")

    async def stop(self) -> None:
        """Ends following them."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                await self._look()
            except Exception:
                # Whatever it is: without this task no token could be revoked any more.
                log.exception("looking after certificates and tokens failed")

    async def _look(self) -> None:
        if self._known is not None and self._token_files is not None:
            self._known.tick()
            found = await self._token_files.look()
            if found is not None:
                self._tokens_open = found.open
                self._known.replace(found.content)
        if self._certificates is not None and self._certificate_files is not None:
            new = await self._certificate_files.look()
            if new is not None:
                self._certificates.replace(new)
                _warn(new)

    def _usable(self, cert_file: Path, key_file: Path, client_ca_file: Path | None) -> Certificates:
        """What the files hold. A certificate that clients refuse neither begins nor replaces one that they take."""
        new = certificates.load(cert_file, key_file, client_ca_file)
        now = datetime.now(UTC)
        why = new.fault(now) if self._certificates is None else certificates.better(new, self._certificates.current, now)
        if why:
            raise SecurityFileError(certificates.CERT, cert_file, f"{why}; clients would refuse it")
        return new

    def checks(self) -> list[Check]:
        """What `mink diagnose` says of certificates and tokens; nothing if there are none."""
        begun = time.perf_counter()
        now = datetime.now(UTC)
        findings: list[tuple[str, tuple[str, str, str]]] = []
        if self._certificates is not None and self._certificate_files is not None:
            current = self._certificates.current
            findings.append(("certificate", of_certificate(current, self._certificate_files.problem, now)))
            if current.client_ca_expires is not None:
                findings.append(("client CA", of_client_ca(current.client_ca_expires, now)))
        if self._known is not None and self._token_files is not None:
            problem = self._token_files.problem
            findings.append(("tokens", of_tokens(self._known.content, problem, now, open_to_others=self._tokens_open)))
        took = time.perf_counter() - begun
        return [Check(component, *finding, took) for component, finding in findings]


def _warn(current: Certificates) -> None:
    now = datetime.now(UTC)
    if current.key_open:
        log.warning("others than its owner can read the private key", setting=certificates.KEY)
    if current.fault(now):
        log.warning("the certificate cannot be used: clients will refuse it", setting=certificates.CERT, why=current.fault(now))
    elif current.expires <= now:
        log.warning(
            "a certificate of the chain has expired: clients may refuse it",
            setting=certificates.CERT,
            expired=certificates.day(current.expires),
        )
