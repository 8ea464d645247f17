"""The harness tells the truth about a runner, whatever the runner says: liars are found out."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from typing import TYPE_CHECKING

import psutil
import pytest

from clients.conformance.harness.run import CANARIES, Harness, Suite, runner_of
from clients.conformance.harness.runners import Limits

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What every runner of these tests begins with: how an honest one reads, asks and reports.
PRELUDE = """
import glob, json, os, pathlib, subprocess, sys, time, urllib.request, yaml

def ask(path, body):
    url = os.environ["MINK_CONFORMANCE_CONTROL"] + "/" + path
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=60) as answer:
        return json.load(answer)

def cases():
    for path in sorted(glob.glob(os.environ["MINK_CONFORMANCE_CASES"] + "/*.yaml")):
        for case in yaml.safe_load(open(path))["cases"]:
            yield pathlib.Path(path).stem, case

def begin(file, case):
    return ask("case", {"file": file, "name": case["name"], "server": case.get("server", "plain")})

def passed(file, case, **more):
    return {"file": file, "name": case["name"], "passed": True, "seconds": 0.1, **more}

def report(results, client="python"):
    with open(os.environ["MINK_CONFORMANCE_RESULTS"], "w") as file:
        json.dump({"client": client, "version": "1", "results": results}, file)
"""
CASES = """
about: Cases of a test.
cases:
  - name: one
    promise: "3"
    steps: [{append: {stream: "A-${case}", expected: NO_STREAM, events: [{type: T, json: '{}'}]}}]
  - name: two
    promise: "3"
    server: faulty
    unless: {java: no reason}
    steps: [{seen: {}}, {fault: {do: refuse, code: UNAVAILABLE}}, {fault: {do: clear}}]
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    folder = tmp_path / "cases"
    folder.mkdir()
    (folder / "test.yaml").write_text(CASES)
    return Suite(folder, limits=Limits(start=20, case=20))


@pytest.fixture
def runner(tmp_path: Path):
    """Makes a runner out of what it does."""

    def make(body: str) -> Path:
        path = tmp_path / "run"
        path.write_text(f"#!{sys.executable}\n{PRELUDE}\n{textwrap.dedent(body)}")
        path.chmod(0o755)
        return path

    return make


async def test_an_honest_runner_has_passed(harness: Harness, suite: Suite) -> None:
    verdict = await harness.run("python", runner_of("python"), suite, in_ci=True)
    assert verdict.good, verdict
    assert verdict.passed == {"test: one", "test: two"}


async def test_one_that_claims_to_pass_without_running_anything(harness, suite, runner) -> None:
    liar = runner("report([passed(file, case) for file, case in cases()])")
    verdict = await harness.run("python", liar, suite, in_ci=False)
    assert not verdict.good
    assert verdict.problems == [
        f"test: {name} passed, it says, but it never asked for the case's server" for name in ("one", "two")
    ]


async def test_one_that_leaves_steps_out(harness, suite, runner) -> None:
    liar = runner("report([begin(file, case) and passed(file, case) for file, case in cases()])")
    verdict = await harness.run("python", liar, suite, in_ci=False)
    assert any("it asked for /fault 0 times, where the case has 2" in problem for problem in verdict.problems)
    assert any("it asked for /seen 0 times" in problem for problem in verdict.problems)


async def test_one_that_omits_a_case(harness, suite, runner) -> None:
    lazy = runner("report([begin(file, case) and passed(file, case) for file, case in cases() if case['name'] == 'one'])")
    verdict = await harness.run("python", lazy, suite, in_ci=False)
    assert verdict.problems == ["it left out test: two"]


async def test_one_that_reports_no_case_at_all(harness, suite, runner) -> None:
    verdict = await harness.run("python", runner("report([])"), suite, in_ci=False)
    assert verdict.problems == ["it left out test: one", "it left out test: two"]


async def test_one_that_reports_nothing(harness, suite, runner) -> None:
    verdict = await harness.run("python", runner("print('all is well')"), suite, in_ci=False)
    assert not verdict.good
    assert "reported nothing" in verdict.problems[0]
    assert "all is well" in verdict.problems[0]


async def test_one_that_crashes(harness, suite, runner) -> None:
    broken = runner("for file, case in cases(): begin(file, case); raise RuntimeError('broken')")
    verdict = await harness.run("python", broken, suite, in_ci=False)
    assert not verdict.good
    assert "ended with 1" in verdict.problems[0]
    assert "RuntimeError: broken" in verdict.problems[0]


async def test_results_of_a_run_before_do_not_count(harness, suite, runner) -> None:
    await harness.run("python", runner_of("python"), suite, in_ci=False)
    verdict = await harness.run("python", runner("sys.exit(0)"), suite, in_ci=False)
    assert not verdict.good
    assert not verdict.passed


