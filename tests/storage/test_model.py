"""The store held against a small model of what a stream and a log are: whatever is asked of both, in whatever order, they agree."""

from __future__ import annotations

import asyncio
import os
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from mink.v1.event_store_pb2 import ReadAllResponse
from mink_server.core import errors
from mink_server.core.events import AppendResult, EventToAppend, StreamWrite
from mink_server.core.expectations import ANY, NO_STREAM, STREAM_EXISTS
from mink_server.core.filters import EventFilter
from mink_server.core.reading import Snapshot
from mink_server.storage.database import Database
from mink_server.storage.migrations import Migrations

from tests.storage.conftest import StoredLog

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.support.databases import Postgres

NAMES = ("Order-1", "Order-2", "Order", "Ünï_%-1", "B")
TYPES = ("Placed", "Paid", "%")
BOUNDS = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
)


@dataclass
class Recorded:
    """An event in the model's log."""

    position: int
    stream: str
    version: int
    id: str
    type: str
    payload: bytes
    made_by: int = field(default=-1, compare=False)
    """Number of the append that made it."""


@dataclass
class Stream:
    """A stream of the model."""

    floor: int = 0
    deleted: bool = False
    tombstoned: bool = False
    snapshot: tuple[int, bytes] | None = None
    events: list[Recorded] = field(default_factory=list)

    @property
    def newest(self) -> int:
        """The newest version ever given."""
        return self.events[-1].version if self.events else self.floor

    @property
    def gone(self) -> bool:
        return self.tombstoned or (self.deleted and not self.events)

    @property
    def version(self) -> int:
        """The version that callers see."""
        return 0 if self.deleted and not self.events else self.newest


def fits(expected: int, version: int) -> bool:
    return {ANY: True, NO_STREAM: version == 0, STREAM_EXISTS: version > 0}.get(expected, expected == version)


class Model:
    """What a log is: events in the order of positions, and streams."""

    def __init__(self) -> None:
        self.head = 0
        self.log: list[Recorded] = []
        self.streams: dict[str, Stream] = {}
        self.made: list[list[StreamWrite]] = []

    def version(self, name: str) -> int:
        return self.streams[name].version if name in self.streams else 0

    def append(self, writes: list[StreamWrite]) -> tuple[Any, ...]:
        """The outcome of an append, comparable with `outcome_of`."""
        there = {e.id: e for e in self.log}
        given = [(event.id, write.stream) for write in writes for event in write.events]
        found = [there[event_id] for event_id, _ in given if event_id in there]
        if found:
            made = self.made[found[0].made_by]
            whole = {e.made_by for e in found} == {found[0].made_by} and [(e.id, w.stream) for w in made for e in w.events] == given
            if not whole or len(found) != len(given):
                return ("EventIdConflictError", found[0].id)
            placed, at = [], 0
            for write in writes:
                mine = found[at : at + len(write.events)]
                at += len(mine)
                placed.append(
                    (mine[-1].version, mine[0].position, mine[-1].position) if mine else (self.version(write.stream), 0, 0)
                )
            return ("replayed", *placed)
        for write in writes:
            if write.stream in self.streams and self.streams[write.stream].tombstoned:
                return ("StreamDeletedError", write.stream, True)
        wrong = [(w.stream, w.expected, self.version(w.stream)) for w in writes if not fits(w.expected, self.version(w.stream))]
        if wrong:
            return ("WrongExpectedVersionError", *wrong)
        placed = []
        for write in writes:
            if not write.events:
                placed.append((self.version(write.stream), 0, 0))
                continue
            stream = self.streams.setdefault(write.stream, Stream())
            first = self.head + 1
            for event in write.events:
                self.head += 1
                made = Recorded(self.head, write.stream, stream.newest + 1, event.id, event.type, event.payload, len(self.made))
                stream.events.append(made)
                self.log.append(made)
            placed.append((stream.newest, first, self.head))
        self.made.append(writes)
        return ("appended", *placed)

    def missing(self, name: str) -> tuple[Any, ...] | None:
        if name not in self.streams:
            return ("StreamNotFoundError", name)
        if self.streams[name].gone:
            return ("StreamDeletedError", name, self.streams[name].tombstoned)
        return None

    def remove(self, name: str, expected: int, before: int | None, *, tombstone: bool) -> tuple[Any, ...]:
        missing = self.missing(name)
        stream = self.streams.get(name)
        if missing:
            if stream and not stream.tombstoned and before is None and tombstone:
                stream.tombstoned = True
                return ("removed", 0, stream.newest)
            return missing
        assert stream is not None
        version = stream.newest
        if not fits(expected, version):
            return ("WrongExpectedVersionError", (name, expected, version))
        if before is not None and before > version + 1:
            return ("InvalidRequestError", "before_version")
        floor = max(stream.floor, version if before is None else before - 1)
        removed = [e for e in stream.events if e.version <= floor]
        stream.events = stream.events[len(removed) :]
        self.log = [e for e in self.log if e not in removed]
        stream.floor = floor
        stream.deleted = before is None
        stream.tombstoned = tombstone and before is None
        if before is None:
            stream.snapshot = None
        return ("removed", len(removed), version)


