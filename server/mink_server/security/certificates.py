"""The server's certificate, its key, and who signs the clients' certificates: read, checked, and handed to gRPC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from mink_server.security import files
from mink_server.security.errors import SecurityFileError
from mink_server.telemetry import metrics

if TYPE_CHECKING:
    from pathlib import Path

CERT: Final = "MINK_TLS_CERT_FILE"
KEY: Final = "MINK_TLS_KEY_FILE"
CLIENT_CA: Final = "MINK_TLS_CLIENT_CA_FILE"

_MOST_BYTES: Final = 4 * 1024 * 1024
_LEAST_RSA_BITS: Final = 2048
# What gRPC's own TLS agrees on with its clients. Others are taken at the start, and then every handshake fails.
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1)
_KEYS: Final = f"must be RSA with {_LEAST_RSA_BITS} bits or more, or P-256 or P-384: gRPC's clients take no others"


@dataclass(frozen=True, slots=True)
class Certificates:
    """What was read, and found to be right.

    Attributes:
        key: The private key, PEM.
        chain: The server's certificate and those between it and its CA, PEM.
        client_ca: Who signs the clients' certificates, PEM; None: clients need none.
        begins: When the server's certificate begins to be valid.
        ends: When the server's certificate expires.
        expires: When the first certificate of the chain that does so expires.
        client_ca_expires: When the last certificate of the clients' CA expires; None: there is none.
        key_open: Whether others than its owner can read the file of the key.
    """

    key: bytes
    chain: bytes
    client_ca: bytes | None
    begins: datetime
    ends: datetime
    expires: datetime
    client_ca_expires: datetime | None
    key_open: bool

    def fault(self, now: datetime) -> str:
        """Why clients refuse the server's certificate now; empty: they do not."""
        if self.ends <= now:
            return f"has expired, on {day(self.ends)}"
        return f"is not valid before {day(self.begins)}" if self.begins > now else ""

    def __repr__(self) -> str:
        """Without the key."""
        return f"Certificates(expires={self.expires})"


def load(cert_file: Path, key_file: Path, client_ca_file: Path | None) -> Certificates:
    """Reads and checks the files.

    Raises:
        SecurityFileError: One of them cannot be used.
    """
    chain_pem, chain = _certificates(CERT, cert_file)
    key_pem, about_key = files.read_with_mode(KEY, key_file, _MOST_BYTES)
    key = _private_key(key_file, key_pem)
    if _public(key.public_key()) != _public(chain[0].public_key()):
        raise SecurityFileError(KEY, key_file, f"is not the key of the first certificate in {cert_file} ({CERT})")
    ca_pem, ca = _certificates(CLIENT_CA, client_ca_file) if client_ca_file else (None, [])
    if client_ca_file is not None and not all(map(_signs, ca)):
        raise SecurityFileError(CLIENT_CA, client_ca_file, "holds a certificate that is not a CA's: clients' are signed by a CA")
    return Certificates(
        key_pem,
        chain_pem,
        ca_pem,
        chain[0].not_valid_before_utc,
        chain[0].not_valid_after_utc,
        min(one.not_valid_after_utc for one in chain),
        max((one.not_valid_after_utc for one in ca), default=None),
        files.readable_by_others(about_key),
    )


def day(moment: datetime) -> str:
    """A moment for people."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def better(new: Certificates, current: Certificates, now: datetime) -> str:
    """Why new certificates must not replace those that are there; empty: they may."""
    fault = new.fault(now) or (f"holds one that has expired, on {day(new.expires)}" if new.expires <= now else "")
    if not fault or (current.fault(now) and new.ends > current.ends):
        return ""
    # Where both chains have one that has expired, the newer one counts.
    return fault if new.fault(now) or current.expires > now else ""


def _certificates(setting: str, path: Path) -> tuple[bytes, list[x509.Certificate]]:
    pem = files.read(setting, path, _MOST_BYTES)
    try:
        found = x509.load_pem_x509_certificates(pem)
        for one in found:
            one.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise SecurityFileError(setting, path, "holds no certificates, or one that cannot be read (PEM is expected)") from None
    return pem, found


def _signs(one: x509.Certificate) -> bool:
    """Whether a certificate is a CA's. An old root does not say it; what nobody else has signed is taken for one."""
    try:
        return one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return one.issuer == one.subject
    except ValueError:
        return False


def _private_key(path: Path, pem: bytes) -> Any:
    try:
        key = load_pem_private_key(pem, None)
    except TypeError:
        raise SecurityFileError(KEY, path, "is encrypted; the server cannot ask for its password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise SecurityFileError(KEY, path, "holds no private key that can be read (PEM is expected)") from None
    fits = (isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _LEAST_RSA_BITS) or (
        isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, _CURVES)
    )
    if not fits:
        raise SecurityFileError(KEY, path, _KEYS)
    return key


def _public(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


class ServerCertificates:
    """What gRPC shows to those who connect. New certificates count for new connections; the others stay.

    Args:
        first: The certificates to begin with.
    """

    def __init__(self, first: Certificates) -> None:
        self.current = first
        # What gRPC has not fetched yet. It asks at each new connection, from threads of its own; one of them gets the element.
        self._fresh: list[grpc.ServerCertificateConfiguration] = []
        self.credentials = grpc.dynamic_ssl_server_credentials(
            _configuration(first),
            self._fetch,  # type: ignore[arg-type] # None is no change, says gRPC's documentation
            require_client_authentication=first.client_ca is not None,
        )
        metrics.CERTIFICATE_EXPIRY.set(first.expires.timestamp())

    def replace(self, new: Certificates) -> None:
        """Shows others from the next connection on."""
        self.current = new
        self._fresh = [_configuration(new)]
        metrics.CERTIFICATE_EXPIRY.set(new.expires.timestamp())

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        try:
            return self._fresh.pop()
        except IndexError:
            return None


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(certificates.key, certificates.chain)], certificates.client_ca)
