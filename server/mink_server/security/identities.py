"""Who has which token and which certificate: what the interceptors ask."""

from __future__ import annotations

import hmac
import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from mink_server.core.access import Identity, Role
from mink_server.core.narrowing import shortest
from mink_server.security.tokens import digest, id_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mink_server.security.tokens import Certificate, Token, Tokens


class _Entry:
    __slots__ = ("digest", "expires", "identity")

    def __init__(self, identity: Identity | None, sha256: bytes, expires: float) -> None:
        self.identity = identity
        self.digest = sha256
        self.expires = expires


# What an unknown id is compared with, so that it takes as long as a known one.
_NOBODY: Final = _Entry(None, bytes(32), -math.inf)


class KnownIdentities:
    """Those whom the tokens file names. See `core.access.Identities`.

    Args:
        content: What the file holds.
    """

    def __init__(self, content: Tokens) -> None:
        self.generation = 0
        self.content = content
        self._fill(content)

    def replace(self, content: Tokens) -> None:
        """Knows others from now on."""
        self.content = content
        self._fill(content)
        self.generation += 1

    def _fill(self, content: Tokens) -> None:
        self._tokens = {
            token.id: _Entry(_identity(token), bytes.fromhex(token.sha256), _seconds(token.expires_at)) for token in content.tokens
        }
        self._certificates = {certificate.identity: _identity(certificate) for certificate in content.certificates}
        self._next_expiry = self._expiry_after(time.time())

    def _expiry_after(self, now: float) -> float:
        return min((entry.expires for entry in self._tokens.values() if entry.expires > now), default=math.inf)

    def tick(self) -> None:
        """Makes those ask again whose calls are open, if a token has expired since the last time. Call it about once a second."""
        now = time.time()
        if now >= self._next_expiry:
            self._next_expiry = self._expiry_after(now)
            self.generation += 1

    def by_token(self, token: str) -> Identity | None:
        """See Identities. Takes the same time for a token that is wrong in any way."""
        entry = self._tokens.get(id_of(token), _NOBODY)
        same = hmac.compare_digest(digest(token), entry.digest)
        return entry.identity if same and time.time() < entry.expires else None

    def by_certificate(self, names: Sequence[str]) -> Identity | None:
        """See Identities. The first name that is known counts."""
        return next((self._certificates[name] for name in names if name in self._certificates), None)


class EveryCertificate:
    """Where there is no tokens file: whoever has a certificate that the clients' CA signed may do everything."""

    def __init__(self) -> None:
        self.generation = 0

    def by_token(self, token: str) -> Identity | None:  # noqa: ARG002 - there are none
        """See Identities."""
        return None

    def by_certificate(self, names: Sequence[str]) -> Identity | None:
        """See Identities."""
        return Identity(names[0], frozenset(Role)) if names else None


def _identity(entry: Token | Certificate) -> Identity:
    return Identity(entry.name, frozenset(entry.roles), shortest(entry.prefixes))


def _seconds(moment: datetime | None) -> float:
    return math.inf if moment is None else moment.astimezone(UTC).timestamp()
