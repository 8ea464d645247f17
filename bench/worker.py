"""The client process of one system: commands come as JSON lines on standard input, answers leave on standard output.

Started by `clients.py`. It ends when its input ends, so it does not outlive the harness.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from bench import peers
from bench.cpu import Meter

if TYPE_CHECKING:
    from bench.peers.base import Client


def main() -> None:
    """Serve commands; whatever libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    system, address, processes = json.loads(sys.argv[1])
    client = peers.client(system, address)
    # Python's collector would stop every system's client for tens of milliseconds now and then, to look at what was imported.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    print(json.dumps({"ready": os.getpid()}), file=answers)
    try:
        for line in sys.stdin:
            print(json.dumps(answer(client, json.loads(line), Meter(processes))), file=answers)
    finally:
        client.close()


def answer(client: Client, command: dict[str, Any], meter: Meter) -> dict[str, Any]:
    """Run one measure."""
    operation = command.pop("do")
    try:
        if operation != "fill":
            command["meter"] = meter
        return {"result": getattr(client, operation)(**command)}
    except Exception as error:  # noqa: BLE001  the harness prints it, and goes on with the next measure
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
