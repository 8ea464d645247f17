"""`mink serve` with nothing counted: what the cost of metrics is measured against. Only `telemetry.py` runs it."""

from __future__ import annotations

from typing import Any

import typer
from mink_server.cli.serve import serve
from mink_server.rpc.interceptors.metrics import Metrics
from mink_server.telemetry import metrics


class Nothing:
    """Any metric, without effect."""

    def __getattr__(self, name: str) -> Any:
        return self._nothing

    def _nothing(self, *_: object, **__: object) -> Nothing:
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def main() -> None:
    """Take everything out that counts, and serve."""
    for name in dir(metrics):
        if name.isupper() and name != "REGISTRY":
            setattr(metrics, name, Nothing())
    Metrics.around = lambda _self, _method, behaviour: behaviour  # type: ignore[method-assign]
    typer.run(serve)


if __name__ == "__main__":
    main()
