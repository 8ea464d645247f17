"""Commands that other distributions add, and what is said when they, or the extra `cli`, are missing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest


def python(program, *path):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False, env=env
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def distribution(tmp_path):
    """A distribution with two commands, of which one is broken."""
    info = tmp_path / "other-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[mink.commands]\ngood = other_good:good\nbroken = other_broken:nope\n")
    (tmp_path / "other_good.py").write_text("def good(name: str = 'x') -> None:\n    print('good', name)\n")
    (tmp_path / "other_broken.py").write_text("raise RuntimeError('boom')\n")
    return tmp_path


def run(*arguments):
    return f"import sys; from mink_client.cli.app import run; sys.exit(run({list(arguments)!r}))"


def test_an_added_command_runs(distribution):
    done = python(run("good", "--name", "y"), distribution)
    assert (done.returncode, done.stdout) == (0, "good y\n")


def test_a_broken_one_breaks_no_other(distribution):
    assert "good" in python(run("--help"), distribution).stdout
    assert python(run("version"), distribution).returncode == 0
    broken = python(run("broken"), distribution)
    assert broken.returncode == 1
    assert broken.stderr == "mink: the command broken of other cannot be loaded: RuntimeError: boom\n"


def test_the_server_is_not_imported_by_other_commands():
    program = """
        import sys
        from mink_client.cli.app import run
        for arguments in (["--help"], ["version"], ["stream", "list", "--server", "127.0.0.1:1"]):
            run(arguments)
        assert not [name for name in sys.modules if name.partition(".")[0] in ("mink_server", "asyncpg", "pydantic_settings")]
    """
    assert python(program).returncode == 0


def test_the_servers_commands_are_there():
    assert "MINK_LISTEN" in python(run("serve", "--help")).stdout
    assert "status" in python(run("migrate", "--help")).stdout


@pytest.mark.parametrize("command", ["serve", "migrate", "token"])
def test_without_the_server_its_commands_say_how_to_get_them(command):
    program = "from mink_client.cli import plugins; plugins.entry_points = lambda group: []\n"
    done = python(program + run(command))
    assert done.returncode == 2
    assert done.stderr == f"mink: {command} belongs to the server, which is not installed; run: pip install mink-server\n"
    assert f"  {command} " not in python(program + run("--help")).stdout


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_it_says_how_to_get_it(missing):
    program = f"import sys; sys.modules[{missing!r}] = None\nfrom mink_client.cli import main; sys.exit(main())"
    done = python(program)
    assert done.returncode == 1
    assert done.stderr == "mink: the command line is not installed; run: pip install 'mink-client[cli]'\n"
