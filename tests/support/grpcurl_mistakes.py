"""What is typed to see each row of the last table of docs/grpcurl.md."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.support.grpcurl_servers import MUTUAL, PLAIN, SECURED, SILENT

STORE = "mink.v1.EventStore"


class Mistake(NamedTuple):
    """A row.

    Attributes:
        seen: The row's first cell. What stands there between backticks is printed.
        commands: Each of them shows it.
        fails: Whether they end with something else than 0.
        whole: All that is printed, as a pattern; None: it is not said.
    """

    seen: str
    commands: tuple[str, ...]
    fails: bool = True
    whole: str | None = None

    def shows(self, code: int, printed: str) -> bool:
        """Whether it was this that was seen."""
        if self.fails != (code != 0):
            return False
        if self.whole is not None:
            return re.fullmatch(self.whole, printed) is not None
        return all(each in printed for each in re.findall(r"`([^`]+)`", self.seen))


def _grpcurl(request: str, method: str, *, before: str = "-plaintext", address: str = PLAIN) -> str:
    return f"grpcurl {before} -d '{request}' {address} {STORE}/{method}"


_TOKEN = "-H 'authorization: Bearer ${TOKEN}'"
_QUICK = "grpcurl -connect-timeout 1"
_BUF = "buf curl --protocol grpc"
_EVENT = '{"type":"T","json":"{}"}'

MISTAKES = (
    Mistake("`tls: first record does not look like a TLS handshake`", (f"grpcurl {PLAIN} list",)),
    Mistake("`: EOF`", (f"{_QUICK} -plaintext {SECURED} list", f"{_QUICK} -cacert ca.pem -authority mink.example {MUTUAL} list")),
    Mistake(
        "`Failed to dial target host` … `context deadline exceeded`",
        (
            f"{_QUICK} -plaintext localhost:1 list",
            f"{_QUICK} -plaintext localhost list",
            f"{_QUICK} -plaintext http://{PLAIN} list",
            f"HTTPS_PROXY=http://127.0.0.1:1 {_QUICK} -plaintext mink.example:50051 list",
        ),
    ),
    Mistake("`certificate signed by unknown authority`", (f"{_QUICK} {SECURED} list",)),
    Mistake("`certificate is valid for mink.example, not localhost`", (f"{_QUICK} -cacert ca.pem {MUTUAL} list",)),
    Mistake("`server does not support the reflection API`", (f"grpcurl -plaintext {SILENT} list",)),
    Mistake(
        '`target server does not expose service "mink.v1.Eventstore"`',
        (f"grpcurl -plaintext {PLAIN} mink.v1.Eventstore/ReadStream",),
    ),
    Mistake('`does not include a method named "ReadEvents"`', (_grpcurl("{}", "ReadEvents"),)),
    Mistake("`Too many arguments.`", (f"grpcurl -plaintext {PLAIN} {STORE}/ReadStream -d '{{}}'",)),
    Mistake("`has no known field named strem`", (_grpcurl('{"strem":"Order-1"}', "ReadStream"),)),
    Mistake(
        "`expecting string ; instead got {`",
        (_grpcurl('{"stream":"Order-1","state":"ANY","events":[{"type":"T","json":{"qty":2}}]}', "AppendToStream"),),
    ),
    Mistake(
        '`enum "mink.v1.ExpectedState" does not have value named "no_stream"`',
        (_grpcurl('{"stream":"Order-1","state":"no_stream"}', "AppendToStream"),),
    ),
    Mistake(
        "`illegal base64 data at input byte 5`",
        (_grpcurl('{"stream":"Order-1","state":"ANY","events":[{"type":"T","binary":"hello!"}]}', "AppendToStream"),),
    ),
    Mistake("`unexpected EOF`", (_grpcurl('{"stream":"Order-1"', "ReadStream"),)),
    Mistake("`expectation: say what you expect`", (_grpcurl(f'{{"stream":"Order-1","events":[{_EVENT}]}}', "AppendToStream"),)),
    Mistake(
        '`"streamVersion": "4"`',
        (_grpcurl('{"stream":"Order-1","limit":"1"}', "ReadStream"), _grpcurl('{"stream":"Order-1","limit":1}', "ReadStream")),
        fails=False,
    ),
    Mistake(
        "`{` and `}` with nothing between", (_grpcurl('{"prefix":"Nobody-"}', "ListStreams"),), fails=False, whole=r"\{\s*\}\s*"
    ),
    Mistake("nothing at all, from `AppendSession`", (f"grpcurl -plaintext {PLAIN} {STORE}/AppendSession",), fails=False, whole=""),
    Mistake(
        "`say who you are: send a token`",
        (
            f"grpcurl -cacert ca.pem {SECURED} {STORE}/ListStreams",
            f'grpcurl -cacert ca.pem -H "token: $(cat billing.token)" {SECURED} {STORE}/ListStreams',
        ),
    ),
    Mistake(
        "`the token is not known, or counts no longer`",
        (f"export TOKEN=$(cat billing.token); grpcurl -cacert ca.pem {_TOKEN} {SECURED} {STORE}/ListStreams",),
    ),
    Mistake(
        '`refers to missing environment variable "TOKEN"`',
        (f"TOKEN=$(cat billing.token); grpcurl -cacert ca.pem -expand-headers {_TOKEN} {SECURED} {STORE}/ListStreams",),
    ),
    Mistake(
        "`the server hosted at that remote is unavailable`",
        (
            f"{_BUF} --list-services https://{PLAIN}",
            f"{_BUF} --list-services https://{SECURED}",
            f"{_BUF} --connect-timeout 1 --list-services http://localhost:1",
        ),
    ),
    Mistake(
        '`failed to find service named "mink.v1.EventStore" in schema`',
        (f"buf curl http://{PLAIN}/{STORE}/ListStreams", f"{_BUF} http://{SILENT}/{STORE}/ListStreams"),
    ),
    Mistake("`malformed HTTP response`", (f"buf curl --schema protos http://{PLAIN}/{STORE}/ListStreams",)),
    Mistake('`scheme "localhost" is not supported`', (f"{_BUF} {PLAIN}/{STORE}/ListStreams",)),
)
