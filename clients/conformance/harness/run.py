"""A run of the suite: the servers, the clients' runners one after the other, and what came of it."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clients.conformance.harness import cases, runners
from clients.conformance.harness.control import Control, Record
from clients.conformance.harness.fleet import Fleet
from clients.conformance.harness.judging import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CLIENTS: Final = Path(__file__).resolve().parents[2]
"""The folder of the clients."""
CASES: Final = CLIENTS / "conformance" / "cases"
"""The folder of the cases."""
CANARIES: Final = CLIENTS / "conformance" / "canaries"
"""The folder of the cases that nobody can pass."""
_ORDER: Final = ("python", "go", "typescript", "java")


@dataclass(frozen=True, slots=True)
class Suite:
    """What is run.

    Attributes:
        folder: The folder of the cases.
        only: What the title of a case must contain; empty: all cases.
        limits: How long runners may take.
    """

    folder: Path = CASES
    only: str = ""
    limits: runners.Limits = field(default_factory=runners.Limits)

    @property
    def whole(self) -> bool:
        """Whether these are all cases that every client must pass."""
        return self.folder == CASES and not self.only

    def cases(self) -> list[cases.Case]:
        """The cases that each runner has to run."""
        return cases.select(cases.load(self.folder), self.only)


def clients() -> list[str]:
    """The clients that there are, in the order in which they are run."""
    found = {path.name for path in CLIENTS.iterdir() if path.is_dir() and path.name != "conformance"}
    return [*(name for name in _ORDER if name in found), *sorted(found - set(_ORDER))]


def runner_of(client: str) -> Path:
    """The program that runs the cases with a client."""
    return CLIENTS / client / "conformance" / "run"


@asynccontextmanager
async def harness() -> AsyncIterator[Harness]:
    """A harness that serves; at the end nothing of it is left."""
    folder = _new_folder()
    fleet = Fleet(folder)
    control = Control(fleet)
    try:
        await control.start()
        yield Harness(folder, control)
    finally:
        await control.stop()
        await fleet.close()
        shutil.rmtree(folder, ignore_errors=True)


def _new_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mink-conformance-"))
    folder.chmod(0o755)  # the account of Postgres has to get through
    return folder


class Harness:
    """Runs runners against the servers of one run.

    Args:
        folder: For results.
        control: What runners ask.
    """

    def __init__(self, folder: Path, control: Control) -> None:
        self._folder = folder
        self._control = control

    async def run(self, client: str, command: Path, suite: Suite, *, in_ci: bool) -> Verdict:
        """Runs one client.

        Args:
            client: Its name.
            command: Its runner.
            suite: What it has to run.
            in_ci: Whether a missing toolchain is a failure.
        """
        if not os.access(command, os.X_OK):
            return Verdict(client, problems=[f"it has no runner: {command} is no program that can be run"])
        wanted = suite.cases()
        record, ended = await self._started(command, wanted, suite, aloud=True)
        return judge(client, wanted, record, ended, in_ci=in_ci)

    async def canaries(self, client: str, command: Path, suite: Suite) -> list[str]:
        """Has a client run the cases that nobody can pass; answers with what is wrong with how it took them.

        Args:
            client: Its name.
            command: Its runner.
            suite: Those cases.
        """
        wanted = suite.cases()
        record, ended = await self._started(command, wanted, suite, aloud=False)
        verdict = judge(client, wanted, record, ended, in_ci=True)
        passed = sorted(verdict.passed | set(verdict.left_out))
        return [*verdict.problems, *(f"nobody can pass {title}, and it says that it did" for title in passed)]

    async def _started(self, command: Path, wanted: list[cases.Case], suite: Suite, *, aloud: bool) -> tuple[Record, runners.Ended]:
        record = self._control.new_runner(wanted)
        variables = {
            "MINK_CONFORMANCE_CASES": str(suite.folder),
            "MINK_CONFORMANCE_CONTROL": self._control.url,
            "MINK_CONFORMANCE_ONLY": suite.only,
        }
        return record, await runners.run(command, self._folder, record, variables, suite.limits, aloud=aloud)
