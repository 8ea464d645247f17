"""Runs the cases that the harness names, and reports what came of them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from conformance.control import Control
from conformance.scope import Scope
from conformance.steps import run_all
from conformance.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT: Final = "python"
_LIMIT: Final = 60.0


def main() -> int:
    """Runs the cases; 0 if all have passed."""
    logging.getLogger("mink_client").addHandler(logging.NullHandler())  # connections break all the time here
    control = Control(os.environ["MINK_CONFORMANCE_CONTROL"])
    cases = Path(os.environ["MINK_CONFORMANCE_CASES"])
    only = os.environ.get("MINK_CONFORMANCE_ONLY", "")
    results = asyncio.run(_run_all(control, cases, only))
    report = {"client": CLIENT, "version": version("mink-client"), "results": results}
    Path(os.environ["MINK_CONFORMANCE_RESULTS"]).write_text(json.dumps(report, ensure_ascii=False), encoding="utf-8")
    return 0 if all(result["passed"] for result in results) else 1


async def _run_all(control: Control, cases: Path, only: str) -> list[dict[str, Any]]:
    return [await _report(control, file, case) for file, case in _cases(cases) if only in f"{file}: {case['name']}"]


def _cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.glob("*.yaml")):
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))["cases"]:
            yield path.stem, case


async def _report(control: Control, file: str, case: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"file": file, "name": case["name"], "passed": True, "seconds": 0.0}
    if CLIENT in case.get("unless", {}):
        return {**result, "skipped": case["unless"][CLIENT]}
    began = time.monotonic()
    try:
        async with asyncio.timeout(_LIMIT):
            await _run(control, file, case)
    except TimeoutError:
        result.update(passed=False, error=f"it took more than {_LIMIT:g} s")
    except Exception as error:  # noqa: BLE001 - whatever it is, the other cases are run
        result.update(passed=False, error=f"{error}" or type(error).__name__)
    result["seconds"] = round(time.monotonic() - began, 3)
    if not result["passed"]:
        sys.stderr.write(f"{file}: {case['name']}: {result['error']}\n")
    return result


async def _run(control: Control, file: str, case: dict[str, Any]) -> None:
    server = case.get("server", "plain")
    told = await control.ask("case", {"file": file, "name": case["name"], "server": server})
    scope = Scope.of_case(told)
    async with World(control, scope, case.get("client", {})) as world:
        await run_all(case["steps"], world, scope)


if __name__ == "__main__":
    sys.exit(main())
