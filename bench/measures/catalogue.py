"""All measures in the order in which they run, and all rows in the order in which they are printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.measures import Measure, Options, Results, append, live, load, read

if TYPE_CHECKING:
    from bench.table import Row


def measures(options: Options) -> list[Measure]:
    """Reads come before live delay, which appends."""
    return [*append.measures(options), *read.measures(options), *load.measures(options), *live.measures(options)]


def rows(results: Results) -> list[Row]:
    """Rows without a figure are left out by the table."""
    return [*append.rows(results), *read.rows(results), *live.rows(results), *load.rows(results)]
