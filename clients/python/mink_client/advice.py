"""What a person should look at when there is a server, and no connection with it; mostly for TLS.

gRPC has no codes for these, only words. Nothing but the sentence that is shown depends on finding them. What stands in braces is an
argument, which a program and a command line call differently.
"""

from collections.abc import Mapping
from typing import Final

_NOT_CONNECTED: Final = "failed to connect to all addresses"
_HUNG_UP: Final = ("Socket closed", "Connection reset", "Broken pipe")

_HANDSHAKE: Final = (
    ("WRONG_VERSION_NUMBER", "the server does not speak TLS: look at its settings and at the port, or turn TLS off here"),
    ("certificate has expired", "the server's certificate has expired: renew it; or the clock of this machine is wrong"),
    (
        "certificate is not yet valid",
        "the server's certificate is not valid yet: look at the dates that stand in it, and at the clock of this machine",
    ),
    ("Hostname Verification", "the server's certificate is for another name: use one that stands in it{server_name}"),
    ("CERTIFICATE_VERIFY_FAILED", "nobody who is trusted here has signed the server's certificate: look at {ca_file}"),
    ("handshake failed", "the server and this client could not agree on TLS"),
    (
        "receiving SETTINGS frame",
        "somebody takes connections there and does not answer: a server that hangs or was stopped, or no Mink",
    ),
)
_WANTS_CERTIFICATE: Final = (
    "the server hung up while TLS was agreed on: it wants a client certificate, and {cert_file} is missing, expired, or signed by "
    "somebody whom it does not trust; or it is no Mink with TLS, or is just stopping: look at the address, and at its log"
)
_WANTS_TLS: Final = "the server hung up at once: if it speaks TLS, turn TLS on here ({tls})"


ARGUMENTS: Final[Mapping[str, str]] = {
    "tls": "MINK_TLS",
    "ca_file": "ca_file (MINK_CA_FILE)",
    "cert_file": "cert_file (MINK_CLIENT_CERT_FILE)",
    "server_name": ", or set server_name",
}
"""What a program calls what stands in braces."""

_SENTENCES: Final = {
    sentence.format_map(ARGUMENTS): sentence for sentence in (*(said for _, said in _HANDSHAKE), _WANTS_CERTIFICATE, _WANTS_TLS)
}


def reworded(advised: str, names: Mapping[str, str]) -> str:
    """The same advice with other names for the arguments.

    Args:
        advised: What `advice` gave.
        names: As in `ARGUMENTS`.
    """
    return _SENTENCES.get(advised, advised).format_map(names)


def advice(details: str, *, tls: bool, before: str | None = None) -> str | None:
    """What to look at; None if it is not TLS.

    Args:
        details: What gRPC says about the call.
        tls: Whether this client speaks TLS.
        before: What was found a moment ago. A name may have several addresses, and gRPC speaks of one of them at a time: that
            nobody is at the one does not mean that the other has become well.
    """
    found = next((sentence for words, sentence in _HANDSHAKE if words in details), None)
    if found is not None or _NOT_CONNECTED not in details:
        return found.format_map(ARGUMENTS) if found else None
    if any(words in details for words in _HUNG_UP):
        return (_WANTS_CERTIFICATE if tls else _WANTS_TLS).format_map(ARGUMENTS)
    return before
