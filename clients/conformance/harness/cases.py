"""The cases, as the harness has to know them: which there are, on which server, and what each must ask of the harness."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

ASKED_OF_THE_HARNESS: Final = ("server", "database", "fault", "seen")
"""The operations that a runner hands on to the harness, each under a path of the same name."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        file: The name of its file, without `.yaml`.
        name: Its name.
        server: Which server it wants.
        unless: Why a client need not pass it, by the client's name.
        asks: How often it must at least ask the harness for something, by the path.
    """

    file: str
    name: str
    server: str
    unless: Mapping[str, str]
    asks: Mapping[str, int]

    @property
    def title(self) -> str:
        """What `--only` looks into."""
        return f"{self.file}: {self.name}"


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A file of cases.

    Attributes:
        name: Its name, without `.yaml`.
        about: What its cases are about.
        cases: Its cases, in its order.
    """

    name: str
    about: str
    cases: tuple[Case, ...]


def load(folder: Path) -> list[CaseFile]:
    """The files of a folder, in the order of their names."""
    return [_file(path) for path in sorted(folder.glob("*.yaml"))]


def select(files: Sequence[CaseFile], only: str) -> list[Case]:
    """The cases that a runner has to run.

    Args:
        files: All files.
        only: What the title of a case must contain; empty: all cases.
    """
    return [case for file in files for case in file.cases if only in case.title]


def _file(path: Path) -> CaseFile:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return CaseFile(path.stem, content["about"], tuple(_case(path.stem, case) for case in content["cases"]))


def _case(file: str, case: Mapping[str, Any]) -> Case:
    asks = Counter(_asked(case["steps"]))
    return Case(file, case["name"], case.get("server", "plain"), case.get("unless", {}), asks)


def _asked(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for step in steps:
        for operation, arguments in step.items():
            if operation in ASKED_OF_THE_HARNESS:
                yield operation
            elif operation == "repeat":
                yield from _asked(arguments["steps"])
            elif operation == "together":
                for part in arguments:
                    yield from _asked(part)
