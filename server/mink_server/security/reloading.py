"""Reads files again when they change, and keeps what was read before if the new ones cannot be used."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import structlog

from mink_server.security import files, threads
from mink_server.security.errors import SecurityFileError
from mink_server.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

log = structlog.get_logger(__name__)

T = TypeVar("T")

_READ_SECONDS: Final = 5.0
# How often files that could not be used are tried again although they have not changed: a certificate begins to be valid, a disk
# is there again.
_TRY_SECONDS: Final = 10.0
_HANGS: Final = f"cannot be read: there is no answer within {_READ_SECONDS:g} s"


class Reloading(Generic[T]):
    """Files that are read together.

    Args:
        what: What they hold, for the log and the metric.
        paths: The files, by the setting that names each.
        load: Reads and checks them; raises SecurityFileError.

    Raises:
        SecurityFileError: They cannot be used, or are not read within five seconds.
    """

    def __init__(self, what: str, paths: dict[str, Path], load: Callable[[], T]) -> None:
        self._what = what
        self._paths: Sequence[Path] = list(paths.values())
        self._named = ", ".join(paths)
        self._load = load
        self._doubted: files.Signature | None = None
        self._hanging: Future[tuple[files.Signature, T | None, str] | None] | None = None
        self._tried = time.monotonic()
        self._broken = ""
        self._failed = metrics.RELOADS.labels(what, "failed")
        self._ok = metrics.RELOADS.labels(what, "ok")
        try:
            self._seen, self.first = threads.begin(self._begin).result(_READ_SECONDS)
        except TimeoutError:
            setting, path = next(iter(paths.items()))
            raise SecurityFileError(setting, path, _HANGS) from None

    @property
    def problem(self) -> str:
        """Why the newest files do not count; empty: they do."""
        return self._broken if self._hanging is None else f"{self._named}: {_HANGS}"

    def _begin(self) -> tuple[files.Signature, T]:
        # The signature is taken before the files are read: what changes while they are read is found the next time.
        return files.signature(self._paths), self._load()

    def _read(self) -> tuple[files.Signature, T | None, str] | None:
        """What is there now; None: nothing new. Runs in a thread."""
        now = files.signature(self._paths)
        again = self._broken and time.monotonic() - self._tried >= _TRY_SECONDS
        if now == self._seen and not again:
            return None
        self._tried = time.monotonic()
        try:
            return now, self._load(), ""
        except SecurityFileError as error:
            return now, None, str(error)
        except Exception as error:  # noqa: BLE001 - whatever is in the files, they are looked at again
            return now, None, f"{self._named}: cannot be read ({type(error).__name__})"

    async def look(self) -> T | None:
        """What the files hold, if they have changed and can be used; None otherwise.

        New files that cannot be used are looked at once more the next time before it is said: certificate and key may be replaced
        one after the other. While a read hangs, no other is begun.
        """
        if self._hanging is not None:
            if not self._hanging.done():
                return None
            self._hanging = None
            log.info("files can be read again", file=self._what)
        reading = threads.begin(self._read)
        done, _ = await asyncio.wait({asyncio.wrap_future(reading)}, timeout=_READ_SECONDS)
        if not done:
            self._hanging = reading
            self._say_failed(self.problem)
            return None
        return self._take(reading.result())

    def _take(self, found: tuple[files.Signature, T | None, str] | None) -> T | None:
        if found is None:
            return None
        now, loaded, problem = found
        if loaded is None:
            if now == self._seen:  # tried again, with no more luck
                self._broken = problem
            elif now == self._doubted:
                self._seen, self._broken = now, problem
                self._say_failed(problem)
            self._doubted = now
            return None
        self._seen, self._doubted, self._broken = now, None, ""
        self._ok.inc()
        log.info("reloaded", file=self._what)
        return loaded

    def _say_failed(self, problem: str) -> None:
        self._failed.inc()
        log.error("reload failed, what was read before still counts", file=self._what, why=problem)
