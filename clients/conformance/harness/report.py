"""What a run says at its end, and whether the table of docs/clients.md is still true."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from clients.conformance.harness import cases
from clients.conformance.harness.run import CASES, CLIENTS
from clients.conformance.harness.table import merged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clients.conformance.harness.judging import Verdict

PAGE: Final = CLIENTS.parent / "docs" / "clients.md"


def write(verdicts: Sequence[Verdict], names: Sequence[str]) -> bool:
    """Says what came of each client; answers whether all is well.

    Args:
        verdicts: Of the clients that were run.
        names: The clients that were to be run.
    """
    for verdict in verdicts:
        for title, error in verdict.failed.items():
            _say(f"{verdict.client}: FAILED {title}\n{_indented(error)}")
        for problem in verdict.problems:
            _say(f"{verdict.client}: WRONG {problem}")
    for verdict in verdicts:
        if verdict.skipped:
            _say(f"{verdict.client}: skipped: {verdict.skipped.removeprefix('skipped: ')}")
            continue
        total = len(verdict.passed) + len(verdict.failed) + len(verdict.left_out)
        counts = f"{len(verdict.passed)} of {total} passed"
        counts += f", {len(verdict.failed)} failed" if verdict.failed else ""
        counts += f", {len(verdict.left_out)} left out" if verdict.left_out else ""
        counts += f", {len(verdict.problems)} things wrong with the run" if verdict.problems else ""
        _say(f"{verdict.client}: {counts}, {verdict.seconds:.1f} s")
    missing = list(names)[len(verdicts) :]
    if missing:
        _say(f"not run: {', '.join(missing)} (--keep-going runs them all)")
    return not missing and all(verdict.good for verdict in verdicts)


def table(verdicts: Sequence[Verdict], *, write: bool, in_ci: bool) -> bool:
    """Compares the table of docs/clients.md with what came out, or writes it; answers whether all is well.

    Args:
        verdicts: What came out; the columns of clients that were not run stay as they are.
        write: Write it.
        in_ci: Whether a table that is not true is a failure.
    """
    page = PAGE.read_text(encoding="utf-8")
    new = merged(page, cases.load(CASES), [verdict for verdict in verdicts if not verdict.skipped])
    if new == page:
        return True
    if write:
        PAGE.write_text(new, encoding="utf-8")
        _say("wrote the table of docs/clients.md")
        return True
    _say("the table of docs/clients.md is not what came out: run this with --write")
    return not in_ci


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
