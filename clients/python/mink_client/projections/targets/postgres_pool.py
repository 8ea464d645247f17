"""The connections to a read model's Postgres: made when partitions need them; and nobody sees the password."""

from __future__ import annotations

import asyncio
import contextlib
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from mink_client.projections.policies import Transient
from mink_client.projections.problems import DefinitionError
from mink_client.projections.targets.postgres_tables import OWN_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncpg import Pool, Record

    from mink_client.projections.targets.postgres_transaction import Pooled

MOST_CONNECTIONS: Final = 1000
SPARE: Final = 2
"""Connections beside those of partitions: for what must not wait for them."""
_MOST_POOLS: Final = 4
_CONNECTING: Final = 10.0
"""Seconds."""
_CLOSING: Final = 2.0
"""Seconds."""


class Connections:
    """Pools, opened once for all who use them: one for each schema in which handlers' statements are prepared.

    asyncpg keeps the types of a statement's parameters by its text. In another build's schema they may be others.
    """

    def __init__(self, dsn: str | None, env: str | None, max_connections: int | None, statement_cache_size: int) -> None:
        """Prepares it.

        Args:
            dsn: Where Postgres is.
            env: The environment variable that says so instead.
            max_connections: Connections at most; None: as many as partitions need.
            statement_cache_size: Prepared statements that a connection keeps.

        Raises:
            DefinitionError: An argument is wrong, or asyncpg is not installed.
        """
        if (dsn is None) == (env is None):
            raise DefinitionError("target", "Postgres: either dsn or env is wanted")
        for name, text in (("dsn", dsn), ("env", env)):
            if text is not None and (not isinstance(text, str) or not text):
                raise DefinitionError("target", f"Postgres: {name}: text that is not empty")
        _check_number("max_connections", 1 + SPARE if max_connections is None else max_connections, 1 + SPARE)
        _check_number("statement_cache_size", statement_cache_size, 0)
        try:
            import asyncpg  # noqa: F401, PLC0415 - the client can do without
        except ModuleNotFoundError:
            raise DefinitionError("target", "Postgres: needs asyncpg: pip install 'mink-client[worker]'") from None
        self._dsn = dsn
        self._env = env
        self._max_connections = max_connections
        self._statement_cache_size = statement_cache_size
        self._partitions: dict[str, int] = {}
        self._pools: dict[str, Pool[Record]] = {}  # the one used last at the end
        self._address = ""
        self._opened = 0

    def __repr__(self) -> str:
        return f"env={self._env!r}" if self._env is not None else f"host={_host(self._dsn or '')!r}"

    def serve(self, projection: str, partitions: int) -> None:
        """There will be one more projection.

        Args:
            projection: Its name.
            partitions: How many partitions it has.
        """
        self._partitions[projection] = partitions

    async def open(self) -> None:
        """Makes a pool, which connects when it has to.

        Raises:
            DefinitionError: The environment variable is not set, or what it says is no address of a Postgres.
        """
        if self._opened == 0:
            address = self._dsn if self._env is None else os.environ.get(self._env)
            if not address:
                raise DefinitionError("target", f"the environment variable {self._env} is not set: it says where Postgres is")
            self._address = address
            if not address.startswith(("postgres://", "postgresql://")):
                raise self._unusable()
            self._pools[""] = await self._new_pool()
        self._opened += 1

    async def close(self) -> None:
        """Closes all connections, when it was closed as often as opened."""
        self._opened = max(0, self._opened - 1)
        if self._opened == 0:
            pools, self._pools = self._pools, {}
            await asyncio.gather(*map(_close, pools.values()))

    async def _new_pool(self) -> Pool[Record]:
        import asyncpg  # noqa: PLC0415

        most = self._max_connections or min(sum(self._partitions.values(), SPARE), MOST_CONNECTIONS)
        try:
            return await asyncpg.create_pool(
                self._address,
                min_size=0,
                max_size=max(most, 1 + SPARE),
                statement_cache_size=self._statement_cache_size,
                timeout=_CONNECTING,
            )
        except (ValueError, asyncpg.ClientConfigurationError):
            raise self._unusable() from None

    async def _pool(self, schema: str) -> Pool[Record]:
        if self._opened == 0:
            raise RuntimeError(f"Postgres({self!r}) is not open")
        pool = self._pools.pop(schema, None) or await self._new_pool()
        other = self._pools.pop(schema, None)  # made meanwhile
        self._pools[schema] = other or pool
        if len(self._pools) > _MOST_POOLS:
            for name, old in self._pools.items():
                if name not in (schema, "") and old.get_size() == old.get_idle_size():
                    await _close(self._pools.pop(name))
                    break
        return self._pools[schema]

    @asynccontextmanager
    async def one(self, schema: str = "") -> AsyncIterator[Pooled]:
        """A connection.

        Args:
            schema: In which handlers' statements are prepared; empty: no handlers'.

        Raises:
            Transient: There is none to be had now.
            DefinitionError: What was given is no address of a Postgres.
        """
        import asyncpg  # noqa: PLC0415

        pool = await self._pool(schema)
        try:
            connection = await pool.acquire(timeout=OWN_TIMEOUT)
        except TimeoutError:
            raise Transient("the read model's database did not answer in time, or too many wait for it") from None
        except (OSError, asyncpg.TargetServerAttributeNotMatched) as error:
            raise Transient(f"the read model's database cannot be reached: {error}") from error
        except (ValueError, asyncpg.ClientConfigurationError):
            raise self._unusable() from None
        try:
            yield connection
        finally:
            with contextlib.suppress(Exception):  # then it is closed
                await pool.release(connection, timeout=OWN_TIMEOUT)

    def _unusable(self) -> DefinitionError:
        what = "dsn" if self._env is None else f"the environment variable {self._env}"
        return DefinitionError("target", f"{what} cannot be used: it must be like postgresql://user:password@host:5432/database")


async def _close(pool: Pool[Record]) -> None:
    try:
        async with asyncio.timeout(_CLOSING):
            await pool.close()
    except TimeoutError:
        pool.terminate()


def _check_number(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST_CONNECTIONS:
        raise DefinitionError("target", f"Postgres: {name}: a number from {least} to {MOST_CONNECTIONS}, not {value!r:.100}")


def _host(dsn: str) -> str:
    try:
        return urlsplit(dsn).hostname or ""
    except ValueError:
        return ""