async def outcome_of(work: Awaitable[Any]) -> tuple[Any, ...]:
    """What became of a call, comparable with what the model says."""
    try:
        result = await work
    except errors.WrongExpectedVersionError as error:
        return ("WrongExpectedVersionError", *((v.stream, v.expected, v.actual) for v in error.violations))
    except errors.EventIdConflictError as error:
        return ("EventIdConflictError", error.event_id)
    except errors.StreamDeletedError as error:
        return ("StreamDeletedError", error.name, error.tombstoned)
    except errors.NotFoundError as error:
        return (type(error).__name__, error.name)
    except errors.InvalidRequestError as error:
        return ("InvalidRequestError", *(v.field for v in error.violations))
    if isinstance(result, AppendResult):
        return (
            "replayed" if result.replayed else "appended",
            *((w.version, w.first_position, w.last_position) for w in result.writes),
        )
    return result if isinstance(result, tuple) else (result,)


def recorded(frames: bytes) -> list[Recorded]:
    return [
        Recorded(e.position, e.stream, e.version, e.id, e.type, e.json.encode() if e.WhichOneof("payload") == "json" else e.binary)
        for e in ReadAllResponse.FromString(frames).events
    ]


names = st.sampled_from(NAMES)
# An exact version is drawn as a distance from the version that the stream has.
expectations = st.one_of(
    st.sampled_from([ANY, NO_STREAM, STREAM_EXISTS]), st.tuples(st.integers(-2, 2)), st.just((0,)), st.just(ANY)
)
new_events = st.lists(st.tuples(st.sampled_from(TYPES), st.binary(max_size=8), st.booleans()), min_size=1, max_size=4)
filters = st.one_of(
    st.none(),
    st.builds(
        EventFilter,
        streams=st.frozensets(names, max_size=2),
        stream_prefixes=st.lists(st.sampled_from(["Order", "Order-", "Ünï_", "%", "Ünï%"]), max_size=2).map(tuple),
        categories=st.frozensets(st.sampled_from(["Order", "Ünï_%", "_"]), max_size=2),
        types=st.frozensets(st.sampled_from([*TYPES, "Never"]), max_size=2),
    ),
)


