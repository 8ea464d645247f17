"""`python -m bench`: Mink and its peers in turn on this machine, one table. `--help` says what can be chosen."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench import machine, peers, table
from bench.measures import Options, catalogue, large
from bench.peers.base import Host
from bench.postgres import postgres
from bench.run import Run, say

NOTES = [
    "↑ more is better, ↓ less is better. Ratios are Mink's figure divided by the peer's.",
    "Each figure is the median over {rounds} rounds of {seconds:g} s; the systems took turns within a round.",
    "eventsourcing runs in its caller's process: it has no server, and its client's processor time is the library's.",
    "“eventsourcing, unordered” is its option `enable_db_functions`: no lock, so a subscriber can miss events.",
    "The live delay is at {rate:g} appends a second.",
]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="measured time of each measure (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over the systems, of which the median is taken (default: 3)")
    parser.add_argument("--quick", action="store_true", help="one second, one round, a log of 20,000 events: does it run?")
    parser.add_argument("--log-events", type=int, default=200_000, help="events in the log that is read (default: 200,000)")
    parser.add_argument("--rate", type=float, default=100.0, help="appends a second while live delay is measured (default: 100)")
    parser.add_argument("--systems", nargs="+", choices=peers.SYSTEMS, default=list(peers.SYSTEMS), help="default: all")
    parser.add_argument("--only", default="", metavar="PREFIX", help="only measures so named: append, append-64, read, load, live")
    parser.add_argument("--large", action="store_true", help="instead: Mink's append p50, 3 million events against 10 thousand")
    parser.add_argument("--large-events", type=int, default=3_000_000, help="size of the large log (default: 3,000,000)")
    parser.add_argument("--folder", type=Path, help="where data is kept while it runs: the disk that is measured (default: /tmp)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the section between the markers of this Markdown file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the medians there, too")
    parser.add_argument("--keep-log", type=Path, metavar="FILE", help="copy what servers and clients printed there")
    return parser.parse_args()


def main() -> int:
    """Run, print, and leave nothing behind. Fails if a measure gave no figure."""
    load_before = os.getloadavg()
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = Options(seconds=chosen.seconds, rounds=chosen.rounds, log_events=chosen.log_events, rate=chosen.rate)
    if chosen.quick:
        options = replace(options, seconds=1.0, rounds=1, log_events=20_000)
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="mink-bench-", dir=chosen.folder))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        log = stack.enter_context((folder / "log").open("w+b"))
        if chosen.keep_log:
            stack.callback(shutil.copyfile, folder / "log", chosen.keep_log)
        server = stack.enter_context(postgres(folder, log))
        facts = machine.describe(folder, load_before, server.version)
        for what, value in facts:
            say(f"{what}: {value}")
        host = Host(folder, server, log)
        if chosen.large:
            results, failures = large.measure(host, options, chosen.large_events)
            rows = large.rows(results)
        else:
            run = Run(host, options, chosen.systems)
            wanted = [measure for measure in catalogue.measures(options) if measure.name.startswith(chosen.only)]
            results, failures = run.measure(wanted), run.failures
            rows = catalogue.rows(results)
    notes = [note.format(rounds=options.rounds, seconds=options.seconds, rate=options.rate) for note in NOTES]
    notes += [f"No figure for {what}: {why}" for what, why in failures.items()]
    section = table.markdown(rows, facts, notes)
    print(section)
    if chosen.write:
        table.write(chosen.write, section)
    if chosen.json:
        figures = [{"measure": name, "system": system, **result} for (name, system), result in results.items()]
        chosen.json.write_text(json.dumps({"machine": dict(facts), "figures": figures}, indent=1), encoding="utf-8")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
