"""`clients/conformance/run`: runs the cases with the clients, and says what came of it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from clients.conformance.harness import report
from clients.conformance.harness.run import CANARIES, CASES, Suite, clients, harness, runner_of
from clients.conformance.harness.runners import ci

if TYPE_CHECKING:
    from clients.conformance.harness.judging import Verdict


def main() -> int:
    """Runs what the command line says. Ends with 0 if every case of every client that was run has passed."""
    arguments = _arguments()
    unknown = [name for name in arguments.clients if name not in clients()]
    if unknown:
        sys.stderr.write(f"there is no client {', '.join(unknown)}: {', '.join(clients())}\n")
        return 2
    suite = Suite(arguments.cases.resolve(), arguments.only)
    if not suite.cases():
        sys.stderr.write(f"no case has {arguments.only!r} in its title\n")
        return 2
    names = arguments.clients or clients()
    try:
        verdicts = asyncio.run(_with_signals(names, suite, keep_going=arguments.keep_going))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("stopped\n")
        return 130
    good = report.write(verdicts, names)
    if suite.whole:
        good &= report.table(verdicts, write=arguments.write, in_ci=ci())
    return 0 if good else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="clients/conformance/run", description="Runs the conformance suite against real servers.")
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help="python, go, typescript, java; not given: all")
    parser.add_argument("--write", action="store_true", help="write the table of docs/clients.md")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose `file: name` contains it")
    parser.add_argument("--cases", type=Path, default=CASES, metavar="FOLDER", help="other cases, to try them out")
    parser.add_argument("--keep-going", action="store_true", help="run the other clients also if one has failed")
    return parser.parse_args()


async def _with_signals(names: list[str], suite: Suite, *, keep_going: bool) -> list[Verdict]:
    task = asyncio.create_task(_run(names, suite, keep_going=keep_going))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


async def _run(names: list[str], suite: Suite, *, keep_going: bool) -> list[Verdict]:
    verdicts: list[Verdict] = []
    async with harness() as running:
        for name in names:
            sys.stderr.write(f"--- {name}\n")
            verdict = await running.run(name, runner_of(name), suite, in_ci=ci())
            if suite.whole and not verdict.skipped and not verdict.problems:
                verdict.problems += await running.canaries(name, runner_of(name), Suite(CANARIES))
            verdicts.append(verdict)
            if not verdicts[-1].good and not keep_going:
                break
    return verdicts


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
