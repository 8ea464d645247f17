"""Whether what came is what a case says."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from conformance.braces import replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ABSENT: Final = object()
"""What is not there at all."""


class Mismatch(Exception):  # noqa: N818 - what it is called in every runner
    """What came is not what the case says. The text says where, what it says and what came."""


def saved(says: Any, came: Any) -> dict[str, Any]:
    """What `$save` keeps: values by name. What is not there is not kept, and will not match either.

    Args:
        says: What the case says, before its words in braces are replaced.
        came: What came.
    """
    return dict(_saved(says, came))


def _saved(says: Any, came: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(says, list) and isinstance(came, list):
        for expected, entry in zip(says, came, strict=False):
            yield from _saved(expected, entry)
    elif isinstance(says, dict):
        for key, expected in says.items():
            if key == "$save":
                yield from [] if came is ABSENT else [(expected, came)]
            else:
                yield from _saved(expected, _part(key, came))


def _part(key: str, came: Any) -> Any:
    """What of it a key of a case is about."""
    if key in ("$first", "$last"):
        return came[0 if key == "$first" else -1] if isinstance(came, list) and came else ABSENT
    return came.get(key, ABSENT) if isinstance(came, dict) and not key.startswith("$") else ABSENT


def match(says: Any, came: Any, known: Callable[[str], Any]) -> None:
    """Compares; what the case says may hold words in braces, which are replaced here.

    Args:
        says: What the case says.
        came: What came.
        known: Gives what a name in braces stands for.

    Raises:
        Mismatch: It does not match.
        BracesError, KeyError: A word in braces cannot be replaced.
    """
    _match(replaced(says, known), came, "")


def _match(says: Any, came: Any, where: str) -> None:
    if not _holds(says, came, where):
        raise Mismatch(f"{where or 'it'}: expected {_shown(says)}, came {_shown(came)}")


def _holds(says: Any, came: Any, where: str) -> bool:
    """Whether it matches; a mismatch in a part of it is raised, with the part's name."""
    if isinstance(says, dict) and any(key.startswith("$") for key in says):
        return all(_operator(key)(argument, came, where) for key, argument in says.items())
    if isinstance(says, dict):
        for key, expected in says.items() if isinstance(came, dict) else ():
            _match(expected, came.get(key, ABSENT), f"{where}.{key}" if where else key)
        return isinstance(came, dict)
    if isinstance(says, list):
        if not isinstance(came, list) or len(came) != len(says):
            return False
        for number, (expected, entry) in enumerate(zip(says, came, strict=True)):
            _match(expected, entry, f"{where}[{number}]")
        return True
    return _equal(says, came)


def _operator(key: str) -> Callable[[Any, Any, str], bool]:
    if key not in _OPERATORS:
        raise ValueError(f"{key} is none of the words that can be matched with")
    return _OPERATORS[key]


def _matches(says: Any, came: Any, where: str) -> bool:
    try:
        _match(says, came, where)
    except Mismatch:
        return False
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(says: Any, came: Any) -> bool:
    if _is_number(says) and _is_number(came):
        return bool(says == came)
    return type(says) is type(came) and bool(says == came)


def _save(_name: Any, came: Any, _where: str) -> bool:
    return came is not ABSENT


def _any(_true: Any, came: Any, _where: str) -> bool:
    return came is not ABSENT and came is not None


def _absent(_true: Any, came: Any, _where: str) -> bool:
    return came is ABSENT or came is None


def _contains(part: Any, came: Any, where: str) -> bool:
    if isinstance(came, str):
        return isinstance(part, str) and part in came
    return isinstance(came, list) and any(_matches(part, entry, where) for entry in came)


def _full(pattern: Any, came: Any, _where: str) -> bool:
    return isinstance(came, str) and re.fullmatch(pattern, came) is not None


def _length(number: Any, came: Any, where: str) -> bool:
    return isinstance(came, str | list | dict) and _matches(number, len(came), where)


def _each(says: Any, came: Any, where: str) -> bool:
    if not isinstance(came, list):
        return False
    for number, entry in enumerate(came):
        _match(says, entry, f"{where}[{number}]")  # so that the error says which
    return True


def _end(index: int) -> Callable[[Any, Any, str], bool]:
    def end(says: Any, came: Any, where: str) -> bool:
        if not isinstance(came, list) or not came:
            return False
        _match(says, came[index], f"{where}[{index % len(came)}]")
        return True

    return end


def _number(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any, str], bool]:
    return lambda bound, came, _where: _is_number(came) and _is_number(bound) and holds(came, bound)


def _steps(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any, str], bool]:
    def steps(field: Any, came: Any, where: str) -> bool:
        if not isinstance(came, list):
            return False
        values = [entry.get(field) if isinstance(entry, dict) else None for entry in came]
        if not all(map(_is_number, values)):
            return False
        for number, (one, two) in enumerate(pairwise(values)):
            if not holds(one, two):
                raise Mismatch(f"{where}[{number + 1}].{field}: came {two} after {one}")
        return True

    return steps


def _not(says: Any, came: Any, where: str) -> bool:
    return came is not ABSENT and not _matches(says, came, where)


_OPERATORS: Final[dict[str, Callable[[Any, Any, str], bool]]] = {
    "$save": _save,
    "$any": _any,
    "$absent": _absent,
    "$above": _number(lambda came, bound: came > bound),
    "$at_least": _number(lambda came, bound: came >= bound),
    "$below": _number(lambda came, bound: came < bound),
    "$contains": _contains,
    "$matches": _full,
    "$length": _length,
    "$first": _end(0),
    "$last": _end(-1),
    "$each": _each,
    "$ascending": _steps(lambda one, two: two > one),
    "$descending": _steps(lambda one, two: two < one),
    "$consecutive": _steps(lambda one, two: two == one + 1),
    "$not": _not,
}

_LONGEST: Final = 1000


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"
