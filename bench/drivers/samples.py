"""Latencies, and what is kept of them."""

from __future__ import annotations

from typing import Any

Samples = list[tuple[float, float]]
"""(when it ended, how long it took), in seconds."""


def percentile(ordered: list[float], share: float) -> float:
    """The value below which that share lies."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def summary(taken: list[float], elapsed: float, cpu: dict[str, float], count: int | None = None) -> dict[str, Any]:
    """Rate, p50 and p99 in ms, and microseconds of processor an item, by part."""
    number = len(taken) if count is None else count
    if not number:
        raise RuntimeError("nothing was finished in the time of the measure")
    ordered = sorted(taken)
    result: dict[str, Any] = {
        "count": number,
        "rate": number / elapsed,
        "cpu_us": {part: spent / number * 1e6 for part, spent in cpu.items()},
    }
    if ordered:
        result |= {"p50_ms": percentile(ordered, 0.50) * 1e3, "p99_ms": percentile(ordered, 0.99) * 1e3}
    return result


def within(samples: list[Samples], began: float, elapsed: float) -> list[float]:
    """The latencies of what ended in the window."""
    return [took for mine in samples for ended, took in mine if began <= ended <= began + elapsed]
