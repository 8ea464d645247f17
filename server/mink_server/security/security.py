"""The server's security, from its settings: what is checked at the start, followed while it runs, and told to operators."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog

from mink_server.core.log import Check
from mink_server.security import certificates, files, tokens
from mink_server.security.certificates import Certificates, ServerCertificates
from mink_server.security.errors import SecurityFileError
from mink_server.security.identities import EveryCertificate, KnownIdentities
from mink_server.security.reloading import Reloading

if TYPE_CHECKING:
    from pathlib import Path

    import grpc

    from mink_server.core.access import Identities

log = structlog.get_logger(__name__)

TOKENS: Final = "MINK_TOKENS_FILE"

_LOOK_EVERY: Final = 1.0
_CERTIFICATE_WARNING: Final = timedelta(days=21)
_TOKEN_WARNING: Final = timedelta(days=14)
_NAMED: Final = 5


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
            paths = [path for path in (cert_file, key_file, client_ca_file) if path is not None]
            self._certificate_files = Reloading("certificate", paths, lambda: self._usable(cert_file, key_file, client_ca_file))
            self._certificates = ServerCertificates(self._certificate_files.first)
            _warn_of_dates(self._certificates.current)
        self._token_files: Reloading[tokens.Tokens] | None = None
        self._known: KnownIdentities | None = None
        if tokens_file is not None:
            self._token_files = Reloading("tokens", [tokens_file], lambda: _load_tokens(tokens_file))
            self._known = KnownIdentities(self._token_files.first)
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
            content = await self._token_files.look()
            if content is not None:
                self._known.replace(content)
        if self._certificates is not None and self._certificate_files is not None:
            new = await self._certificate_files.look()
            if new is not None:
                self._certificates.replace(new)
                _warn_of_dates(new)

    def _usable(self, cert_file: Path, key_file: Path, client_ca_file: Path | None) -> Certificates:
        """What the files hold. An expired certificate never replaces one that is valid."""
        new = certificates.load(cert_file, key_file, client_ca_file)
        now = datetime.now(UTC)
        if self._certificates is not None and new.expires <= now < self._certificates.current.expires:
            raise SecurityFileError(certificates.CERT, cert_file, f"has expired, on {_day(new.expires)}")
        return new

    def checks(self) -> list[Check]:
        """What `mink diagnose` says of certificates and tokens; nothing if there are none."""
        begun = time.perf_counter()
        now = datetime.now(UTC)
        findings: list[tuple[str, tuple[str, str, str]]] = []
        if self._certificates is not None and self._certificate_files is not None:
            current = self._certificates.current
            problem = self._certificate_files.problem
            findings.append(("certificate", _judge_certificate(current.expires, problem, now)))
            if current.client_ca_expires is not None:
                findings.append(("client CA", _judge_certificate(current.client_ca_expires, "", now)))
        if self._known is not None and self._token_files is not None:
            findings.append(("tokens", _judge_tokens(self._known.content, self._token_files.problem, now)))
        took = time.perf_counter() - begun
        return [Check(component, *finding, took) for component, finding in findings]


def _load_tokens(path: Path) -> tokens.Tokens:
    if not path.exists():
        raise SecurityFileError(TOKENS, path, "there is no such file; `mink token create NAME --role ROLE` makes it")
    data = files.read(TOKENS, path, tokens.MAX_FILE_BYTES)
    try:
        content = tokens.decode(data)
    except ValueError as error:
        raise SecurityFileError(TOKENS, path, str(error)) from None
    if files.writable_by_others(path):
        log.warning("others than its owner can write the tokens file: they can give themselves any role", path=str(path))
    if not content.tokens and not content.certificates:
        log.warning("the tokens file names nobody: every call will be refused", path=str(path))
    return content


def _warn_of_dates(current: Certificates) -> None:
    now = datetime.now(UTC)
    if current.expires <= now:
        log.warning("the certificate has expired: clients will refuse it", setting=certificates.CERT, expired=_day(current.expires))
    elif current.begins > now:
        log.warning(
            "the certificate is not valid yet: clients will refuse it", setting=certificates.CERT, begins=_day(current.begins)
        )


def _judge_certificate(expires: datetime, problem: str, now: datetime) -> tuple[str, str, str]:
    left = expires - now
    advice = "replace the files; a running server reads them again within seconds"
    if left <= timedelta(0):
        return "failed", f"expired on {_day(expires)}", advice
    message = f"expires on {_day(expires)}, in {left.days} days"
    if problem:
        return "warning", f"{message}; the newest files cannot be used: {problem}", "mend the files"
    return ("warning", message, advice) if left <= _CERTIFICATE_WARNING else ("ok", message, "")


def _judge_tokens(content: tokens.Tokens, problem: str, now: datetime) -> tuple[str, str, str]:
    message = f"{len(content.tokens)} tokens, {len(content.certificates)} certificates"
    if problem:
        # Whoever was revoked since may still call.
        return "failed", f"{message}; the newest file cannot be used: {problem}", "mend the file"
    soon = [t for t in content.tokens if t.expires_at is not None and now < t.expires_at <= now + _TOKEN_WARNING]
    if soon:
        named = ", ".join(f"{t.name} ({t.id}, {_day(t.expires_at)})" for t in soon[:_NAMED] if t.expires_at is not None)
        more = f" and {len(soon) - _NAMED} more" if len(soon) > _NAMED else ""
        return "warning", f"{message}; expire soon: {named}{more}", "make new ones with `mink token create`, then revoke these"
    return "ok", message, ""


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
