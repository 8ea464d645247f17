"""docs/grpcurl.md, typed as printed: the real grpcurl and buf, against servers with and without TLS, tokens and reflection."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.grpcurl_mistakes import MISTAKES, STORE, Mistake
from tests.support.grpcurl_servers import PLAIN, Desk, desk
from tests.support.pages import PATIENCE, ROOT
from tests.support.typed_page import Step, fits, steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.databases import Postgres
    from tests.support.servers import MinkProcess

PAGE = ROOT / "docs" / "grpcurl.md"
TOOL = ROOT / "tools" / "grpcurl"
STEPS = {step.name: step for step in steps(PAGE)}
# While the worker of docs/projections.md runs.
WITH_WORKER = ("projections", "pause")
# Building grpcurl takes a while, the first time on a machine.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def grpcurl() -> None:
    """The real one, in the version that the page names."""
    made = subprocess.run([TOOL], capture_output=True, text=True, timeout=500, check=False)
    if made.returncode == 77:
        pytest.skip(made.stderr.strip())
    assert made.returncode == 0, made.stderr


@pytest.fixture(scope="module")
def somebody(grpcurl: None, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk"), postgres) as made:
        yield made


@pytest.fixture(scope="module")
def typed(somebody: Desk) -> dict[str, tuple[int, str]]:
    """The exit codes and the output of the page's commands, all of them typed in its order."""
    done = {}
    for name, step in STEPS.items():
        if name == WITH_WORKER[0]:
            with somebody.worker():
                done |= {each: somebody.type(STEPS[each].typed) for each in WITH_WORKER}
        elif name not in WITH_WORKER:
            done[name] = somebody.type(step.typed)
    return done


def test_each_command_on_the_page_is_typed() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(STEPS) == text.count("```sh\n") > 40
    assert text.count("\n```\n") == len(STEPS) + sum(step.printed is not None for step in STEPS.values())


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_command_prints_what_the_page_says(step: Step, typed: dict[str, tuple[int, str]]) -> None:
    code, printed = typed[step.name]
    assert code == step.code, printed
    assert fits(step.printed or "", printed), printed


def test_each_row_of_the_last_table_has_its_mistake() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## What you see, what it means")[2]
    rows = [line.removeprefix("| ").split(" | ", 1)[0] for line in table.splitlines() if line.startswith("| ")]
    assert rows == ["you see", *(mistake.seen for mistake in MISTAKES)]


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.seen for mistake in MISTAKES])
def test_a_mistake_shows_what_the_page_says(mistake: Mistake, typed: dict[str, tuple[int, str]], somebody: Desk) -> None:
    for command in mistake.commands:
        # What a handshake that fails is called depends, now and then, on which side was quicker.
        for _ in range(3):
            code, printed = somebody.type(command)
            if mistake.shows(code, printed):
                break
        else:
            pytest.fail(f"{command}: {code}\n{printed}")


def command_lines() -> str:
    """Those of all processes of the machine, as every user can list them."""
    if (proc := Path("/proc")).joinpath("self/cmdline").exists():
        found = []
        for each in proc.glob("[0-9]*/cmdline"):
            with suppress(OSError):
                found.append(each.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        return "\n".join(found)
    return subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, timeout=PATIENCE, check=True).stdout


def test_a_token_is_in_no_list_of_processes(somebody: Desk, typed: dict[str, tuple[int, str]]) -> None:
    token = (somebody.folder / "billing.token").read_text().strip()
    assert (somebody.folder / "billing.header").stat().st_mode & 0o077 == 0
    followers = []
    try:
        for name, method in (("token", "AppendToStream"), ("buf-token", "GetStream")):
            # The page's own command, with a call that goes on.
            command = re.sub(r"-d '[^']*'", """-d '{"filter":{"stream_prefixes":["Order-"]}}'""", STEPS[name].typed)
            followers.append(somebody.start(command.replace(method, "SubscribeAll")))
            followers[-1].find(r"(caughtUp)")
        listed = command_lines()
        assert listed.count(f"{STORE}/SubscribeAll") >= len(followers)
        assert token not in listed
    finally:
        for each in followers:
            each.end()


def test_how_long_to_wait_is_readable(grpcurl: None, start_server: Callable[..., MinkProcess], tmp_path: Path) -> None:
    server = start_server()
    follower = Desk(tmp_path, {PLAIN: server}).start(f"grpcurl -plaintext {PLAIN} {STORE}/SubscribeAll")
    try:
        follower.find(r"(caughtUp)")
        server.terminate()
        assert follower.wait() == 64 + 14
        assert '"reason": "SHUTTING_DOWN"' in follower.output
        assert re.search(r'google.rpc.RetryInfo",\s+"retryDelay": "[\d.]+s"', follower.output), follower.output
    finally:
        follower.end()


@pytest.mark.parametrize(("ci", "code"), [("", 77), ("true", 1)])
def test_a_missing_go_is_one_clear_line(ci: str, code: int, tmp_path: Path) -> None:
    for name in ("sh", "dirname"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    made = subprocess.run(
        [TOOL], env={"PATH": str(tmp_path), "CI": ci}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert made.returncode == code
    assert re.fullmatch(r"skipped: grpcurl needs go [\d.]+ or newer to be built; found none \(https://go.dev/dl\)\n", made.stderr)