class Machine(RuleBasedStateMachine):
    """Does the same to the store and to the model."""

    postgres: Postgres
    schema: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = Model()
        self.log = self.do(self.open())

    def do(self, work: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await asyncio.wait_for(work, 20)

        return self.runner.run(run())

    async def open(self) -> StoredLog:
        database = Database(self.postgres.dsn, pool_size=3)
        await database.open()
        async with database.connection() as connection, connection.transaction():
            await connection.execute(
                f"truncate {self.schema}.events, {self.schema}.streams, {self.schema}.snapshots;"
                f"update {self.schema}.removed set position = 0"
            )
        log = StoredLog(database, self.schema)
        await log.start()
        return log

    def teardown(self) -> None:
        self.do(self.log.close())
        self.runner.close()

    def agree(self, work: Awaitable[Any], wanted: tuple[Any, ...]) -> None:
        found = self.do(outcome_of(work))
        assert found == wanted, f"the store says {found}, the model {wanted}"

    def expected(self, name: str, drawn: Any) -> int:
        return max(self.model.version(name) + drawn[0], 0) if isinstance(drawn, tuple) else drawn

    def events(self, drawn: list[tuple[str, bytes, bool]]) -> list[EventToAppend]:
        return [
            EventToAppend(str(uuid.uuid4()), kind, b'"%s"' % payload.hex().encode() if is_json else payload, is_json, None, 10)
            for kind, payload, is_json in drawn
        ]

    @initialize(drawn=new_events)
    def begin(self, drawn: list[tuple[str, bytes, bool]]) -> None:
        self.append("Order-1", NO_STREAM, drawn)

    def make(self, writes: list[StreamWrite]) -> None:
        wanted = self.model.append(writes)
        self.agree(self.log.append_many(*writes), wanted)

    @rule(name=names, expected=expectations, drawn=new_events)
    def append(self, name: str, expected: Any, drawn: list[tuple[str, bytes, bool]]) -> None:
        self.make([StreamWrite(name, self.expected(name, expected), self.events(drawn))])

    @rule(
        parts=st.lists(
            st.tuples(names, expectations, st.one_of(new_events, st.just([]))), min_size=2, max_size=4, unique_by=lambda p: p[0]
        ).filter(lambda parts: any(part[2] for part in parts))
    )
    def append_to_several(self, parts: list[tuple[str, Any, list[Any]]]) -> None:
        self.make([StreamWrite(name, self.expected(name, expected), self.events(drawn)) for name, expected, drawn in parts])

    @rule(
        parts=st.lists(
            st.tuples(names, st.sampled_from([ANY, ANY, NO_STREAM, STREAM_EXISTS, (0,), (1,), (2,)]), new_events),
            min_size=2,
            max_size=6,
        ),
        again=st.integers(0, 20),
    )
    def append_at_once(self, parts: list[tuple[str, Any, list[Any]]], again: int) -> None:
        """Appends of one batch: they are made in the order in which they came."""
        batch = [[StreamWrite(name, self.expected(name, expected), self.events(drawn))] for name, expected, drawn in parts]
        if again < len(batch):
            batch.append(batch[again])

        async def all_of_them() -> list[tuple[Any, ...]]:
            return await asyncio.gather(*(outcome_of(self.log.append_many(*writes)) for writes in batch))

        found = self.do(all_of_them())
        assert found == [self.model.append(writes) for writes in batch]

    @precondition(lambda self: self.model.made)
    @rule(pick=st.integers(0, 1000), expected=expectations)
    def append_again(self, pick: int, expected: Any) -> None:
        writes = self.model.made[pick % len(self.model.made)]
        self.make([StreamWrite(w.stream, self.expected(w.stream, expected), w.events) for w in writes])

    @precondition(lambda self: self.model.made)
    @rule(
        pick=st.integers(0, 1000),
        name=names,
        first=st.integers(0, 3),
        count=st.integers(1, 4),
        drawn=st.one_of(st.just([]), new_events),
    )
    def append_with_known_ids(self, pick: int, name: str, first: int, count: int, drawn: list[Any]) -> None:
        writes = self.model.made[pick % len(self.model.made)]
        known = [event for write in writes for event in write.events][first : first + count]
        events = known + self.events(drawn)
        if events:
            self.make([StreamWrite(name, ANY, events)])

    @rule(name=names, at=st.integers(-3, 2))
    def truncate(self, name: str, at: int) -> None:
        stream = self.model.streams.get(name)
        before = max((stream.newest if stream else 0) + at, 1)
        wanted = self.model.remove(name, ANY, before, tombstone=False)
        self.agree(self._removal(self.log.streams.truncate(name, before)), wanted)

    @rule(name=names, expected=expectations, tombstone=st.sampled_from([False, False, False, True]))
    def delete(self, name: str, expected: Any, tombstone: bool) -> None:
        number = self.expected(name, expected)
        wanted = self.model.remove(name, number, None, tombstone=tombstone)
        self.agree(self._removal(self.log.streams.delete(name, number, tombstone=tombstone)), wanted)

    @staticmethod
    async def _removal(work: Awaitable[Any]) -> tuple[Any, ...]:
        removal = await work
        return ("removed", removal.removed, removal.version)

    @rule(name=names, at=st.integers(-3, 1), data=st.binary(max_size=5))
    def save_snapshot(self, name: str, at: int, data: bytes) -> None:
        version = max(self.model.version(name) + at, 1)
        wanted = self.model.missing(name)
        if wanted is None:
            stream = self.model.streams[name]
            if version > stream.version:
                wanted = ("InvalidRequestError", "version")
            elif stream.snapshot and stream.snapshot[0] > version:
                wanted = (False, stream.snapshot[0])
            else:
                stream.snapshot = (version, data)
                wanted = (True, version)
        self.agree(self.log.snapshots.save(Snapshot(name, version, data, False, {})), wanted)

    @rule(name=names, delete=st.booleans())
    def load_or_delete_snapshot(self, name: str, delete: bool) -> None:
        wanted = self.model.missing(name)
        stream = self.model.streams.get(name)
        if wanted is None and stream is not None:
            wanted = stream.snapshot or ("SnapshotNotFoundError", name)
            if delete and stream.snapshot:
                wanted = (stream.snapshot[0],)
                stream.snapshot = None

        async def load() -> tuple[Any, ...]:
            snapshot = await self.log.snapshots.load(name)
            return (snapshot.version, snapshot.state)

        self.agree(self.log.snapshots.delete(name) if delete else load(), wanted)

    @rule(name=names, first=st.integers(0, 12), limit=st.integers(0, 5), backwards=st.booleans(), since=st.booleans())
    def read_stream(self, name: str, first: int, limit: int, backwards: bool, since: bool) -> None:
        since = since and not first and not backwards
        wanted = self.model.missing(name)
        stream = self.model.streams.get(name)
        if wanted is None and stream is not None:
            events = [e for e in stream.events if (e.version <= first if backwards and first else e.version >= first)]
            events = events[::-1] if backwards else events
            if since and stream.snapshot:
                events = [e for e in events if e.version > stream.snapshot[0]]
            wanted = (events[:limit] if limit else events, stream.newest, stream.snapshot if since else None)

        async def read() -> tuple[Any, ...]:
            pages = [
                page
                async for page in self.log.reader.read_stream(
                    name, from_version=first, limit=limit, backwards=backwards, since_snapshot=since
                )
            ]
            snapshot = pages[0].snapshot
            events = recorded(b"".join(page.frames for page in pages))
            return (events, pages[0].version, (snapshot.version, snapshot.state) if snapshot else None)

        self.agree(read(), wanted)

    @rule(start=st.integers(0, 40), limit=st.integers(0, 5), backwards=st.booleans(), where=filters)
    def read_log(self, start: int, limit: int, backwards: bool, where: EventFilter | None) -> None:
        start = min(start, self.model.head + backwards)
        events = [e for e in self.model.log if (e.position < start if backwards else e.position > start)]
        events = [e for e in events if where is None or where.matches(e.stream, e.type)]
        events = events[::-1] if backwards else events
        events = events[:limit] if limit else events

        async def read() -> list[Recorded]:
            if backwards:
                pages = self.log.reader.read_all_backwards(before=start, limit=limit, where=where)
            else:
                pages = self.log.reader.read_all(after=start, upto=self.model.head, limit=limit, where=where)
            return recorded(b"".join([page.frames async for page in pages]))

        assert self.do(read()) == events

    @rule(after=st.integers(0, 40))
    def follow(self, after: int) -> None:
        """The tail has what follows a position, or says that it has not."""
        chunks = self.log.tail.since(after, 10**6)
        if chunks is not None:
            found = recorded(b"".join(frame for chunk in chunks for frame in chunk.frames))
            assert found == [e for e in self.model.log if e.position > after]

    @rule(prefix=st.sampled_from(["", "Order", "Order-", "Ünï_%", "%"]), after=st.sampled_from(["", *NAMES]), deleted=st.booleans())
    def list_streams(self, prefix: str, after: str, deleted: bool) -> None:
        wanted = [
            (name, s.newest, s.events[0].version if s.events else 0, len(s.events), s.events[-1].position if s.events else 0,
             s.snapshot[0] if s.snapshot else 0, s.deleted and not s.events, s.tombstoned)
            for name, s in sorted(self.model.streams.items())
            if name.startswith(prefix) and name > after and (deleted or not s.gone)
        ]  # fmt: skip
        found = self.do(self.log.streams.list(prefix=prefix, after=after, limit=100, include_deleted=deleted))
        assert [
            (i.stream, i.version, i.first_version, i.events, i.last_position, i.snapshot_version, i.deleted, i.tombstoned)
            for i in found
        ] == wanted

    @rule()
    def restart(self) -> None:
        """A server that stops and starts forgets nothing."""
        self.do(self.log.close())

        async def again() -> StoredLog:
            database = Database(self.postgres.dsn, pool_size=3)
            await database.open()
            log = StoredLog(database, self.schema)
            await log.start()
            return log

        self.log = self.do(again())

    @invariant()
    def the_head_is_known(self) -> None:
        assert self.log.tail.head == self.model.head


@pytest.mark.timeout(400)  # what does not agree takes its time to be made small
def test_the_store_and_the_model_agree(postgres: Postgres) -> None:
    schema = postgres.new_schema()

    async def migrate() -> None:
        database = Database(postgres.dsn)
        await database.open()
        await Migrations(database, schema).up()
        await database.close()

    asyncio.run(migrate())
    machine = type("Machine", (Machine,), {"postgres": postgres, "schema": schema})
    try:
        run_state_machine_as_test(machine, settings=BOUNDS)
    finally:
        postgres.drop(schema)
