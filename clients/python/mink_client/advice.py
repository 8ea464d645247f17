"""What a person should look at when TLS is the likely reason that there is no connection.

gRPC has no codes for these, only words. Nothing but the sentence that is shown depends on finding them.
"""

from typing import Final

_NOT_CONNECTED: Final = "failed to connect to all addresses"
_HUNG_UP: Final = ("Socket closed", "Connection reset", "Broken pipe")

_HANDSHAKE: Final = (
    ("WRONG_VERSION_NUMBER", "the server does not speak TLS: look at its settings and at the port, or turn TLS off here"),
    ("certificate has expired", "the server's certificate has expired: renew it, or look at the clock of this machine"),
    ("certificate is not yet valid", "the server's certificate is not valid yet: look at the clock of this machine"),
    ("Hostname Verification", "the server's certificate is for another name: use one that stands in it, or set server_name"),
    ("CERTIFICATE_VERIFY_FAILED", "nobody who is trusted here has signed the server's certificate: look at ca_file (MINK_CA_FILE)"),
    ("handshake failed", "the server and this client could not agree on TLS"),
)
_WANTS_CERTIFICATE: Final = (
    "the server broke TLS off: if it wants a client certificate, look at cert_file (MINK_CLIENT_CERT_FILE), which may be missing, "
    "expired, or signed by somebody whom the server does not trust"
)
_WANTS_TLS: Final = "the server hung up at once: if it speaks TLS, turn TLS on here (MINK_TLS)"


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
        return found
    if any(words in details for words in _HUNG_UP):
        return _WANTS_CERTIFICATE if tls else _WANTS_TLS
    return before
