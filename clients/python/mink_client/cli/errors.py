"""The one place where an error becomes a line for a person and an exit code."""

import shlex
from typing import TYPE_CHECKING, Any, Final, cast

import typer

from mink_client import (
    NO_STREAM,
    STREAM_EXISTS,
    AccessError,
    CredentialsError,
    DatabaseUnavailable,
    DeadlineExceeded,
    Expected,
    InvalidRequest,
    MinkError,
    PositionAhead,
    ProjectionInUse,
    ProjectionNotFound,
    ShuttingDown,
    SnapshotNotFound,
    StreamDeleted,
    StreamNotFound,
    TooLarge,
    Unavailable,
    WrongExpectedVersion,
)
from mink_client.advice import reworded

if TYPE_CHECKING:
    from collections.abc import Callable

    class ClickException(Exception):  # noqa: N818 - its name in click
        """What typer raises for a wrong call."""

        def format_message(self) -> str:
            """What was wrong."""
else:
    # Newer typers carry click inside, older ones import it; either way it is an ancestor of what they export.
    ClickException = typer.BadParameter.__mro__[2]

FAILED: Final = 1
WRONG_CALL: Final = 2


class Failure(Exception):  # noqa: N818 - it ends the program, and is not handled as an error
    """A command ends without having done what was asked.

    Attributes:
        message: One line for standard error.
        code: The exit code.
    """

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def wrong_call(message: str) -> Failure:
    """A failure because of what stands on the command line."""
    return Failure(message, WRONG_CALL)


def wrong_credentials(error: CredentialsError) -> Failure:
    """A failure because of a certificate, a key, a token, or what says where they are."""
    if error.argument == "insecure_token":
        return wrong_call("the token would go to another machine in clear: turn TLS on, with --tls (MINK_TLS) or --ca-file")
    return wrong_call(f"{_CREDENTIALS[error.argument]}: {error.problem}")


_CREDENTIALS: Final = {
    "tls": "--tls",
    "ca_file": "--ca-file (MINK_CA_FILE)",
    "cert_file": "--client-cert-file (MINK_CLIENT_CERT_FILE)",
    "key_file": "--client-key-file (MINK_CLIENT_KEY_FILE)",
    "token": "MINK_TOKEN",
    "token_file": "--token-file (MINK_TOKEN_FILE)",
}
"""What the arguments of the client are called here."""
_ARGUMENTS: Final = {
    "tls": "--tls, MINK_TLS",
    "ca_file": _CREDENTIALS["ca_file"],
    "cert_file": _CREDENTIALS["cert_file"],
    "server_name": "",  # there is no option for it
}
"""The same for what stands in an advice."""


def explain(error: MinkError, server: str) -> Failure:
    """What a failed call means to the person who typed the command.

    Args:
        error: What the client raised.
        server: The server's address.
    """
    for kind, say in _SAYINGS:
        if isinstance(error, kind):
            return Failure(say(error, server), WRONG_CALL if isinstance(error, InvalidRequest) else FAILED)
    if error.reason == "UNIMPLEMENTED":
        return Failure(f"{server} answers, and does not know this call: is it Mink, and not older than this command?")
    return Failure(error.message)


def unreachable(server: str, why: str = "") -> str:
    """That there is no server, and what to do about it."""
    # The client's own message begins with the same words.
    why = why.removeprefix(f"cannot reach Mink at {server}: ")
    reason = f" ({why})" if why else ""
    return f"cannot reach Mink at {server}{reason}: is it running? Start it with `mink serve`, or set MINK_SERVER or --server"


def _unavailable(error: Unavailable, server: str) -> str:
    if isinstance(error, DatabaseUnavailable | ShuttingDown):
        return error.message
    if error.advice:
        return f"cannot reach Mink at {server}: {reworded(error.advice, _ARGUMENTS)}"
    return unreachable(server, error.message)


def _wrong_version(error: WrongExpectedVersion, server: str) -> str:  # noqa: ARG001
    found = f"it is at version {error.actual}" if error.actual else "it does not exist"
    return f"nothing was changed: expected {_expected(error.stream, error.expected)}, but {found}"


def _expected(stream: str, expected: Expected) -> str:
    if expected is NO_STREAM or expected == 0:
        return f"that there is no stream {stream}"
    if expected is STREAM_EXISTS:
        return f"that the stream {stream} exists"
    return f"stream {stream} at version {expected}"


def _invalid(error: InvalidRequest, server: str) -> str:  # noqa: ARG001
    if not error.violations:
        return error.message
    return "; ".join(f"{field}: {description}" for field, description in error.violations)


def _no_access(error: AccessError, server: str) -> str:  # noqa: ARG001
    if error.reason == "UNAUTHENTICATED":
        return f"{error.message}; --token-file, MINK_TOKEN_FILE or MINK_TOKEN gives a token, --client-cert-file a certificate"
    return error.message


def _ahead(error: PositionAhead, server: str) -> str:
    return f"position {error.position} is beyond the newest one of the log at {server}, {error.head}"


def _message(error: MinkError, server: str) -> str:  # noqa: ARG001
    return error.message


_SAYINGS: Final = cast(
    "list[tuple[type[MinkError], Callable[[Any, str], str]]]",
    [
        (WrongExpectedVersion, _wrong_version),
        (StreamDeleted, _message),
        (StreamNotFound, lambda error, _: f"there is no stream {error.stream}"),
        (SnapshotNotFound, lambda error, _: f"the stream {error.stream} has no snapshot"),
        (
            ProjectionNotFound,
            lambda error, _: f"there is no projection {error.projection}: `mink projection list` has those there are",
        ),
        (
            ProjectionInUse,
            lambda error, _: f"{error.message}; `mink projection status {shlex.quote(error.projection)}` has its workers",
        ),
        (InvalidRequest, _invalid),
        (PositionAhead, _ahead),
        (TooLarge, lambda error, _: f"{error.size} bytes are more than the server takes: {error.limit}"),
        (DeadlineExceeded, lambda error, _: f"{error.message}; --timeout SECONDS waits longer"),
        (Unavailable, _unavailable),
        (AccessError, _no_access),
    ],
)
