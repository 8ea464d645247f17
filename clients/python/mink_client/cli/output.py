"""Where results go: tables for a person, JSON for a program. On a terminal in its colours and width; in a pipe plain and whole."""

import json
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from rich.cells import cell_len

from mink_client.cli.text import clean, pad, shorten

_GATHERED: Final = 100
_NARROWEST: Final = 20
_GAP: Final = "  "

_LINE_ENDS: Final = re.compile(r"[\r\n]")
# In valid JSON these stand inside of strings only, so that their escapes mean the same.
_OTHER_LINE_ENDS: Final = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_CONTROLS: Final = {number: f"\\u{number:04x}" for number in (*range(0x7F, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F))}


class Format(StrEnum):
    """How results are written."""

    TABLE = "table"
    JSON = "json"


def on_terminal() -> bool:
    """Whether a person sees standard output."""
    return sys.stdout.isatty()


def write(text: str) -> None:
    """Writes a line as it is."""
    sys.stdout.write(text + "\n")


def flush() -> None:
    """Hands over what was written."""
    sys.stdout.flush()


def one_line(text: str) -> str:
    """JSON text on one line, with the same meaning: a line can end only between tokens, where a space does as well."""
    return _LINE_ENDS.sub(" ", text).translate(_OTHER_LINE_ENDS)


def to_json(value: Any) -> str:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def write_json(text: str) -> None:
    """Writes one line of JSON."""
    text = one_line(text)
    write(text.translate(_CONTROLS) if on_terminal() else text)


class JsonArray:
    """A JSON array, written as its items come, one on each line. Nothing is written before the first one, which may not come."""

    def __init__(self) -> None:
        self._any = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            write("\n]" if self._any else "[]")

    def add(self, text: str) -> None:
        """Writes an item, which is JSON text."""
        sys.stdout.write(",\n" if self._any else "[\n")
        self._any = True
        text = one_line(text)
        sys.stdout.write(text.translate(_CONTROLS) if on_terminal() else text)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: What stands above it.
        right: Whether it is aligned to the right, as numbers are.
    """

    title: str
    right: bool = False


class Rows:
    """A table of any length, written while its rows come.

    Its columns are as wide as the rows that came before need; the last one takes what is left of a terminal's width, and is whole
    in a pipe.
    """

    def __init__(self, *columns: Column) -> None:
        self._columns = columns
        self._widths = [len(column.title) for column in columns[:-1]]
        self._held: list[list[str]] = []
        self._begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.flush()

    def add(self, *cells: object) -> None:
        """Takes a row, one cell a column. It is written with the next hundred, or with `flush`."""
        if len(self._held) == _GATHERED:
            self.flush()
        self._held.append([clean(str(cell)) for cell in cells])

    def flush(self) -> None:
        """Writes the rows that were taken."""
        for row in self._held:
            self._widths = [max(width, cell_len(cell)) for width, cell in zip(self._widths, row, strict=False)]
        if not self._begun:
            self._begun = True
            title(self._line([column.title for column in self._columns]))
        for row in self._held:
            write(self._line(row))
        self._held.clear()
        flush()

    def _line(self, row: Sequence[str]) -> str:
        fixed = zip(row, self._widths, self._columns, strict=False)
        start = "".join(pad(cell, width, right=column.right) + _GAP for cell, width, column in fixed)
        last = row[-1]
        if on_terminal():
            last = shorten(last, max(_NARROWEST, shutil.get_terminal_size().columns - cell_len(start)))
        return (start + last).rstrip()


def title(text: str) -> None:
    """Writes a line of titles, bold on a terminal."""
    if not on_terminal():
        write(text)
        return
    from rich.console import Console  # noqa: PLC0415 - a pipe does not need it
    from rich.text import Text  # noqa: PLC0415

    Console().print(Text(text, style="bold"), soft_wrap=True)


def facts(*pairs: tuple[str, object]) -> None:
    """Writes names and values, one pair a line, aligned."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        write(f"{name:{width}}  {clean(str(value))}".rstrip())
