"""Values that should be paths of files, and may be what such a file holds: a slip that must not put a key into a log."""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 1000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TOKEN: Final = re.compile(r"mink_[0-9A-Za-z]{1,64}_[0-9A-Za-z]{16,}")
HOLDS_CONTENT: Final = "holds the content, not the path of a file"


def is_content(value: str) -> bool:
    """Whether a value looks like a certificate, a key, a token or a tokens file, and so is never shown."""
    return (
        len(value) > _LONGEST
        or value.lstrip().startswith("{")
        or "-----BEGIN" in value
        or _CONTROL.search(value) is not None
        or _TOKEN.search(value) is not None
    )
