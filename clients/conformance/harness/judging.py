"""What a runner's report is worth: every case was run, passed, and did what it says that it does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clients.conformance.harness.runners import SKIPPED, Ended

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clients.conformance.harness.cases import Case
    from clients.conformance.harness.control import Record

_LONGEST: Final = 65.0  # seconds of one case: the minute that it has, and the way to its end


@dataclass(slots=True)
class Verdict:
    """What became of one client's run.

    Attributes:
        client: The client's name.
        seconds: How long its runner ran.
        skipped: Why it was not run at all; empty: it was.
        problems: What is wrong with the run itself.
        failed: The cases that failed, by title, with what the runner says.
        left_out: The cases that the client need not pass, by title, with why.
        passed: The titles of the cases that passed.
    """

    client: str
    seconds: float = 0.0
    skipped: str = ""
    problems: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)

    @property
    def good(self) -> bool:
        """Whether every case was run, and none failed."""
        return not self.problems and not self.failed


def judge(client: str, cases: Sequence[Case], record: Record, ended: Ended, *, in_ci: bool) -> Verdict:
    """Compares what a runner reports with what it had to run, and with what it asked the harness for.

    Args:
        client: The client's name.
        cases: What it had to run.
        record: What it asked for.
        ended: How it ended, and what it reported.
        in_ci: Whether a client that is not run is a failure.
    """
    verdict = Verdict(client, ended.seconds)
    if ended.code == SKIPPED:
        verdict.skipped = ended.tail.strip().splitlines()[-1] if ended.tail.strip() else "it does not say why"
        if in_ci:
            verdict.problems.append(f"nothing may be skipped in CI: {verdict.skipped}")
        return verdict
    if ended.code is None:
        verdict.problems.append(f"the runner was killed: it hung {ended.hung_in}")
    entries = _entries(client, ended, verdict)
    if entries is None:
        return verdict
    reported = Counter((entry["file"], entry["name"]) for entry in entries)
    known = {(case.file, case.name) for case in cases}
    verdict.problems += [f"it left out {case.title}" for case in cases if not reported[case.file, case.name]]
    verdict.problems += [
        f"it reports {file}: {name}, which is no case of this run" for file, name in reported if (file, name) not in known
    ]
    verdict.problems += [f"it reports {file}: {name} {count} times" for (file, name), count in reported.items() if count > 1]
    by_key = {(entry["file"], entry["name"]): entry for entry in entries}
    for case in cases:
        if entry := by_key.get((case.file, case.name)):
            _take(client, case, entry, record, verdict)
    if ended.code not in (None, 1 if verdict.failed else 0):
        verdict.problems.append(
            f"the runner ended with {ended.code}, though {len(verdict.failed)} of its cases failed{_said(ended)}"
        )
    return verdict


def _entries(client: str, ended: Ended, verdict: Verdict) -> list[dict[str, Any]] | None:
    results = ended.results
    if not isinstance(results, dict) or not isinstance(results.get("results"), list):
        verdict.problems.append(f"the runner reported nothing that can be read, and ended with {ended.code}{_said(ended)}")
        return None
    if results.get("client") != client or not isinstance(results.get("version"), str):
        verdict.problems.append(f"the results name another client than {client}, or no version")
    entries = results["results"]
    if wrong := [entry for entry in entries if not _is_entry(entry)]:
        verdict.problems.append(f"the results have entries that are none: {wrong[0]!r}")
        return None
    return list(entries)


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("file"), str)
        and isinstance(entry.get("name"), str)
        and isinstance(entry.get("passed"), bool)
        and isinstance(entry.get("seconds"), int | float)
        and isinstance(entry.get("skipped", ""), str)
        and isinstance(entry.get("error", "") or "", str)
    )


def _take(client: str, case: Case, entry: dict[str, Any], record: Record, verdict: Verdict) -> None:
    if not entry["passed"]:
        verdict.failed[case.title] = entry.get("error") or "it does not say why"
        return
    if "skipped" in entry:
        if case.unless.get(client) is None:
            verdict.problems.append(f"it skipped {case.title}, which says nothing of that")
        else:
            verdict.left_out[case.title] = case.unless[client]
        return
    verdict.passed.add(case.title)
    verdict.problems += [f"{case.title} passed, it says, but {lie}" for lie in _lies(case, entry, record)]


def _lies(case: Case, entry: dict[str, Any], record: Record) -> Iterator[str]:
    asked = record.asked.get((case.file, case.name))
    if asked is None:
        yield "it never asked for the case's server"
        return
    for path, times in case.asks.items():
        if asked[path] < times:
            yield f"it asked for /{path} {asked[path]} times, where the case has {times} such steps"
    if entry["seconds"] > _LONGEST:
        yield f"it took {entry['seconds']:.0f} s"


def _said(ended: Ended) -> str:
    return f"; the last that it wrote:\n{ended.tail.rstrip()}" if ended.tail.strip() else ""
