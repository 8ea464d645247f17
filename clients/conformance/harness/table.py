"""The table of docs/clients.md: a row for each file of cases, a column for each client."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clients.conformance.harness.cases import CaseFile
    from clients.conformance.harness.judging import Verdict

BEGIN: Final = "<!-- Made by clients/conformance/run --write. Begin -->"
END: Final = "<!-- End -->"
_NONE: Final = "not run"
_ROW: Final = re.compile(r"\| \[([^\]]+)\]")
_LEFT_OUT: Final = re.compile(r"- (\w+) leaves out ")


def merged(page: str, files: Sequence[CaseFile], verdicts: Sequence[Verdict]) -> str:
    """The page with a new table. Columns of clients without a verdict stay as they are.

    Raises:
        ValueError: The page does not say where the table is.
    """
    if BEGIN not in page or END not in page:
        raise ValueError(f"the page does not say where the table is: {BEGIN} … {END}")
    before, rest = page.split(BEGIN, 1)
    old, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n\n{_table(old, files, verdicts)}\n{END}{after}"


def _table(old: str, files: Sequence[CaseFile], verdicts: Sequence[Verdict]) -> str:
    cells, columns, notes = _parsed(old)
    run = {verdict.client for verdict in verdicts}
    columns += [verdict.client for verdict in verdicts if verdict.client not in columns]
    for verdict in verdicts:
        for file in files:
            cells[file.name, verdict.client] = _cell(file, verdict)
    lines = ["| cases | about | " + " | ".join(columns) + " |", "|---|---|" + "---|" * len(columns)]
    for file in files:
        link = f"[{file.name}](../clients/conformance/cases/{file.name}.yaml)"
        entries = [cells.get((file.name, column), _NONE) for column in columns]
        lines.append("| " + " | ".join([link, _escaped(file.about), *entries]) + " |")
    kept = [line for client, line in notes if client not in run]
    new = [line for verdict in verdicts for line in _notes(verdict)]
    if kept or new:
        lines += ["", *sorted(kept + new)]
    return "\n".join(lines) + "\n"


def _cell(file: CaseFile, verdict: Verdict) -> str:
    passed = sum(case.title in verdict.passed for case in file.cases)
    return f"{passed}/{len(file.cases)}"


def _notes(verdict: Verdict) -> Iterator[str]:
    for title, why in verdict.left_out.items():
        yield f"- {verdict.client} leaves out {_escaped(title)}: {_escaped(why)}"


def _parsed(old: str) -> tuple[dict[tuple[str, str], str], list[str], list[tuple[str, str]]]:
    """The cells, the columns and the notes of a table as this module writes it."""
    lines = [line for line in old.splitlines() if line.strip()]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line.startswith("|")]
    columns = rows[0][2:] if rows else []
    cells = {}
    for line, row in zip((line for line in lines if line.startswith("|")), rows, strict=True):
        if found := _ROW.match(line):
            cells.update({(found[1], column): cell for column, cell in zip(columns, row[2:], strict=False)})
    notes = [(found[1], line) for line in lines if (found := _LEFT_OUT.match(line))]
    return cells, columns, notes


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
