"""The tokens file as text: read strictly, and what is wrong with it in words for the person who wrote it.

A slip must not give more than was meant: a key that stands twice, and an empty list of prefixes, are refused.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from mink_server.core.access import Role
from mink_server.core.paths import is_content

if TYPE_CHECKING:
    import msgspec

_LONGEST: Final = 50
_LOCATED: Final = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)
_FIELD: Final = re.compile(r"`(.*)`", re.DOTALL)
_MOMENT: Final = "must be a time with its zone, such as 2027-02-19T04:57:14Z"
_KINDS: Final = {
    "": "must be an object with the lists tokens and certificates",
    "tokens": "must be a list",
    "certificates": "must be a list",
    "roles": "must be a list of " + ", ".join(Role),
    "prefixes": "must be a list of texts; without it, all streams are reached",
    "created_at": _MOMENT,
    "expires_at": _MOMENT,
}


def check_text(data: bytes) -> None:
    """Checks what is lost when the text is turned into values.

    Raises:
        ValueError: It is not JSON, has a key twice in one object, or an empty list of prefixes.
    """
    try:
        found = json.loads(data, object_pairs_hook=_object)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError("is not JSON") from None
    except RecursionError:
        raise ValueError("is nested too deep") from None
    for kind in ("tokens", "certificates"):
        entries = found.get(kind) if isinstance(found, dict) else None
        for i, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict) and entry.get("prefixes") == []:
                raise ValueError(f"{kind}[{i}].prefixes: is empty; leave it out if all streams are meant")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the field {_shown(next(key for key in keys if keys.count(key) > 1))} stands twice in one object")
    return found


def in_words(error: msgspec.ValidationError) -> str:
    """What is wrong, and where, without any value of the file."""
    located = _LOCATED.fullmatch(str(error))
    what, where = (located.group(1), located.group(2) or "") if located else ("", "")
    field = _FIELD.search(what)
    if field is not None and "unknown field" in what:
        said = f"there is no field {_shown(field.group(1))}"
    elif field is not None and "missing required field" in what:
        said = f"the field {field.group(1)} is missing"
    else:
        name = re.sub(r"\[.*?\]", "", where).rpartition(".")[2]
        one = where.endswith("]") and name in ("tokens", "certificates")
        said = "must be an object" if one else _KINDS.get(name, "must be a text")
    return f"{where}: {said}" if where else said


def _shown(key: str) -> str:
    return repr(key[:_LONGEST]) if not is_content(key) else "(not shown)"
