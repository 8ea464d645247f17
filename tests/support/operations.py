"""Somebody who types what docs/operations.md prints."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.pages import PATIENCE, blocks

if TYPE_CHECKING:
    from tests.support.cluster import Cluster

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
BLOCKS = blocks(PAGE)

there = asyncio.to_thread


class Operator:
    """Somebody who has the page in front of them.

    Args:
        programs: Where those of Postgres are.
        cluster: Who the user of Postgres is; None: such commands are not typed.
        variables: The page's variables.
    """

    def __init__(self, programs: Path, cluster: Cluster | None = None, **variables: object) -> None:
        self._cluster = cluster
        venv = Path(sys.executable).parent
        self.variables = {"PATH": f"{programs}:{venv}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/")}
        self.variables |= {name: str(value) for name, value in variables.items()}

    async def run(self, name: str, *, put: tuple[str, str] = ("", "")) -> str:
        """Types a block; answers with what it printed.

        Args:
            name: The block's.
            put: Something that the page prints, and what the operator types in its place.
        """
        return await there(self._run, name, put)

    def _run(self, name: str, put: tuple[str, str]) -> str:
        block = BLOCKS[name]
        assert put[0] in block.text
        command = ["/bin/sh", "-eu", "-c", block.text.replace(*put) if put[0] else block.text]
        if block.as_postgres:
            assert self._cluster is not None
            command = self._cluster.command(*command)
        # A file takes the output: a Postgres that is started keeps a pipe open for as long as it runs.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                command,
                env=self.variables,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=PATIENCE,
                check=False,
            )
            output.seek(0)
            printed = output.read()
        assert done.returncode == 0, f"{name}:\n{printed}"
        return printed
