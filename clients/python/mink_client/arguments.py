"""What is wrong with an argument, found out only after protobuf has refused it: what is right costs nothing.

protobuf's own words name neither the argument nor the type that it wants.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
Message = TypeVar("Message")

REFUSED: Final = (TypeError, ValueError, AttributeError)
"""What protobuf, or Python on the way to it, raises for an argument that cannot be."""


def request(kind: Callable[P, Message], *args: P.args, **fields: P.kwargs) -> Message:
    """Makes a request.

    Args:
        kind: The message.
        args: None.
        fields: Its fields.

    Raises:
        TypeError: A field has the wrong type; the message names it.
        ValueError: A text cannot be written as UTF-8, or a number is out of range.
    """
    try:
        return kind(*args, **fields)
    except REFUSED:
        for name, value in fields.items():
            _try_alone(kind, name, value)
        raise


def _try_alone(kind: Callable[..., object], name: str, value: object) -> None:
    try:
        kind(**{name: value})
    except REFUSED as error:
        parts = [*value, *value.values()] if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else [value]
        for part in parts:
            if problem := _not_utf8(part):
                raise ValueError(f"{name}: {problem}") from None
        if isinstance(error, ValueError):
            raise ValueError(f"{name}: {error}") from None  # noqa: TRY004 - as protobuf raised it
        raise TypeError(f"{name}: {_wanted(value)}") from None


def _wanted(value: object) -> str:
    if isinstance(value, Mapping):
        return "text by name: keys and values are of type str"
    if isinstance(value, list | tuple):
        wrong = next((part for part in value if not isinstance(part, str)), None)
        return f"each is text (str), not {type(wrong).__name__}"
    return f"cannot be of type {type(value).__name__}"


def wrong_text(name: str, value: object) -> Exception | None:
    """Why something is no text that can be sent; None if it is.

    Args:
        name: What the caller calls it.
        value: What was given.
    """
    if not isinstance(value, str):
        return TypeError(f"{name}: text (str), not {type(value).__name__}")
    problem = _not_utf8(value)
    return ValueError(f"{name}: {problem}") if problem else None


def wrong_metadata(name: str, value: object) -> Exception | None:
    """Why something is no metadata that can be sent; None if it is."""
    if not isinstance(value, Mapping):
        return TypeError(f"{name}: text by name (a mapping of str to str), not {type(value).__name__}")
    for key, entry in value.items():
        if found := wrong_text(f"a key of {name}", key) or wrong_text(f"{name}[{key!r}]", entry):
            return found
    return None


def wrong_event(where: str, event: Any) -> Exception | None:
    """Why something is no event that can be appended; None if it is one.

    Args:
        where: What the caller calls it. Example: `events[0]`.
        event: What was given.
    """
    missing = [name for name in ("type", "id", "data", "metadata") if not hasattr(event, name)]
    if missing:
        return TypeError(f"{where}: a NewEvent, not {type(event).__name__}")
    found = wrong_text(f"{where}.type", event.type) or wrong_text(f"{where}.id", event.id)
    if found is None and not isinstance(event.data, bytes):
        found = wrong_text(f"{where}: the payload", event.data)
    return found or wrong_metadata(f"{where}.metadata", event.metadata)


def wrong_part(where: str, part: Any) -> Exception | None:
    """Why something is no part of an append to several streams; None if it is one."""
    if not all(hasattr(part, name) for name in ("stream", "events", "expected")):
        return TypeError(f"{where}: a StreamAppend, not {type(part).__name__}")
    return wrong_text(f"{where}.stream", part.stream)


def _not_utf8(text: object) -> str | None:
    if isinstance(text, str):
        try:
            text.encode()
        except UnicodeEncodeError:
            return "holds half of a surrogate pair, which UTF-8 cannot write"
    return None
