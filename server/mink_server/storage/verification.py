"""Reads the whole log and proves that nothing is missing or bent.

What is proved, up to the head at the start, while others append and remove:

- Events: each one's bytes agree with its columns and with its stream's row; within a stream, versions and positions ascend together
  from the first version that was not removed, without a hole. Each page is of one moment. The event before an event is looked for
  among those seen, and else in the database, together with what was removed by then.
- Streams: the versions that all streams have given are as many as the positions that the log has given, so that every position
  without an event is one whose event was removed. It is one sum, so it is made at one moment: in a transaction that lasts for this
  step alone, because it holds back vacuum.
- Snapshots: none is ahead of its stream, none belongs to a stream that is gone.
- Removals: what was removed is not there. If it is, it may just be going; then it is waited for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from mink_server.core.errors import DatabaseUnavailableError, OverloadedError
from mink_server.core.verification import FaultFound, FaultKind, Progress, Verdict
from mink_server.storage.statements import statement
from mink_server.storage.verification_events import EventChecker, Question
from mink_server.storage.verification_rows import check_snapshot, check_stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from mink_server.storage.database import Database

_PAGE_EVENTS: Final = 500
_PAGE_BYTES: Final = 1024 * 1024
_PAGE_STREAMS: Final = 1_000
_PAGE_SNAPSHOTS: Final = 200
_PAGE_HOLES: Final = 5_000
_LOWEST: Final = -(2**63)
_LOOK_EVERY: Final = 0.2

_STATEMENTS: Final = (
    "constraints", "events", "holes", "leftover", "numbers", "removals", "snapshots", "streams", "versions",
)  # fmt: skip
# A constraint, the fault that it is if it is missing, and what it keeps apart.
_CONSTRAINTS: Final = {
    "events_pkey": (FaultKind.WRONG_ORDER, "positions"),
    "events_stream_version": (FaultKind.WRONG_ORDER, "versions of a stream"),
    "events_event_id": (FaultKind.WRONG_ORDER, "event ids"),
    "streams_pkey": (FaultKind.WRONG_STREAM, "streams"),
    "streams_name_key": (FaultKind.WRONG_STREAM, "stream names"),
    "snapshots_pkey": (FaultKind.WRONG_SNAPSHOT, "snapshots of a stream"),
}


class Verification:
    """Verifies one log, once at a time.

    Args:
        database: Where the log is.
        schema: The schema that it is in.
        seen: The newest position that this server knows to be committed: a log that ends before it has lost its end.
        patience: Seconds to wait for events that were removed and are still there, after the last of them went.
    """

    def __init__(self, database: Database, schema: str, seen: Callable[[], int] = int, patience: float = 20.0) -> None:
        self._database = database
        self._seen = seen
        self._patience = patience
        self._sql = {name: statement(f"verify_{name}", schema) for name in _STATEMENTS}
        self._running = False

    async def run(self, report: Callable[[Progress], None]) -> Verdict:
        """Verifies the log up to the head that it has now.

        Args:
            report: Told after every page how far it is.

        Raises:
            OverloadedError: A verification is under way.
            MinkError: The database failed.
        """
        if self._running:
            raise OverloadedError("a verification, of which a server makes one at a time")
        self._running = True
        try:
            seen = self._seen()
            numbers = await self._database.fetchrow(self._sql["numbers"])
            if numbers is None:
                raise DatabaseUnavailableError("the log's schema is empty")
            run = _Run(self._database, self._sql, numbers["head"], report, self._patience)
            return await run.verdict(seen)
        finally:
            self._running = False


class _Run:
    """One verification.

    Args:
        database: Where the log is.
        sql: The statements.
        head: Up to where.
        report: Told after every page how far it is.
        patience: Seconds to wait for what is being removed.
    """

    def __init__(
        self, database: Database, sql: dict[str, str], head: int, report: Callable[[Progress], None], patience: float
    ) -> None:
        self._database = database
        self._sql = sql
        self._head = head
        self._report = report
        self._patience = patience
        self._events = EventChecker()
        self._streams = 0
        self._snapshots = 0

    async def verdict(self, seen: int) -> Verdict:
        """Makes all steps, up to the first fault; `seen` is a position that the log must have come to."""
        fault = None
        try:
            await self._check_constraints()
            self._check_head(seen)
            await self._check_events()
            await self._check_streams()
            await self._check_snapshots()
            await self._check_removals()
        except FaultFound as found:
            fault = found.fault
        events = self._events.events
        return Verdict(self._head, events, self._streams, self._snapshots, 0 if fault else self._head - events, fault)

    def _reached(self, step: str, position: int) -> None:
        self._report(Progress(step, max(0, min(position, self._head)), self._head))

    async def _check_constraints(self) -> None:
        """What keeps numbers and names apart must be there: without it, what follows would prove less than it says."""
        for row in await self._database.fetch(self._sql["constraints"]):
            kind, what = _CONSTRAINTS[row["name"]]
            raise FaultFound(kind, f"the constraint {row['name']} is missing or invalid: nothing keeps {what} apart")

    def _check_head(self, seen: int) -> None:
        if self._head < seen:
            message = f"this server has seen position {seen}, and the log ends at {self._head}"
            raise FaultFound(FaultKind.MISSING_EVENT, message, self._head + 1)

    async def _check_events(self) -> None:
        """Every event up to the head. The next page is fetched while one is checked."""
        self._reached("events", 0)
        page = asyncio.create_task(self._page(_LOWEST))
        try:
            while rows := await page:
                page = asyncio.create_task(self._page(rows[-1]["position"]))
                await asyncio.sleep(0)  # its request is on its way before the checks keep the loop busy
                questions: list[Question] = []
                try:
                    self._events.check(rows, questions)
                finally:
                    await self._answer(questions)  # what it finds lies before what the checks have found
                self._reached("events", rows[-1]["position"])
        finally:
            page.cancel()
            await asyncio.gather(page, return_exceptions=True)
        self._events.end(self._head)

    async def _page(self, after: int) -> list[Any]:
        return await self._database.fetch(self._sql["events"], after, self._head, _PAGE_EVENTS, _PAGE_BYTES)

    async def _answer(self, questions: list[Question]) -> None:
        if not questions:
            return
        ids, versions = [question.stream_id for question in questions], [question.version for question in questions]
        answers = await self._database.fetch(self._sql["versions"], ids, versions)
        for question, answer in zip(questions, answers, strict=True):
            name = f"version {question.version} of the stream {question.stream!r}"
            if answer["position"] is None and (answer["floor"] or 0) < question.version:
                message = f"{name} is not there, and was not removed"
                raise FaultFound(FaultKind.MISSING_EVENT, message, 0, question.stream, question.version)
            if answer["position"] is not None and answer["position"] > question.position:
                message = f"{name} comes after the version that follows it"
                raise FaultFound(FaultKind.WRONG_ORDER, message, answer["position"], question.stream, question.version)

    async def _check_streams(self) -> None:
        """Every stream, and that their versions are as many as the log's positions."""
        self._reached("streams", 0)
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            numbers: Any = await connection.fetchrow(self._sql["numbers"])
            head = numbers["head"]
            if head < self._head:
                message = f"the log ended at {self._head} when the verification began, and ends at {head} now"
                raise FaultFound(FaultKind.MISSING_EVENT, message, head + 1)
            given, after = 0, _LOWEST
            while rows := await connection.fetch(self._sql["streams"], after, _PAGE_STREAMS):
                for row in rows:
                    check_stream(row, head, numbers["removed"])
                    given += max(row["newest"], row["floor"])
                self._streams += len(rows)
                after = rows[-1]["stream_id"]
                self._reached("streams", after)
            if given < head:
                await self._find_hole(connection, head, given)
            if given > head:
                message = f"the streams have given {given} versions, and the log {head} positions: one has removed more than it had"
                raise FaultFound(FaultKind.WRONG_STREAM, message)

    async def _find_hole(self, connection: Any, head: int, given: int) -> None:
        """Names the first position that certainly misses its event."""
        left_over = after = 0
        while after < head:
            upto = min(after + _PAGE_HOLES, head)
            row = await connection.fetchrow(self._sql["holes"], after, upto, left_over)
            if row["position"] is not None:
                message = f"position {row['position']}, or one before it, has lost its event; positions that have: {head - given}"
                raise FaultFound(FaultKind.MISSING_EVENT, message, row["position"])
            left_over, after = row["left_over"], upto
            self._reached("streams", after)
        # There are no more holes than removed events: then two events have the same version.
        raise FaultFound(FaultKind.WRONG_ORDER, f"the log has given {head} positions, and its streams {given} versions")

    async def _check_snapshots(self) -> None:
        self._reached("snapshots", 0)
        after = _LOWEST
        while rows := await self._database.fetch(self._sql["snapshots"], after, _PAGE_SNAPSHOTS, _PAGE_BYTES):
            for row in rows:
                check_snapshot(row)
            self._snapshots += len(rows)
            after = rows[-1]["stream_id"]
            self._reached("snapshots", after)

    async def _check_removals(self) -> None:
        """What was removed must be gone. A removal that is under way is waited for as long as it moves."""
        self._reached("removals", 0)
        after = _LOWEST
        while (row := await self._database.fetchrow(self._sql["removals"], after, _PAGE_STREAMS))["upto"] is not None:
            for stream_id in row["unfinished"]:
                await self._wait_for_removal(stream_id)
            after = row["upto"]
            self._reached("removals", after)

    async def _wait_for_removal(self, stream_id: int) -> None:
        clock = asyncio.get_running_loop().time
        version, until = 0, 0.0
        while (row := await self._database.fetchrow(self._sql["leftover"], stream_id)) is not None:
            if row["version"] != version:
                version, until = row["version"], clock() + self._patience
            elif clock() > until:
                message = (
                    f"the event at {row['position']} was removed and is still there; if a server was stopped in the middle of "
                )
                message += "a removal, the next start of a server finishes it"
                raise FaultFound(FaultKind.STRAY_EVENT, message, row["position"], row["stream"], version)
            self._reached("removals", stream_id)
            await asyncio.sleep(_LOOK_EVERY)
