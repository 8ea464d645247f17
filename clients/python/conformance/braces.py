"""Words in braces: what `${…}` in a case becomes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*(?::[A-Za-z0-9_.-]+)?"
_WORD: Final = re.compile(rf"\$\{{({_NAME})(?: ([+-]) ([0-9]+))?\}}")
_ANY: Final = re.compile(r"\$\$\{|\$\{[^}]*\}?")


class BracesError(Exception):
    """A word in braces cannot be replaced."""


def replaced(value: Any, known: Callable[[str], Any]) -> Any:
    """A value of a case in which all words are replaced, also in what it holds; keys are not.

    Args:
        value: The value.
        known: Gives what a name stands for.

    Raises:
        BracesError: A word cannot be replaced.
        KeyError: Nobody knows a name.
    """
    if isinstance(value, str):
        return _text(value, known)
    if isinstance(value, list):
        return [replaced(entry, known) for entry in value]
    if isinstance(value, dict):
        return {key: replaced(entry, known) for key, entry in value.items()}
    return value


def as_text(value: Any) -> str:
    """How a value stands in a text.

    Raises:
        BracesError: It is an object, a list or nothing.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise BracesError(f"only a text, a number or true and false can stand in a text, not {value!r}")


def _text(text: str, known: Callable[[str], Any]) -> Any:
    whole = _WORD.fullmatch(text)
    if whole is not None:
        return _value(whole, known)
    return _ANY.sub(lambda found: "${" if found[0] == "$${" else _in_text(found[0], known), text)


def _in_text(word: str, known: Callable[[str], Any]) -> str:
    found = _WORD.fullmatch(word)
    if found is None:
        raise BracesError(f"{word} is none of the words in braces that there are")
    return as_text(_value(found, known))


def _value(word: re.Match[str], known: Callable[[str], Any]) -> Any:
    name, sign, number = word.groups()
    value = known(name)
    if sign is None:
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise BracesError(f"{word[0]}: {name} is no whole number, but {value!r}")
    return value + int(number) if sign == "+" else value - int(number)
