"""The command `mink` on a terminal: widths, questions, signs of life."""

from __future__ import annotations

import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
import uuid
from fcntl import ioctl
from pathlib import Path

import pytest
from mink_client import ANY, Mink, NewEvent

MINK = Path(sys.executable).with_name("mink")
# Takes the terminal that it was given as its own, so that Ctrl-C reaches it, and becomes the command. A process that forks this one
# itself would inherit gRPC's threads' locks.
BECOME = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


@pytest.fixture
def terminal(server):
    """Runs `mink` on a terminal of 100 columns; types the answer when it asks."""

    def run(*arguments, answer=b""):
        env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TERM": "xterm-256color", "MINK_SERVER": server.grpc_address}
        screen, inside = pty.openpty()
        ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        command = [sys.executable, "-c", BECOME, MINK, *arguments]
        process = subprocess.Popen(command, env=env, stdin=inside, stdout=inside, stderr=inside, start_new_session=True)
        os.close(inside)
        output, end = b"", time.monotonic() + 60
        while time.monotonic() < end:
            if not select.select([screen], [], [], 1)[0]:
                continue
            try:
                output += os.read(screen, 65536)
            except OSError:  # the other side is gone
                break
            if answer and b"[y/N]" in output:
                os.write(screen, answer)
                answer = b""
        try:
            code = process.wait(10)
        finally:
            process.kill()
            os.close(screen)
        return code, output.decode().replace("\r\n", "\n")

    return run


@pytest.fixture
async def stream(server):
    """A stream with two events, one of them long."""
    name = f"Tty{uuid.uuid4().hex[:8]}-1"
    async with Mink(server.grpc_address) as client:
        await client.append(name, [NewEvent("T", "x" * 500), NewEvent("T", "\x9b31m")], expected=ANY)
    return name


def test_payloads_are_shortened_to_its_width(terminal, stream):
    code, output = terminal("stream", "events", stream)
    lines = output.splitlines()
    assert code == 0
    assert lines[0].startswith("\x1b[1mPOSITION")
    assert len(lines[1]) == 100
    assert lines[1].endswith("xxx…")


@pytest.mark.parametrize("format_", ["table", "json"])
def test_no_control_character_of_an_event_reaches_it(terminal, stream, format_):
    _, output = terminal("stream", "events", stream, "-o", format_)
    assert "9b31m" in output
    assert "\x9b" not in output


def test_removing_asks_first(terminal, stream):
    code, output = terminal("stream", "delete", stream, answer=b"n\n")
    assert code == 1
    assert f"Delete the stream {stream} with 2 events, for good? [y/N]" in output
    assert output.endswith("mink: nothing was removed\n")
    code, output = terminal("stream", "truncate", stream, "--before", "2", answer=b"\x03")
    assert code == 130
    code, output = terminal("stream", "truncate", stream, "--before", "2", answer=b"y\n")
    assert code == 0
    assert "removed 1 event; its version is 2." in output


def test_non_interactive_never_asks(terminal, stream):
    code, output = terminal("stream", "delete", stream, "--non-interactive")
    assert code == 2
    assert "pass --yes" in output


def test_an_export_shows_its_progress(terminal, stream, tmp_path):
    code, output = terminal("stream", "export", stream, "--output", str(tmp_path / "file"))
    assert code == 0
    assert f"Exporting {stream}" in output
    assert "Exported 2 events" in output


def test_diagnose_is_a_table_in_colours(terminal):
    code, output = terminal("diagnose")
    assert code == ("FAILED" in output)  # a projection of another test on this server may be faulted
    assert "\x1b[32mOK" in output
