"""The table: one row a figure, a ratio to each peer, and whether a target is met. Markdown that also reads in a terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.peers import EVENTSOURCING, EVENTSOURCING_FUNCTIONS, MINK, SYSTEMS, UMADB

if TYPE_CHECKING:
    from pathlib import Path

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
NAMES = {MINK: "Mink", UMADB: "UmaDB", EVENTSOURCING: "eventsourcing", EVENTSOURCING_FUNCTIONS: "eventsourcing, unordered"}


@dataclass(frozen=True)
class Target:
    """A bound on Mink's figure: as a multiple of a peer's, or (no peer) in the row's own unit."""

    peer: str | None
    at_most: float | None = None
    at_least: float | None = None
    unit: str = ""

    def text(self) -> str:
        """For a reader."""
        sign, bound = ("≤", self.at_most) if self.at_most is not None else ("≥", self.at_least)
        return f"{sign} {bound:g} x {NAMES[self.peer]}" if self.peer else f"{sign} {bound:g} {self.unit}"

    def met(self, figures: dict[str, float]) -> bool | None:
        """None: there is nothing to compare."""
        if MINK not in figures or (self.peer and not figures.get(self.peer)):
            return None
        value = figures[MINK] / figures[self.peer] if self.peer else figures[MINK]
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)


@dataclass(frozen=True)
class Row:
    """A figure of each system. `more_is_better` says which way to read it."""

    label: str
    figures: dict[str, float]
    more_is_better: bool = False
    targets: list[Target] = field(default_factory=list)
    digits: int | None = None

    def cells(self) -> list[str]:
        """The row's text, column by column."""
        ratios = [self._ratio(peer) for peer in (UMADB, EVENTSOURCING)]
        verdicts = {None: "-", True: "met", False: "**not met**"}
        return [
            f"{self.label} {'↑' if self.more_is_better else '↓'}",
            *(self._number(system) for system in SYSTEMS),
            *ratios,
            ", ".join(target.text() for target in self.targets),
            ", ".join(verdicts[target.met(self.figures)] for target in self.targets),
        ]

    def _number(self, system: str) -> str:
        if system not in self.figures:
            return "-"
        value = self.figures[system]
        if self.digits is not None:
            return f"{value:,.{self.digits}f}"
        return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"

    def _ratio(self, peer: str) -> str:
        if MINK not in self.figures or not self.figures.get(peer):
            return "-"
        return f"{self.figures[MINK] / self.figures[peer]:.2f}"


def markdown(rows: list[Row], machine: list[tuple[str, str]], notes: list[str]) -> str:
    """The section: the machine, the table, the notes."""
    header = ["", *(NAMES[system] for system in SYSTEMS), "Mink / UmaDB", "Mink / eventsourcing", "target", ""]
    lines = [header, *(row.cells() for row in rows if row.figures)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    right = range(1, len(SYSTEMS) + 3)
    rule = ["-" * (width - 1) + ":" if column in right else "-" * max(width, 3) for column, width in enumerate(widths)]
    aligned = [
        "| " + " | ".join(cell.rjust(widths[i]) if i in right else cell.ljust(widths[i]) for i, cell in enumerate(line)) + " |"
        for line in [lines[0], rule, *lines[1:]]
    ]
    facts = [f"- {what}: {value}" for what, value in machine]
    return "\n".join([*facts, "", *aligned, "", *(f"- {note}" for note in notes)]).rstrip() + "\n"


def write(path: Path, section: str) -> None:
    """Put the section between the marker comments of a file; a file without them gets them at its end."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if BEGIN not in text or END not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n".lstrip()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{section}{END}{after}", encoding="utf-8")
