"""The files that servers and clients need: certificates of a CA of the run's own, and tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import trustme
from mink_server.core.access import Role
from mink_server.security import editing
from mink_server.security.tokens import Token, Tokens, new_token

if TYPE_CHECKING:
    from pathlib import Path

_HOSTS: Final = ("localhost", "127.0.0.1")
# Name, role, prefixes, and whether it has expired.
_TOKENS: Final = (
    ("reader", Role.READ, (), False),
    ("appender", Role.APPEND, (), False),
    ("manager", Role.MANAGE, (), False),
    ("admin", Role.ADMIN, (), False),
    ("narrow", Role.APPEND, ("Narrow-",), False),
    ("expired", Role.ADMIN, (), True),
)


class Files:
    """Everything that is written once for a run.

    Attributes:
        tls: Settings of a server that speaks TLS.
        mtls: Settings of one that wants client certificates too.
        with_tokens: Settings of one that wants tokens.
        trust: What `/case` tells of a server with TLS.
        identity: What it tells of one that wants client certificates.
        tokens: The tokens, by name.
    """

    def __init__(self, folder: Path) -> None:
        authority, other = trustme.CA(), trustme.CA()
        server, client = authority.issue_cert(*_HOSTS), authority.issue_cert("conformance")
        self.trust = {
            "ca_file": _written(folder / "ca.pem", authority.cert_pem.bytes()),
            "other_ca_file": _written(folder / "other-ca.pem", other.cert_pem.bytes()),
        }
        self.identity = {
            "cert_file": _written(folder / "client.pem", b"".join(pem.bytes() for pem in client.cert_chain_pems)),
            "key_file": _written(folder / "client.key", client.private_key_pem.bytes()),
        }
        self.tls = {
            "MINK_TLS_CERT_FILE": _written(folder / "server.pem", b"".join(pem.bytes() for pem in server.cert_chain_pems)),
            "MINK_TLS_KEY_FILE": _written(folder / "server.key", server.private_key_pem.bytes()),
        }
        self.mtls = {**self.tls, "MINK_TLS_CLIENT_CA_FILE": self.trust["ca_file"]}
        self.tokens: dict[str, str] = {}
        self.with_tokens = {"MINK_TOKENS_FILE": str(folder / "tokens.json")}
        editing.save(folder / "tokens.json", Tokens(tuple(self._new_tokens())))

    def _new_tokens(self) -> list[Token]:
        now = datetime.now(UTC)
        made = []
        for name, role, prefixes, expired in _TOKENS:
            expires_at = now - timedelta(hours=1) if expired else None
            token, self.tokens[name] = new_token(name, (role,), prefixes, now - timedelta(hours=2), expires_at)
            made.append(token)
        return made


def _written(path: Path, data: bytes) -> str:
    path.touch(mode=0o600)
    path.write_bytes(data)
    return str(path)
