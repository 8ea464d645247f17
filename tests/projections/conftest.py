"""Fixtures for projections: a read model of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.projections.models import Parking, ReadModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.databases import Postgres


@pytest.fixture
async def model(postgres: Postgres) -> AsyncIterator[ReadModel]:
    """A read model in Postgres."""
    schema = postgres.new_schema()
    found = ReadModel(postgres, schema)
    yield found
    await found.close()
    for name in await found.fetch("select nspname::text from pg_namespace where nspname ~ $1", f"^{schema}(_b[0-9]+)?$"):
        postgres.drop(name)


@pytest.fixture
def parking() -> Parking:
    """Where parked events go."""
    return Parking()
