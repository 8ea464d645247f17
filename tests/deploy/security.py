"""Certificates and a tokens file, under the names that deploy/ uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path


def make_files(folder: Path) -> None:
    """Writes tls.crt, tls.key and tokens (which knows nobody) into a folder."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    (folder / "tls.crt").write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    (folder / "tls.key").write_bytes(certificate.private_key_pem.bytes())
    (folder / "tokens").write_text("{}")
    for file in folder.iterdir():
        file.chmod(0o600)
