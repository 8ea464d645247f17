"""However a run ends, nothing of it is left running."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from clients.conformance.harness.run import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

# A case that freezes its server and takes its time: what is frozen must end too.
CASES = """
about: Slow.
cases:
  - {name: slow, promise: "3", server: alone, steps: [{server: {do: freeze}}, {pause: {seconds: 50}}]}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the account of Postgres can enter."""
    made = Path(tempfile.mkdtemp(prefix="mink-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def run(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run in the middle of a case."""
    cases = folder / "cases"
    cases.mkdir()
    (cases / "slow.yaml").write_text(CASES)
    command = [sys.executable, "-m", "clients.conformance.harness", "python", "--cases", str(cases)]
    env = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(command, cwd=CLIENTS.parent, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield process
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait(10)


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """All that a run has started, once the case's server is frozen."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = psutil.Process(process.pid).children(recursive=True)
        if any(one.status() == psutil.STATUS_STOPPED for one in found):
            return found
        time.sleep(0.05)
    raise AssertionError("the case has not begun")


def still_there(processes: list[psutil.Process], patience: float) -> list[str]:
    _, alive = psutil.wait_procs(processes, timeout=patience)
    found = []
    for one in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            if one.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(one.cmdline())[:100])
                one.kill()
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_run_that_is_interrupted_cleans_up(run, folder, number) -> None:
    started = family(run)
    run.send_signal(number)
    assert run.wait(30) == 130
    assert still_there(started, 2) == []
    assert [path.name for path in folder.glob("mink-conformance-*")] == []


def test_a_run_that_is_killed_takes_all_with_it(run) -> None:
    started = family(run)
    run.kill()
    run.wait(10)
    assert still_there(started, 20) == []
