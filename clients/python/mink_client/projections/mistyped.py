"""Attributes that look like a known one: a filter that is mistyped would otherwise be no filter at all."""

from __future__ import annotations

from difflib import get_close_matches
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from mink_client.projections.definition import Projection
from mink_client.projections.policies import RestartPolicy, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LISTS: Final = (list, tuple, set, frozenset, str)
_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "name": (str,),
    "categories": _LISTS,
    "types": _LISTS,
    "streams": _LISTS,
    "stream_prefixes": _LISTS,
    "revision": (int,),
    "partitions": (int,),
    "start": (str, int),
    "on_new_revision": (str,),
    "on_poison": (str,),
    "retry": (RetryPolicy,),
    "restart": (RestartPolicy,),
}
"""What an attribute may be, roughly. Something else under a similar name is the user's own."""
_ALIKE: Final = 0.75
_SHORT: Final = 5
_SHORT_ALIKE: Final = 0.85
"""`state` is like `start`, and is not meant to be it."""


def mistyped(thing: object) -> tuple[str, str] | None:
    """An attribute that is not known, and the known one that is like it and that is not given; None if there is none.

    Args:
        thing: An object of a class derived from `Projection`, or a module.
    """
    given: dict[str, Any] = {name: value for namespace in _namespaces(thing) for name, value in namespace.items()}
    for name, value in given.items():
        if name.startswith("_") or name in _KINDS or isinstance(value, bool):
            continue
        possible = [known for known, kinds in _KINDS.items() if known not in given and isinstance(value, kinds)]
        for known in get_close_matches(name, possible, n=1, cutoff=_ALIKE):
            if len(known) > _SHORT or get_close_matches(name, [known], cutoff=_SHORT_ALIKE):
                return name, known
    return None


def _namespaces(thing: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(thing, ModuleType):
        yield vars(thing)
        return
    for kind in reversed(type(thing).__mro__):
        if kind not in (Projection, object):
            yield vars(kind)
    yield getattr(thing, "__dict__", {})
