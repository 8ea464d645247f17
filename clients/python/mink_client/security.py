"""Who a client is and whom it trusts: TLS, client certificates, tokens; from arguments, or from the environment."""

import ipaddress
import os
import ssl
import string
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import grpc

from mink_client.errors import CredentialsError
from mink_client.paths import check_path

Name: TypeAlias = str | os.PathLike[str]
TokenSource: TypeAlias = str | Callable[[], str | Awaitable[str]]

TLS_VARIABLE: Final = "MINK_TLS"
CA_FILE_VARIABLE: Final = "MINK_CA_FILE"
CERT_FILE_VARIABLE: Final = "MINK_CLIENT_CERT_FILE"
KEY_FILE_VARIABLE: Final = "MINK_CLIENT_KEY_FILE"
TOKEN_VARIABLE: Final = "MINK_TOKEN"  # noqa: S105 - a name
TOKEN_FILE_VARIABLE: Final = "MINK_TOKEN_FILE"  # noqa: S105

_SWITCH: Final = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_GRPC_ROOTS: Final = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
# Where systems keep the authorities that they trust, if Python does not know: Debian and Alpine, Fedora, SUSE, macOS and BSD.
_SYSTEM_ROOTS: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_LONGEST_SWITCH: Final = 20
"""Characters of a wrong switch that are shown: what is longer may be a key or a token."""
_LONGEST_TOKEN: Final = 4096
_TOKEN_CHARACTERS: Final = frozenset(string.ascii_letters + string.digits + string.punctuation)


@dataclass(frozen=True, slots=True)
class TLS:
    """How to speak TLS. Files are PEM. They are read anew when they change; a connection that is open is not broken for that.

    Attributes:
        ca_file: The authorities that may have signed the server's certificate; None: those that this machine trusts.
        cert_file: The client's own certificate, with the chain behind it; None: it has none.
        key_file: The key that belongs to it, without a passphrase.
        server_name: The name that the server's certificate must have; None: the host of the server's address.
    """

    ca_file: Name | None = None
    cert_file: Name | None = None
    key_file: Name | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        for argument in ("ca_file", "cert_file", "key_file"):
            check_path(argument, getattr(self, argument))
        if (self.cert_file is None) != (self.key_file is None):
            missing, given = ("key_file", "cert_file") if self.key_file is None else ("cert_file", "key_file")
            raise CredentialsError(missing, f"goes with {given}: a client certificate needs both")

    @property
    def files(self) -> tuple[Name, ...]:
        """The files that are named."""
        return tuple(name for name in (self.ca_file, self.cert_file, self.key_file) if name is not None)

    def options(self, address: str) -> tuple[tuple[str, str], ...]:
        """The options of a gRPC channel that go with it.

        Args:
            address: The address, `host:port`, whose host the certificate must name; empty: that of the channel.
        """
        name = self.server_name or address.rpartition(":")[0]
        return (("grpc.ssl_target_name_override", name),) if name else ()

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads and checks the files.

        Raises:
            CredentialsError: A file cannot be read, or is not what it should be.
        """
        roots = _system_roots() if self.ca_file is None else _certificates("ca_file", self.ca_file)
        if self.cert_file is None or self.key_file is None:
            return grpc.ssl_channel_credentials(roots)
        chain, key = _certificates("cert_file", self.cert_file), _key(self.key_file)
        _check_pair(self.cert_file, self.key_file)
        return grpc.ssl_channel_credentials(roots, key, chain)


def choose_tls(
    given: TLS | bool | None,
    *,
    ca_file: Name | None = None,
    cert_file: Name | None = None,
    key_file: Name | None = None,
) -> TLS | None:
    """Whether and how to speak TLS. What is not given comes from the environment, where naming a file turns TLS on as well.

    Args:
        given: A `TLS` is taken as it is. True: on, false: off, None: as the environment or a file says.
        ca_file: Before `MINK_CA_FILE`.
        cert_file: Before `MINK_CLIENT_CERT_FILE`.
        key_file: Before `MINK_CLIENT_KEY_FILE`.

    Raises:
        CredentialsError: The environment says what cannot be.
    """
    if isinstance(given, TLS):
        return given
    if given not in (None, True, False):
        raise CredentialsError("tls", f"True, False or a TLS, not {type(given).__name__}")
    named = ca_file or cert_file or key_file
    wanted = given if given is not None or named else _switch(TLS_VARIABLE)
    if wanted is False:
        return None
    tls = TLS(
        ca_file or os.environ.get(CA_FILE_VARIABLE) or None,
        cert_file or os.environ.get(CERT_FILE_VARIABLE) or None,
        key_file or os.environ.get(KEY_FILE_VARIABLE) or None,
    )
    return tls if wanted or tls.files else None


def choose_token(token: TokenSource | None, token_file: Name | None) -> tuple[TokenSource | None, Path | None]:
    """Where the token comes from: what is given, or else what the environment says; one of the two at most.

    Raises:
        CredentialsError: There are two, or the file's path is none.
    """
    if token is not None and token_file is not None:
        raise CredentialsError("token_file", "goes without token: one of the two")
    if token is None and token_file is None:
        token, token_file = os.environ.get(TOKEN_VARIABLE) or None, os.environ.get(TOKEN_FILE_VARIABLE) or None
        if token is not None and token_file is not None:
            raise CredentialsError("token_file", f"{TOKEN_VARIABLE} and {TOKEN_FILE_VARIABLE} are both set: one of the two")
    check_path("token_file", token_file)
    return token, None if token_file is None else Path(token_file)


def checked_token(token: object, where: str = "it") -> str:
    """A token without the white space around it.

    Args:
        token: What was given.
        where: Where it came from, for the error. The token itself is in no error.

    Raises:
        CredentialsError: It cannot be a token.
    """
    if not isinstance(token, str):
        raise CredentialsError("token", f"{where} is no text, but {type(token).__name__}")
    token = token.strip()
    if not token:
        raise CredentialsError("token", f"{where} is empty")
    if len(token.splitlines()) > 1:
        raise CredentialsError("token", f"{where} has more than one line; a token is one")
    if len(token) > _LONGEST_TOKEN or not _TOKEN_CHARACTERS.issuperset(token):
        raise CredentialsError("token", f"{where} is not {_LONGEST_TOKEN} or fewer printable ASCII characters without spaces")
    return token


def read_token(file: Path) -> str:
    """The token in a file.

    Raises:
        CredentialsError: The file cannot be read, or holds no token.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(_LONGEST_TOKEN * 2)
        return checked_token(data.decode("ascii"), str(file))
    except UnicodeDecodeError:
        raise CredentialsError("token_file", f"{file} holds no token: it is not ASCII") from None
    except OSError as error:
        raise _unreadable("token_file", file, error) from None
    except CredentialsError as error:
        raise CredentialsError("token_file", error.problem) from None


