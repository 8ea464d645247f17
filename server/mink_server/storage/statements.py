"""The SQL statements, read from `sql/`, with the schema's name put in."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources


def channel(schema: str) -> str:
    """The NOTIFY channel of the log in a schema."""
    return f"mink_{schema}"


def projections_channel(schema: str) -> str:
    """The NOTIFY channel of the projections in a schema. The dot keeps it apart from any log's; at most 63 bytes."""
    return f"projections.{schema}"


@lru_cache
def text(name: str) -> str:
    """What stands in `sql/<name>.sql`."""
    return (resources.files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def statement(name: str, schema: str) -> str:
    """The statement in `sql/<name>.sql`, for a schema whose name was checked (`settings.py`)."""
    return fill(text(name), schema)


def fill(sql: str, schema: str) -> str:
    """SQL text with the names put in."""
    names = {"{schema}": schema, "{channel}": channel(schema), "{projections}": projections_channel(schema)}
    for placeholder, name in names.items():
        sql = sql.replace(placeholder, name)
    return sql
