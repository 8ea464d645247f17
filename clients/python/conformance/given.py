"""What the cases give to the client: events, expectations, options."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from mink_client import TLS, ExpectedState, Mink, NewEvent, StreamAppend

from conformance.braces import as_text, replaced
from conformance.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILTER: Final = ("streams", "stream_prefixes", "categories", "types")
_OPTIONS: Final = ("timeout", "token", "token_file", "insecure_token")
_TLS_FILES: Final = ("ca_file", "cert_file", "key_file", "server_name")


def text(value: Any) -> Any:
    """A text, also where a word in braces has become a number."""
    return as_text(value) if isinstance(value, int | float) else value


def metadata(said: dict[str, Any] | None) -> dict[str, str] | None:
    """Metadata, if the case says some."""
    return None if said is None else {key: text(value) for key, value in said.items()}


def expected(said: Any) -> int | ExpectedState:
    """An expectation."""
    return ExpectedState[said] if isinstance(said, str) else int(said)


def events(said: Any, scope: Scope) -> list[NewEvent]:
    """Events to append.

    Args:
        said: As they stand in the case, before words in braces are replaced: a kind of which there are many has one each.
        scope: What names stand for.
    """
    return list(_events(said, scope))


def _events(said: Any, scope: Scope) -> Iterator[NewEvent]:
    if isinstance(said, list):
        yield from (_event(replaced(one, scope)) for one in said)
        return
    kind = {key: value for key, value in said.items() if key != "count"}
    for number in range(1, int(replaced(said["count"], scope)) + 1):
        yield _event(replaced(kind, Scope(scope, number)))


def _event(said: dict[str, Any]) -> NewEvent:
    type_, about = text(said["type"]), metadata(said.get("metadata"))
    id_ = said.get("id")
    if "binary" in said:
        return NewEvent(type_, base64.b64decode(said["binary"], validate=True), id=id_, metadata=about)
    if "binary_size" in said:
        return NewEvent(type_, bytes(said["binary_size"]), id=id_, metadata=about)
    written = f'"{"x" * (said["json_size"] - 2)}"' if "json_size" in said else text(said["json"])
    return NewEvent.raw_json(type_, written, id=id_, metadata=about)


def parts(said: list[dict[str, Any]], scope: Scope) -> list[StreamAppend]:
    """The parts of an append to several streams."""
    return [
        StreamAppend(
            text(replaced(part["stream"], scope)),
            events(part.get("events", []), scope),
            expected(replaced(part["expected"], scope)),
        )
        for part in said
    ]


def filters(arguments: dict[str, Any]) -> dict[str, Any]:
    """The filter that arguments say."""
    return {name: [text(entry) for entry in arguments[name]] for name in _FILTER if name in arguments}


def client(options: dict[str, Any], address: str) -> Mink:
    """A client, as the step `client` says.

    Args:
        options: Its options.
        address: Where it goes if they do not say.
    """
    given: dict[str, Any] = {name: options[name] for name in _OPTIONS if name in options}
    if "tls" in options:
        tls = options["tls"]
        given["tls"] = TLS(**{name: tls[name] for name in _TLS_FILES if name in tls}) if isinstance(tls, dict) else tls
    return Mink(options.get("address", address), **given)
