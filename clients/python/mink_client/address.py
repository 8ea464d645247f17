"""The address of a server: what gRPC takes, without what it would silently take for something else."""

from typing import Final

from mink_client.paths import without_secrets

_LOCAL: Final = ("unix:", "unix-abstract:", "vsock:")
_NAMED: Final = ("dns:", "ipv4:", "ipv6:", "passthrough:")
_LARGEST_PORT: Final = 65_535


class AddressError(ValueError):
    """It is no address of a server."""


def checked_address(server: object, name: str = "server") -> str:
    """An address that says host and port. Without a port, gRPC would go to 443.

    It may have a scheme of gRPC's: `dns:///host:port`, `ipv4:host:port,host:port`, `ipv6:[host]:port`, `unix:/path`,
    `xds:///name`.

    Args:
        server: What was given.
        name: What the caller calls it.

    Raises:
        AddressError: It is none.
        TypeError: It is no text.
    """
    if not isinstance(server, str):
        raise TypeError(f"{name}: HOST:PORT (str), not {type(server).__name__}")
    if server.startswith((*_LOCAL, "xds:")):
        good = server.isprintable() and len(server.partition(":")[2]) > 0
    else:
        scheme = next((scheme for scheme in _NAMED if server.startswith(scheme)), "")
        rest = server.removeprefix(scheme)
        if rest.startswith("/"):
            rest = rest.rpartition("/")[2]  # behind the authority: dns://8.8.8.8/host:port
        parts = rest.split(",") if scheme in ("ipv4:", "ipv6:") else [rest]
        good = server.isprintable() and all(map(_has_port, parts))
    if not good:
        shown = f", not {without_secrets(server)!r}" if len(server) <= 300 else ""
        raise AddressError(f"{name}: HOST:PORT, for example localhost:50051{shown}")
    return server


def _has_port(address: str) -> bool:
    host, _, port = address.rpartition(":")
    if host.startswith("["):
        host = host[1:-1] if host.endswith("]") else ""
    elif ":" in host:
        return False  # an IPv6 address without brackets, whose last group would pass for a port
    if not host or any(character.isspace() or character in "/[]" for character in host):
        return False
    return port.isascii() and port.isdecimal() and 0 < int(port) <= _LARGEST_PORT
