"""Holds rounds for all workers that are connected to this server: keeps their leases alive, and tells them what was decided."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog

from mink_server.core.errors import DatabaseUnavailableError
from mink_server.rpc.projections.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from mink_server.core.projections.port import Workers
    from mink_server.rpc.projections.session import Session

log = structlog.get_logger(__name__)

# Of a lease's time, from one round to the next, and from one look at the clock to the next.
_EVERY: Final = 0.2
_LOOK_EVERY: Final = 0.1
# Seconds that a round may take at least, however short a lease is.
_ROUND: Final = 2.0
# Seconds from one save to the next; from a change to the round that looks at it, and from one round to the next one at least; until
# what has failed is tried again; and between two looks for what is to be forgotten.
_SAVE_EVERY: Final = 0.25
_SOON: Final = 0.01
_APART: Final = 0.05
_PAUSE: Final = 0.25
_CLEAN_EVERY: Final = 60.0
# So many projections whose rounds fail one after the other have no database.
_NO_DATABASE: Final = 2


class Supervisor:
    """One for a server.

    Attributes:
        lease: How long a lease lasts, in seconds.
        counts: Counts what workers have handled.

    Args:
        workers: The projections, as workers need them.
        lease: See above.
    """

    def __init__(self, workers: Workers, lease: float) -> None:
        self._workers = workers
        self.lease = lease
        self.counts = Counts()
        self._sessions: dict[str, Session] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        # Projections that a round is to look at soon.
        self._wanted: set[str] = set()
        # Projections whose rounds have failed while others' have not, the ones first that were tried longest ago.
        self._apart: dict[str, None] = {}
        self._changed: asyncio.Future[None] | None = None
        # Loop times.
        self._last_round = self._last_look = self._round_at = self._save_at = self._clean_at = 0.0

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()

    def start(self) -> None:
        """Begins."""
        self._last_look = self._clock()
        self._task = asyncio.create_task(self._run(), name="mink-projections")

    async def close(self) -> None:
        """Ends, when workers that have left have given back what they held; not much later than a lease lasts."""
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=self.lease)
        rest = [*self._leaving, *([self._task] if self._task else [])]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def changed(self, projection: str) -> None:
        """Something has changed about a projection, here or elsewhere: a round looks at it."""
        self._wanted.add(projection)
        self._wake.set()
        if self._changed is not None:
            self._changed.set_result(None)
            self._changed = None

    async def wait(self, seconds: float) -> None:
        """Waits until something has changed, or as many seconds."""
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        await asyncio.wait((self._changed,), timeout=seconds)

    def enter(self, session: Session) -> None:
        """A worker has come: it is known to the database."""
        self._sessions[session.worker] = session
        self.counts.use(session.leases.projection)
        self.changed(session.leases.projection)

    def leave(self, session: Session) -> asyncio.Task[None]:
        """A worker has gone: it loses its leases, as soon as the task that is answered with is done."""
        self._sessions.pop(session.worker, None)
        leaving = asyncio.create_task(self._leave(session), name="mink-projection-leaving")
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        return leaving

    async def _leave(self, session: Session) -> None:
        progress = session.leases.end()
        try:
            async with asyncio.timeout(self.lease):  # then its leases have run out
                while True:
                    try:
                        if progress:
                            await self._workers.save(progress)
                            progress = []
                        await self._workers.leave(session.leases.projection, session.worker)
                        break
                    except DatabaseUnavailableError:
                        await asyncio.sleep(_PAUSE)
        except TimeoutError:
            log.warning("a worker's leases could not be given back and run out", projection=session.leases.projection)
        except Exception:
            log.exception("a worker's leases could not be given back and run out", projection=session.leases.projection)
        self.changed(session.leases.projection)

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
            except Exception:
                log.exception("what workers hold could not be looked at and is looked at again")
                await asyncio.sleep(_PAUSE)

    async def _turn(self) -> None:
        """Waits until something is to be done, and does it."""
        now = self._clock()
        if now >= self._round_at:
            self._wanted.clear()
            self._round_at = now + self.lease * _EVERY
            await self._meanwhile_looking(self._rounds(list(self._sessions.values())))
            self._last_round = self._clock()
        elif self._wanted:
            await asyncio.sleep(max(_SOON, self._last_round + _APART - now))  # what happens at the same time is looked at together
            wanted, self._wanted = self._wanted, set()
            await self._meanwhile_looking(
                self._rounds([session for session in self._sessions.values() if session.leases.projection in wanted])
            )
            self._last_round = self._clock()
        elif now >= self._save_at:
            await self._meanwhile_looking(self._save())
            self._save_at = self._clock() + _SAVE_EVERY
        elif now >= self._clean_at:
            self._clean_at = now + _CLEAN_EVERY
            run = {session.leases.projection for session in self._sessions.values()}
            for projection in run:
                self.counts.use(projection)
            self.counts.forget_old()
            self._apart = {projection: None for projection in self._apart if projection in run}
        else:
            self._look()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(min(self._round_at, self._save_at, now + self.lease * _LOOK_EVERY) - now, 0)):
                    await self._wake.wait()
            self._wake.clear()

    async def _meanwhile_looking(self, work: Coroutine[Any, Any, None]) -> None:
        """Does something with the database. It may hang: leases that run out, and workers that hang, do not wait for it."""
        doing = asyncio.create_task(work, name="mink-projections-database")
        end = self._clock() + max(self.lease, _ROUND)
        try:
            while not doing.done() and self._clock() < end:
                await asyncio.wait((doing,), timeout=self.lease * _LOOK_EVERY)
                self._look()
        finally:
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)
        if not doing.cancelled() and (error := doing.exception()) is not None:
            raise error

    def _look(self) -> None:
        """Ends what has run out. If the whole process stood still, workers were not silent: nobody has listened."""
        now = self._clock()
        stood_still = now - self._last_look > self.lease * _EVERY * 2
        self._last_look = now
        for session in list(self._sessions.values()):
            session.look(listened=not stood_still)

    async def _rounds(self, sessions: Sequence[Session]) -> None:
        """One round for all. What fails for a reason of its own has rounds apart: projections must not stop each other."""
        by_projection: dict[str, list[Session]] = defaultdict(list)
        for session in sessions:
            by_projection[session.leases.projection].append(session)
        together = [name for name in by_projection if name not in self._apart]
        if not await self._try([session for name in together for session in by_projection[name]]):
            failed = 0
            for name in together if len(together) > 1 else ():
                if await self._try(by_projection[name]):
                    failed = 0
                    continue
                self._apart[name] = None
                failed += 1
                if failed == _NO_DATABASE:
                    break
            if failed or len(together) == 1:
                await asyncio.sleep(_PAUSE)
                self._wanted.update(together)
            if failed == _NO_DATABASE:
                self._apart.clear()
                return
        # One at a time: it may take long to fail again.
        for name in [name for name in self._apart if name in by_projection][:1]:
            del self._apart[name]
            if not await self._try(by_projection[name]):
                self._apart[name] = None

    async def _try(self, sessions: Sequence[Session]) -> bool:
        """Holds a round; whether that has worked."""
        try:
            await self._round(sessions)
        except DatabaseUnavailableError as error:
            log.warning("leases of projections cannot be renewed", projections=_names(sessions), why=str(error))
            return False
        except Exception:
            log.exception("a round of projections has failed", projections=_names(sessions))
            return False
        return True

    async def _round(self, sessions: Sequence[Session]) -> None:
        if not sessions:
            return
        as_of = self._clock()
        members = [session.leases.member() for session in sessions]
        try:
            orders = await self._workers.round(members)
        except BaseException:
            for session, member in zip(sessions, members, strict=True):
                for progress in member.leases.values():
                    if progress is not None:
                        session.leases.put_back(progress)
            raise
        for session, member in zip(sessions, members, strict=True):
            if session.worker in self._sessions and session.worker in orders:
                session.obey(orders[session.worker], as_of, member)

    async def _save(self) -> None:
        """Saves between rounds what has moved. What has rounds apart is saved by these; as there, one must not stop the others."""
        sessions = [session for session in self._sessions.values() if session.leases.projection not in self._apart]
        try:
            await self._save_of(sessions)
        except DatabaseUnavailableError:
            return  # the next round says it
        except Exception:
            log.exception("what workers have handled cannot be saved", projections=_names(sessions))
        else:
            return
        for name in {session.leases.projection for session in sessions}:
            try:
                await self._save_of([session for session in sessions if session.leases.projection == name])
            except DatabaseUnavailableError:
                return
            except Exception:
                log.exception("what workers have handled cannot be saved", projections=[name])
                self._apart[name] = None

    async def _save_of(self, sessions: Sequence[Session]) -> None:
        moved = [(session, progress) for session in sessions for progress in session.leases.moved()]
        if not moved:
            return
        try:
            lost = set(await self._workers.save([progress for _, progress in moved]))
        except BaseException:
            for session, progress in moved:
                session.leases.put_back(progress)
            raise
        for session, progress in moved:
            if progress.lease in lost:
                session.leases.lost(progress.lease)


def _names(sessions: Sequence[Session]) -> list[str]:
    """The first few projections, for the log."""
    return sorted({session.leases.projection for session in sessions})[:5]
