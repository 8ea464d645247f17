"""What is measured, and which rows of the table it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Results = dict[tuple[str, str], dict[str, Any]]
"""(measure, system) -> medians over the rounds, flat: `rate`, `p50_ms`, `p99_ms`, `cpu_us.server` …"""


@dataclass(frozen=True)
class Measure:
    """One command for the client processes of some systems."""

    name: str
    phase: str
    systems: tuple[str, ...]
    command: dict[str, Any]
    timeout: float


@dataclass(frozen=True)
class Options:
    """How long and how much; see `--help`."""

    seconds: float = 5.0
    rounds: int = 3
    log_events: int = 200_000
    rate: float = 100.0

    @property
    def warmup(self) -> float:
        """Seconds of the same work before the measured time."""
        return min(1.0, self.seconds / 2)


def values(results: Results, measure: str, key: str) -> dict[str, float]:
    """One figure of one measure, by system."""
    return {system: result[key] for (name, system), result in results.items() if name == measure and key in result}
