"""Text from a server, made fit for a terminal."""

from datetime import datetime
from typing import Final

from rich.cells import cell_len, set_cell_size

_ELLIPSIS: Final = "…"


def clean(text: str) -> str:
    r"""Text without anything that a terminal would obey: control characters, escapes, changes of direction.

    They are shown as `\n`, `\x1b`, `\u202e`; whatever is printable stays.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shorten(text: str, width: int) -> str:
    """At most so many columns of a terminal; text that is cut ends with an ellipsis."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + _ELLIPSIS


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Text filled with spaces to so many columns."""
    spaces = " " * (width - cell_len(text))
    return spaces + text if right else text + spaces


def moment(time: datetime | None) -> str:
    """A time for a person, to the millisecond, in UTC; empty for none."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z") if time else ""


def timestamp(time: datetime | None) -> str | None:
    """A time for a program, as RFC 3339, to the microsecond, in UTC."""
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z") if time else None
