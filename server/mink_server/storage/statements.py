"""The SQL statements, read from `sql/`, with the schema's name put in."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources


def channel(schema: str) -> str:
    """The NOTIFY channel of the log in a schema."""
    return f"mink_{schema}"


@lru_cache
def text(name: str) -> str:
    """What stands in `sql/<name>.sql`."""
    return (resources.files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def statement(name: str, schema: str) -> str:
    """The statement in `sql/<name>.sql`, for a schema whose name was checked (`settings.py`)."""
    return fill(text(name), schema)


def fill(sql: str, schema: str) -> str:
    """SQL text with the names put in."""
    return sql.replace("{schema}", schema).replace("{channel}", channel(schema))