def is_loopback(target: str) -> bool:
    """Whether an address certainly does not leave this machine. What is not understood may leave it."""
    kind, colon, rest = target.partition(":")
    if colon and kind in {"unix", "unix-abstract"}:
        return True
    if colon and kind in {"ipv4", "ipv6"}:
        return all(_is_loopback_host(address) for address in rest.split(","))
    if target.startswith("dns:"):
        target = rest.rpartition("/")[2]
    return _is_loopback_host(target)


def _is_loopback_host(address: str) -> bool:
    if address.startswith("["):
        host = address[1:].partition("]")[0]
    else:
        host = address if address.count(":") > 1 else address.partition(":")[0]
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fingerprint(files: Iterable[Name]) -> tuple[object, ...]:
    """What changes when one of the files does."""
    found: list[object] = []
    for file in files:
        try:
            stat = os.stat(file)  # noqa: PTH116 - once a second and file, on the way of a call
            found.append((stat.st_mtime_ns, stat.st_ino, stat.st_size))
        except OSError as error:
            found.append(error.errno)
    return tuple(found)


def _switch(variable: str) -> bool | None:
    text = os.environ.get(variable, "").strip().lower()
    if text and text not in _SWITCH:
        shown = f"not {text!r}" if len(text) <= _LONGEST_SWITCH else "and nothing else"
        raise CredentialsError("tls", f"{variable}: true or false, {shown}")
    return _SWITCH.get(text)


def _system_roots() -> bytes | None:
    """The authorities that this machine trusts; None: those that gRPC brings with it, or is told of by its own variable."""
    if os.environ.get(_GRPC_ROOTS):
        return None
    for name in (ssl.get_default_verify_paths().cafile, *_SYSTEM_ROOTS):
        try:
            if name and (data := Path(name).read_bytes()):
                return data
        except OSError:
            continue
    return None


def _certificates(argument: str, name: Name) -> bytes:
    data = _read(argument, name)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=data.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        raise CredentialsError(argument, f"{os.fspath(name)} holds no certificate in PEM form, or a damaged one") from None
    return data


def _key(name: Name) -> bytes:
    data = _read("key_file", name)
    if b"ENCRYPTED" in data:
        raise CredentialsError("key_file", f"{os.fspath(name)} is protected by a passphrase, which gRPC does not take")
    if b"PRIVATE KEY-----" not in data:
        raise CredentialsError("key_file", f"{os.fspath(name)} holds no private key in PEM form")
    return data


def _check_pair(cert_file: Name, key_file: Name) -> None:
    try:
        # The password is asked for by nobody: without one given, OpenSSL would ask at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert_file, key_file, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            problem = f"{os.fspath(key_file)} does not belong to the certificate in {os.fspath(cert_file)}"
        else:
            problem = f"{os.fspath(key_file)} holds no usable private key"
        raise CredentialsError("key_file", problem) from None
    except OSError as error:
        raise _unreadable("key_file", key_file, error) from None


def _read(argument: str, name: Name) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise _unreadable(argument, name, error) from None


def _unreadable(argument: str, name: Name, error: OSError) -> CredentialsError:
    return CredentialsError(argument, f"cannot read {os.fspath(name)}: {error.strerror or type(error).__name__}")
