"""Reads files again when they change, and keeps what was read before if the new ones cannot be used."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from mink_server.security import files
from mink_server.security.errors import SecurityFileError
from mink_server.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Reloading(Generic[T]):
    """Files that are read together.

    Args:
        what: What they hold, for the log and the metric.
        paths: The files.
        load: Reads and checks them; raises SecurityFileError.
    """

    def __init__(self, what: str, paths: Sequence[Path], load: Callable[[], T]) -> None:
        self._what = what
        self._paths = paths
        self._load = load
        # Taken before the files are read: what changes while they are read is found the next time.
        self._seen = files.signature(paths)
        self._doubted: files.Signature | None = None
        self._failed = metrics.RELOADS.labels(what, "failed")
        self._ok = metrics.RELOADS.labels(what, "ok")
        self.problem = ""
        self.first = load()

    async def look(self) -> T | None:
        """What the files hold, if they have changed and can be used; None otherwise.

        New files that cannot be used are looked at once more the next time before it is said: certificate and key may be replaced
        one after the other.
        """
        now = await asyncio.to_thread(files.signature, self._paths)
        if now == self._seen:
            return None
        problem = ""
        loaded: T | None
        try:
            loaded = await asyncio.to_thread(self._load)
        except SecurityFileError as error:
            loaded, problem = None, str(error)
        if loaded is None:
            if now == self._doubted:
                self._seen = now
                self.problem = problem
                self._failed.inc()
                log.error("reload failed, what was read before still counts", file=self._what, why=problem)
            self._doubted = now
            return None
        self._seen, self._doubted = now, None
        self.problem = ""
        self._ok.inc()
        log.info("reloaded", file=self._what)
        return loaded
