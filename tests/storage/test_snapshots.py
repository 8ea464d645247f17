"""Snapshots: never ahead of their stream, never older than what is there, gone with it; on every Postgres."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
from mink_server.core.errors import InvalidRequestError, SnapshotNotFoundError, StreamDeletedError, StreamNotFoundError
from mink_server.core.expectations import ANY
from mink_server.core.reading import Snapshot

from tests.storage.conftest import StoredLog, event


def state(version: int, data: bytes = b"{}", *, is_json: bool = True, stream: str = "A", **metadata: str) -> Snapshot:
    return Snapshot(stream, version, data, is_json, metadata)


async def test_a_snapshot_comes_back_as_it_was_saved(log: StoredLog) -> None:
    await log.append("A", event())
    for is_json, data in (
        (True, b'{"a": 1, "a": 2,  "n": 123456789012345678901234567890, "z": "\\u0000 \\ud800"}'),
        (False, b""),
        (False, bytes(range(256)) * 4000),
        (True, '"ü😀"'.encode()),
    ):
        for metadata in ({}, {"": "", "ключ": "значение \t\n 😀", '"': "\\"}):
            assert await log.snapshots.save(Snapshot("A", 1, data, is_json, metadata)) == (True, 1)
            loaded = await log.snapshots.load("A")
            assert (loaded.stream, loaded.version, loaded.is_json, loaded.metadata) == ("A", 1, is_json, metadata)
            assert loaded.state == data
    [row] = await log.fetch("select saved_at, metadata from {schema}.snapshots")
    assert loaded.saved_at == row["saved_at"]
    assert json.loads(row["metadata"]) == loaded.metadata


async def test_a_snapshot_is_never_ahead_of_its_stream(log: StoredLog) -> None:
    await log.append("A", event(), event())
    for version in (3, 4, 2**63 - 1):
        with pytest.raises(InvalidRequestError) as caught:
            await log.snapshots.save(state(version))
        assert [v.field for v in caught.value.violations] == ["version"]
    with pytest.raises(SnapshotNotFoundError):
        await log.snapshots.load("A")
    assert await log.snapshots.save(state(2)) == (True, 2)
    with pytest.raises(InvalidRequestError):
        await log.snapshots.save(state(3))
    assert (await log.snapshots.load("A")).version == 2


async def test_an_older_snapshot_never_replaces_a_newer_one(log: StoredLog) -> None:
    await log.append("A", event(), event(), event())
    assert await log.snapshots.save(state(2, b"2")) == (True, 2)
    assert await log.snapshots.save(state(1, b"1")) == (False, 2)
    assert (await log.snapshots.load("A")).state == b"2"
    assert await log.snapshots.save(state(2, b"22", is_json=False, by="x")) == (True, 2)
    loaded = await log.snapshots.load("A")
    assert (loaded.state, loaded.is_json, loaded.metadata) == (b"22", False, {"by": "x"})
    assert await log.snapshots.save(state(3, b"3")) == (True, 3)
    assert (await log.snapshots.load("A")).version == 3


async def test_of_many_saved_at_once_the_newest_stays(log: StoredLog) -> None:
    await log.append("A", *[event() for _ in range(20)])
    results = await asyncio.gather(*(log.snapshots.save(state(v, b"%d" % v)) for v in (*range(20, 0, -1), *range(1, 21))))
    assert (await log.snapshots.load("A")).state == b"20"
    assert all(version >= asked for (_, version), asked in zip(results, (*range(20, 0, -1), *range(1, 21)), strict=True))


async def test_a_snapshot_outlives_the_events_it_stands_for(log: StoredLog) -> None:
    await log.append("A", event(), event())
    await log.streams.truncate("A", 3)
    assert await log.snapshots.save(state(2)) == (True, 2)
    assert await log.snapshots.save(state(1)) == (False, 2)
    assert (await log.streams.get("A")).snapshot_version == 2


async def test_a_deleted_stream_takes_its_snapshot_along(log: StoredLog) -> None:
    await log.append("A", event(), event())
    await log.snapshots.save(state(2))
    await log.streams.delete("A", ANY, tombstone=False)
    for work in (log.snapshots.load("A"), log.snapshots.save(state(1)), log.snapshots.delete("A")):
        with pytest.raises(StreamDeletedError):
            await work
    assert await log.fetch("select from {schema}.snapshots") == []
    await log.append("A", event())
    with pytest.raises(SnapshotNotFoundError):
        await log.snapshots.load("A")
    assert await log.snapshots.save(state(3)) == (True, 3)


async def test_a_snapshot_is_deleted_once(log: StoredLog) -> None:
    with pytest.raises(StreamNotFoundError):
        await log.snapshots.delete("A")
    await log.append("A", event(), event())
    with pytest.raises(SnapshotNotFoundError):
        await log.snapshots.delete("A")
    await log.snapshots.save(state(2))
    assert await log.snapshots.delete("A") == 2
    with pytest.raises(SnapshotNotFoundError):
        await log.snapshots.delete("A")
    assert await log.snapshots.save(state(1)) == (True, 1)  # what was deleted no longer counts as newer


async def test_without_a_stream_there_is_no_snapshot(log: StoredLog) -> None:
    with pytest.raises(StreamNotFoundError):
        await log.snapshots.save(state(1))
    with pytest.raises(StreamNotFoundError):
        await log.snapshots.load("A")


async def test_a_snapshot_saved_while_its_stream_is_deleted_does_not_stay(log: StoredLog) -> None:
    for i in range(30):
        name = f"A{i}"
        await log.append(name, event())

        async def save(name: str = name) -> None:
            with contextlib.suppress(StreamDeletedError):
                await log.snapshots.save(state(1, stream=name))

        await asyncio.gather(save(), log.streams.delete(name, ANY, tombstone=i % 2 == 0), save())
    assert await log.fetch("select from {schema}.snapshots") == []
