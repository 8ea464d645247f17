"""`mink projection …` on a terminal: questions, bars, a table that lives."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import struct
import sys
import termios
import uuid
from contextlib import asynccontextmanager
from fcntl import ioctl
from pathlib import Path

import pytest
from mink_client import ANY, Mink, NewEvent

from tests.support.tiny_worker import TinyWorker

MINK = Path(sys.executable).with_name("mink")
# Takes the terminal that it was given as its own, so that Ctrl-C reaches it, and becomes the command.
BECOME = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
PATIENCE = 60


class Terminal:
    """A command on a terminal of 120 columns."""

    def __init__(self, screen: int, process: asyncio.subprocess.Process) -> None:
        self.output = ""
        self._screen = screen
        self._process = process
        self._news = asyncio.Event()
        self._ended = False
        asyncio.get_running_loop().add_reader(screen, self._read)

    def _read(self) -> None:
        try:
            self.output += os.read(self._screen, 65536).decode(errors="replace").replace("\r\n", "\n")
        except OSError:  # the other side is gone
            self.close()
            self._ended = True
        self._news.set()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._screen)

    def type(self, keys: bytes) -> None:
        os.write(self._screen, keys)

    async def shows(self, pattern: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while not re.search(pattern, self.output):
                assert not self._ended, self.output
                self._news.clear()
                await self._news.wait()

    async def ends(self) -> int:
        async with asyncio.timeout(PATIENCE):
            while not self._ended:
                self._news.clear()
                await self._news.wait()
            return await self._process.wait()


@pytest.fixture
def terminal(server):
    @asynccontextmanager
    async def run(*arguments):
        env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "xterm-256color", "MINK_SERVER": server.grpc_address}
        screen, inside = pty.openpty()
        ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        command = [sys.executable, "-c", BECOME, MINK, "projection", *arguments]
        process = await asyncio.create_subprocess_exec(
            *command, env=env, stdin=inside, stdout=inside, stderr=inside, start_new_session=True
        )
        os.close(inside)
        shown = Terminal(screen, process)
        try:
            yield shown
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            shown.close()
            os.close(screen)

    return run


@pytest.fixture
def name() -> str:
    return f"Tty{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def worker(server, name):
    """A worker that has handled three events."""
    async with Mink(server.grpc_address) as client:
        await client.append(f"{name}-1", [NewEvent("Good", {}) for _ in range(3)], expected=ANY)
    async with TinyWorker(server.grpc_address, name, filter={"categories": [name]}, can_clear=True) as worker:
        async with asyncio.timeout(PATIENCE):
            while len(worker.handled) < 3:  # noqa: ASYNC110 - what is waited for is somebody else's
                await asyncio.sleep(0.01)
        yield worker


async def test_a_rebuild_asks_first(terminal, name, worker):
    async with terminal("rebuild", name) as shown:
        await shown.shows(rf"Clear the read model of {name} \(at position \d+\), and fill it again from the log\? \[y/N\]")
        shown.type(b"n\n")
        assert await shown.ends() == 1
        assert shown.output.endswith("mink: nothing was rebuilt\n")
    assert worker.cleared == 0


async def test_a_rebuild_is_followed_to_its_end(terminal, name, worker):
    worker.going.clear()
    async with terminal("rebuild", name) as shown:
        await shown.shows(r"\[y/N\]")
        shown.type(b"y\n")
        await shown.shows(f"Rebuilding {name} in place: replaying.* 0%")
        worker.going.set()
        assert await shown.ends() == 0
        assert f"Rebuilt {name}: at position " in shown.output
    assert (worker.cleared, len(worker.handled)) == (1, 6)


async def test_ctrl_c_ends_the_following_and_not_the_rebuild(terminal, name, worker, server):
    worker.going.clear()
    async with terminal("rebuild", name, "--yes") as shown:
        await shown.shows(f"Rebuilding {name} in place: replaying")
        shown.type(b"\x03")
        assert await shown.ends() == 130
        assert f"The rebuild goes on; `mink projection status {name}` shows how far it is." in shown.output
    worker.going.set()
    async with Mink(server.grpc_address) as client, asyncio.timeout(PATIENCE):
        async for seen in client.projections.watch(name):
            if seen.projections[0].rebuild is None:
                break
    assert (worker.cleared, len(worker.handled)) == (1, 6)


async def test_a_rebuild_that_nobody_does_is_not_followed(terminal, name, server, worker):
    async with Mink(server.grpc_address) as client:
        await client.projections.pause(name)
    async with terminal("rebuild", name, "--yes") as shown:
        assert await shown.ends() == 0
        assert f"it is paused: mink projection resume {name}" in shown.output


async def test_watch_is_a_table_that_lives_and_ctrl_c_is_how_it_ends(terminal, name, worker, server):
    async with terminal("watch", name) as shown, Mink(server.grpc_address) as client:
        await shown.shows(rf"{name}.*running")
        await client.projections.pause(name)
        await shown.shows(rf"{name}.*paused")
        shown.type(b"\x03")
        assert await shown.ends() == 0
        assert "Traceback" not in shown.output


@pytest.mark.parametrize("arguments", [("delete", "{}"), ("parked", "drop", "{}", "--all")])
async def test_what_removes_asks_first(terminal, name, worker, arguments):
    async with terminal(*(argument.format(name) for argument in arguments)) as shown:
        await shown.shows(r"Forget .*for good\? \[y/N\]")
        shown.type(b"n\n")
        assert await shown.ends() == 1
        assert shown.output.endswith("mink: nothing was removed\n")
