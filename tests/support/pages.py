"""Pages that tell people what to type, and somebody who types it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

# Seconds that a block of commands may take.
PATIENCE = 60
ROOT = Path(__file__).parents[2]
VENV = Path(sys.executable).parents[1]


class Block(NamedTuple):
    """Commands as a page prints them."""

    as_postgres: bool
    text: str


def blocks(page: Path) -> dict[str, Block]:
    """A page's blocks of commands, by the names that comments give them."""
    return {
        name: Block(bool(who), text)
        for name, who, text in re.findall(r"<!-- run: ([\w-]+)(, as postgres)? -->\n```sh\n(.*?)```", page.read_text(), re.DOTALL)
    }


def typed_in(test: str | Path) -> set[str]:
    """The names of the blocks that a test's source types."""
    return set(re.findall(r"\.(?:run|start)[(,]\s*\"([\w-]+)\"", Path(test).read_text()))


class Started:
    """Commands that go on until somebody ends them.

    Args:
        script: What is typed.
        folder: Where.
        variables: The environment.
    """

    def __init__(self, script: str, folder: Path, variables: dict[str, str]) -> None:
        self._output = Path(tempfile.mkstemp(prefix="mink-test-", suffix=".log")[1])
        with self._output.open("wb") as output:
            # A session of its own, as a terminal has one: what it starts ends with it.
            self._shell = subprocess.Popen(
                ["/bin/sh", "-eu", "-c", script],
                env=variables,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has printed."""
        return self._output.read_text()

    @property
    def running(self) -> bool:
        """Whether it still goes on."""
        return self._shell.poll() is None

    def wait(self, timeout: float = PATIENCE) -> int:
        """Waits for its end; answers with the exit code."""
        return self._shell.wait(timeout)

    def find(self, pattern: str, timeout: float = PATIENCE) -> str:
        """Waits until it has printed something; answers with the pattern's group."""
        end = time.monotonic() + timeout
        while (found := re.search(pattern, self.output)) is None:
            assert self.running, self.output
            assert time.monotonic() < end, f"{pattern} did not come:\n{self.output}"
            time.sleep(0.05)
        return found.group(1)

    def interrupt(self) -> int:
        """Ctrl-C; answers with the exit code."""
        os.killpg(self._shell.pid, signal.SIGINT)
        return self.wait()

    def end(self) -> None:
        """Ends it however it is."""
        if self.running:
            os.killpg(self._shell.pid, signal.SIGKILL)
            self._shell.wait(10)
        self._output.unlink(missing_ok=True)


class Reader:
    """Somebody who has a page in front of them.

    Args:
        page: The page.
        folder: Where they type.
        first: Blocks that they type at the beginning of each terminal.
        variables: Their environment, beside a clean one.
    """

    def __init__(self, page: Path, folder: Path, *, first: tuple[str, ...] = (), **variables: object) -> None:
        self.blocks = blocks(page)
        self.folder = folder
        self._first = first
        self.variables = {"PATH": f"{VENV / 'bin'}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/")}
        self.variables |= {name: str(value) for name, value in variables.items()}
        self._started: list[Started] = []

    def _script(self, name: str, put: tuple[str, str]) -> str:
        text = self.blocks[name].text
        assert put[0] in text
        return "".join(self.blocks[each].text for each in self._first) + (text.replace(*put) if put[0] else text)

    def start(self, name: str, *, put: tuple[str, str] = ("", "")) -> Started:
        """Types a block that goes on.

        Args:
            name: The block's.
            put: Something that the page prints, and what is typed in its place.
        """
        self._started.append(Started(self._script(name, put), self.folder, self.variables))
        return self._started[-1]

    def run(self, name: str, *, put: tuple[str, str] = ("", ""), code: int = 0) -> str:
        """Types a block, and waits until it is done; answers with what it printed.

        Args:
            name: The block's.
            put: See start.
            code: The exit code that it should have.
        """
        typed = self.start(name, put=put)
        try:
            assert typed.wait() == code, f"{name}:\n{typed.output}"
            return typed.output
        finally:
            typed.end()

    def close(self) -> None:
        """Ends what still goes on."""
        for typed in self._started:
            typed.end()
