"""A page whose commands are typed one after the other, and what it says that they print."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

STEP = re.compile(r"<!-- run: ([\w-]+)(?: \((\d+)\))? -->\n```sh\n(.*?)```\n(?:\n```(?:json|proto|text)\n(.*?)```\n)?", re.DOTALL)
# What differs from run to run.
VOLATILE = (
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"), "TIME"),
    (re.compile(r"\blocalhost:\d+|127\.0\.0\.1:\d+|\[::1\]:\d+"), "ADDRESS"),
    # Results of a session come in one message or in several.
    (re.compile(r'\n  \]\n\}\n\{\n  "results": \[\n'), ",\n"),
    # Tabs are spaces on a page; and protobuf's JSON puts in a second space now and then, so that nobody relies on it.
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r" $", re.MULTILINE), ""),
)


class Step(NamedTuple):
    """Commands, as a page prints them.

    Attributes:
        name: What the page calls them, in a comment.
        code: The exit code that they end with.
        typed: The commands.
        printed: What they print; None if the page does not say.
    """

    name: str
    code: int
    typed: str
    printed: str | None


def steps(page: Path) -> list[Step]:
    """A page's commands, in its order."""
    return [
        Step(name, int(code or 0), typed, printed or None)
        for name, code, typed, printed in STEP.findall(page.read_text(encoding="utf-8"))
    ]


def _without_volatile(text: str) -> str:
    for pattern, put in VOLATILE:
        text = pattern.sub(put, text)
    return text.strip()


def fits(said: str, came: str) -> bool:
    """Whether something was printed as a page says. `…` stands for anything, also for several lines."""
    parts = re.split("…", _without_volatile(said))
    return re.fullmatch(".*?".join(map(re.escape, parts)), _without_volatile(came), re.DOTALL) is not None