async def test_one_that_hangs_is_killed_with_what_it_started(harness, suite, runner, tmp_path) -> None:
    hanging = runner("""
        for file, case in cases():
            begin(file, case)
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            pathlib.Path(__file__).with_name("child").write_text(str(child.pid))
            time.sleep(600)
    """)
    suite = Suite(suite.folder, limits=Limits(start=20, case=3))
    verdict = await harness.run("python", hanging, suite, in_ci=False)
    assert "it hung in or after test: one" in verdict.problems[0]
    assert not verdict.good
    await gone(int((tmp_path / "child").read_text()))


async def test_one_that_hangs_before_its_first_case(harness, suite, runner) -> None:
    suite = Suite(suite.folder, limits=Limits(start=1, case=20))
    verdict = await harness.run("python", runner("time.sleep(600)"), suite, in_ci=False)
    assert "it hung before its first case" in verdict.problems[0]


async def test_one_whose_exit_code_is_better_than_its_results(harness, suite, runner) -> None:
    liar = runner("report([{**passed(file, case), 'passed': False, 'error': 'wrong'} for file, case in cases()])")
    verdict = await harness.run("python", liar, suite, in_ci=False)
    assert verdict.failed == {"test: one": "wrong", "test: two": "wrong"}
    assert any("ended with 0, though 2 of its cases failed" in problem for problem in verdict.problems)


async def test_one_whose_exit_code_is_worse_than_its_results(harness, suite, runner) -> None:
    odd = runner("report([begin(file, case) and passed(file, case) for file, case in cases()]); sys.exit(3)")
    verdict = await harness.run("python", odd, suite, in_ci=False)
    assert any("ended with 3, though 0 of its cases failed" in problem for problem in verdict.problems)


async def test_one_that_skips_what_it_may_not_skip(harness, suite, runner) -> None:
    shy = runner("report([passed(file, case, skipped='too hard') for file, case in cases()])")
    verdict = await harness.run("python", shy, suite, in_ci=False)
    assert verdict.problems == [f"it skipped test: {name}, which says nothing of that" for name in ("one", "two")]
    verdict = await harness.run(
        "java", runner("report([passed(f, c, skipped='x') for f, c in cases()], 'java')"), suite, in_ci=False
    )
    assert verdict.problems == ["it skipped test: one, which says nothing of that"]
    assert verdict.left_out == {"test: two": "no reason"}


async def test_results_of_another_client_do_not_count(harness, suite, runner) -> None:
    verdict = await harness.run("go", runner_of("python"), suite, in_ci=False)
    assert "the results name another client than go, or no version" in verdict.problems


async def test_a_case_that_is_not_there_or_comes_twice(harness, suite, runner) -> None:
    odd = runner("""
        found = [begin(file, case) and passed(file, case) for file, case in cases()]
        report([*found, found[0], {**found[0], "name": "three"}])
    """)
    verdict = await harness.run("python", odd, suite, in_ci=False)
    assert "it reports test: three, which is no case of this run" in verdict.problems
    assert "it reports test: one 2 times" in verdict.problems


async def test_a_missing_toolchain_is_a_skip_here_and_a_failure_in_ci(harness, suite, runner) -> None:
    without = runner("print('skipped: the client needs a compiler; found none', file=sys.stderr); sys.exit(77)")
    verdict = await harness.run("python", without, suite, in_ci=False)
    assert verdict.good
    assert verdict.skipped == "skipped: the client needs a compiler; found none"
    verdict = await harness.run("python", without, suite, in_ci=True)
    assert not verdict.good


async def test_a_client_without_a_runner_has_not_passed(harness, suite, tmp_path) -> None:
    verdict = await harness.run("python", tmp_path / "run", suite, in_ci=False)
    assert not verdict.good


async def test_one_that_passes_what_nobody_can_pass_is_found_out(harness, suite, runner) -> None:
    blind = runner("report([begin(file, case) and passed(file, case) for file, case in cases()])")
    found = await harness.canaries("python", blind, Suite(CANARIES, limits=suite.limits))
    assert "nobody can pass wrong: a number is another one, and it says that it did" in found


async def test_the_runner_of_python_passes_nothing_that_nobody_can_pass(harness, suite) -> None:
    assert await harness.canaries("python", runner_of("python"), Suite(CANARIES, limits=suite.limits)) == []


async def test_foreign_settings_do_not_reach_a_runner(harness, suite, runner, monkeypatch) -> None:
    monkeypatch.setenv("MINK_TOKEN", "x")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    nosy = runner("print(sorted(name for name in os.environ if name.startswith(('MINK', 'OTEL'))))")
    verdict = await harness.run("python", nosy, suite, in_ci=False)
    names = ["CASES", "CONTROL", "ONLY", "RESULTS"]
    assert str([f"MINK_CONFORMANCE_{name}" for name in names]) in verdict.problems[0]


async def gone(pid: int) -> None:
    """Waits for the end of a process that this one need not have started."""
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        await asyncio.sleep(0.05)
    os.kill(pid, 9)
    raise AssertionError("the process still runs")
