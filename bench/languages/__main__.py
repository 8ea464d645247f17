"""`python -m bench.languages`: Mink's clients in turn, against one server: appends by many callers, and the log from zero."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import clients, cpu, machine, peers
from bench.peers.base import Host
from bench.postgres import postgres
from bench.run import say

CLIENTS = Path(__file__).resolve().parents[2] / "clients"
LANGUAGES = ("python", "go", "typescript", "java")
NAMES = {"python": "Python", "go": "Go", "typescript": "TypeScript", "java": "Java"}
MISSING = 77
PATIENCE = 600.0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.languages", description=__doc__)
    parser.add_argument("--clients", nargs="+", choices=LANGUAGES, default=list(LANGUAGES), help="default: all")
    parser.add_argument("--seconds", type=float, default=4.0, help="measured time of each measure (default: 4)")
    parser.add_argument("--warmup", type=float, default=3.0, help="time before that: a JVM needs some (default: 3)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over the clients, of which the median is taken (default: 3)")
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 64, 200], help="callers at once (default: 1 64 200)")
    parser.add_argument("--log-events", type=int, default=500_000, help="events of the log that is followed (default: 500,000)")
    parser.add_argument("--folder", type=Path, help="where data is kept while it runs (default: /tmp)")
    return parser.parse_args()


def once(language: str, *command: str) -> dict[str, float] | None:
    """Runs a client's program; None if its toolchain is missing."""
    done = subprocess.run(
        [str(CLIENTS / language / "bench" / "run"), *command],
        stdout=subprocess.PIPE,
        check=False,
        timeout=PATIENCE,
        env={key: value for key, value in os.environ.items() if not key.startswith(("MINK_", "OTEL_")) and key != "CI"},
    )
    if done.returncode == MISSING:
        return None
    if done.returncode:
        raise SystemExit(f"the bench program of the {NAMES[language]} client ended with {done.returncode}")
    found: dict[str, float] = json.loads(done.stdout.decode().strip().splitlines()[-1])
    return found


def measures(chosen: argparse.Namespace) -> dict[str, list[str]]:
    """What is measured, by name: the arguments of the programs, without the server."""
    timed = ["--warmup", f"{chosen.warmup:g}", "--seconds", f"{chosen.seconds:g}"]
    found = {f"append, {n} caller{'s' * (n > 1)}": ["append", "--callers", str(n), *timed] for n in chosen.callers}
    return found | {"catch-up from zero": ["catch-up", "--events", str(chosen.log_events)]}


def rates(result: dict[str, float]) -> dict[str, float]:
    """What goes into the table."""
    if "events" in result:
        return {"rate": result["events"] / result["seconds"]}
    return {"rate": result["appends"] / result["seconds"], "p50_ms": result["p50_ms"], "p99_ms": result["p99_ms"]}


def table(results: dict[tuple[str, str], list[dict[str, float]]], names: list[str], languages: list[str]) -> str:
    """Markdown: a row for each figure, a column for each client."""
    lines = [["", *(NAMES[language] for language in languages)], ["---", *("---:" for _ in languages)]]
    for name in names:
        for key, unit, digits in (("rate", "per second", 0), ("p50_ms", "p50, ms", 2), ("p99_ms", "p99, ms", 2)):
            cells = []
            for language in languages:
                values = [result[key] for result in results.get((name, language), []) if key in result]
                cells.append(f"{statistics.median(values):,.{digits}f}" if values else "-")
            if set(cells) != {"-"}:
                lines.append([f"{name}: {unit}", *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def run(host: Host, chosen: argparse.Namespace) -> dict[tuple[str, str], list[dict[str, float]]]:
    """Each round the clients in turn, every second round in reverse."""
    results: dict[tuple[str, str], list[dict[str, float]]] = {}
    missing: set[str] = set()
    with peers.server(peers.MINK, host, "languages") as place, clients.client(peers.MINK, place, host.log) as writer:
        writer.call({"do": "fill", "events": chosen.log_events, "batch": 10}, PATIENCE)
        # Appends come last: the log that is followed is the same for all.
        for name, command in reversed(measures(chosen).items()):
            for number in range(chosen.rounds):
                for language in chosen.clients if number % 2 == 0 else reversed(chosen.clients):
                    if language in missing:
                        continue
                    cpu.wait_until_idle(sorted(set(place.processes.values())))
                    result = once(language, *command, "--server", str(place.address))
                    if result is None:
                        missing.add(language)
                        continue
                    results.setdefault((name, language), []).append(rates(result))
                    said = ", ".join(f"{key} {value:,.2f}" for key, value in rates(result).items())
                    say(f"  {NAMES[language]}: {name}: {said}")
    return results


def main() -> int:
    """Run, print, and leave nothing behind."""
    load_before = os.getloadavg()
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="mink-bench-", dir=chosen.folder))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        log: Any = stack.enter_context((folder / "log").open("w+b"))
        server = stack.enter_context(postgres(folder, log))
        for what, value in machine.describe(folder, load_before, server.version):
            print(f"- {what}: {value}")
        results = run(Host(folder, server, log), chosen)
    print("\n" + table(results, list(measures(chosen)), chosen.clients))
    return 0


if __name__ == "__main__":
    sys.exit(main())
