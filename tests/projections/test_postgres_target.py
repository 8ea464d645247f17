"""A read model in Postgres: fenced, exactly once, cleared and replayed; by real transactions of real rivals."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from mink_client.projections import DefinitionError, Postgres, RetryPolicy, handles_batch
from mink_client.projections.applying import Fault, LeaseLost
from mink_client.projections.target import Checkpoint

from tests.projections.models import LOG, ReadModel, Sums, applier, event, events, lease, until
from tests.projections.proxy import Proxy


async def test_a_read_model_begins_at_the_projections_start_and_goes_on_at_its_checkpoint(model: ReadModel) -> None:
    target = await model.target()
    first = applier(Sums(target))
    assert await first.claim() == Checkpoint(0, LOG)
    assert (await first.apply(events(1, 2), 4)).events == 2
    assert await applier(Sums(target), lease(2), log_id="another log").claim() == Checkpoint(4, LOG)
    assert await model.positions() == [1, 2]


@pytest.mark.parametrize(("start", "found"), [(7, Checkpoint(7, LOG)), ("end", None)])
async def test_a_read_model_that_has_not_begun_says_where_if_it_knows(model: ReadModel, start: Any, found: Any) -> None:
    assert await applier(Sums(await model.target(), start=start)).claim() == found


async def test_an_apply_without_events_moves_only_the_checkpoint(model: ReadModel) -> None:
    projection = Sums(await model.target())
    one = applier(projection)
    await one.claim()
    await one.apply([], 12)
    assert (await model.checkpoint(), projection.calls) == (12, [])


async def test_who_has_an_old_token_commits_nothing(model: ReadModel) -> None:
    old, new = applier(Sums(await model.target()), lease(1)), applier(Sums(await model.target()), lease(2))
    await old.claim()
    await new.claim()
    for attempt in (old.apply(events(1), 1), old.apply([], 1), old.replay(event(1, n=1)), old.claim(), old.clear(), old.switch()):
        with pytest.raises(LeaseLost):
            await attempt
    assert await model.positions() == []
    await new.apply(events(1), 1)
    assert await model.positions() == [1]


async def test_a_claim_waits_for_the_transaction_of_the_holder_before(model: ReadModel) -> None:
    projection = Sums(await model.target())
    entered, go = asyncio.Event(), asyncio.Event()

    async def wait(_tx: Any) -> None:
        entered.set()
        await go.wait()

    projection.acts[2] = wait
    old, new = applier(projection, lease(1)), applier(Sums(await model.target()), lease(2))
    await old.claim()
    applying = asyncio.create_task(old.apply(events(1, 2), 2))
    await entered.wait()
    claiming = asyncio.create_task(new.claim())
    await until(lambda: model.fetch("select 1 from pg_locks where not granted and locktype in ('transactionid', 'tuple')"))
    go.set()
    await applying
    assert await claiming == Checkpoint(2, LOG)
    assert await model.positions() == [1, 2]


async def test_a_holder_that_hangs_in_its_transaction_keeps_nobody_waiting(model: ReadModel) -> None:
    projection = Sums(await model.target(), retry=RetryPolicy(attempts=3, first=0.01, timeout=None))
    entered, never = asyncio.Event(), asyncio.Event()

    async def hang(_tx: Any) -> None:
        entered.set()
        await never.wait()

    projection.acts[2] = hang
    old, new = applier(projection, lease(1)), applier(Sums(await model.target()), lease(2))
    await old.claim()
    applying = asyncio.create_task(old.apply(events(1, 2), 2))
    await entered.wait()
    assert await new.claim() == Checkpoint(0, LOG)
    never.set()
    with pytest.raises(LeaseLost):
        await applying
    await new.apply(events(1, 2), 2)
    assert await model.positions() == [1, 2]


async def test_a_late_claim_with_an_old_token_does_not_disturb_the_holder(model: ReadModel) -> None:
    projection = Sums(await model.target())
    entered, go = asyncio.Event(), asyncio.Event()

    async def wait(_tx: Any) -> None:
        entered.set()
        await go.wait()

    projection.acts[1] = wait
    holder = applier(projection, lease(2))
    await holder.claim()
    applying = asyncio.create_task(holder.apply(events(1), 1))
    await entered.wait()
    with pytest.raises(LeaseLost):
        await applier(Sums(await model.target()), lease(1)).claim()
    go.set()
    assert (await applying).errors == 0
    assert projection.calls == [1]


async def test_rivals_make_the_tables_at_the_same_time(model: ReadModel) -> None:
    rivals = [applier(Sums(await model.target()), lease(n + 1, partition=n, partitions=6)) for n in range(6)]
    assert await asyncio.gather(*(rival.claim() for rival in rivals)) == [Checkpoint(0, LOG)] * 6


async def test_a_clear_empties_the_read_model_and_fences_every_partition(model: ReadModel) -> None:
    target = await model.target()
    zombie = applier(Sums(target), lease(1, partition=1, partitions=2))
    await zombie.claim()
    await zombie.apply(events(1, 2), 2)
    await applier(Sums(target), lease(2, partitions=2)).clear()
    assert await model.positions() == []
    with pytest.raises(LeaseLost):
        await zombie.apply(events(3), 3)
    # Nor one whose partition was never claimed before, or is no more.
    for partition in (0, 1):
        with pytest.raises(LeaseLost):
            await applier(Sums(target), lease(1, partition=partition, partitions=2)).claim()
    after = applier(Sums(target), lease(3, partition=1, partitions=2))
    assert await after.claim() == Checkpoint(0, LOG)
    await after.apply(events(1, 2), 2)
    assert await model.positions() == [1, 2]


async def test_a_clear_waits_for_a_transaction_and_undoes_it(model: ReadModel) -> None:
    projection = Sums(await model.target())
    entered, go = asyncio.Event(), asyncio.Event()

    async def wait(_tx: Any) -> None:
        entered.set()
        await go.wait()

    projection.acts[1] = wait
    old = applier(projection, lease(1))
    await old.claim()
    applying = asyncio.create_task(old.apply(events(1), 1))
    await entered.wait()
    clearing = asyncio.create_task(applier(Sums(await model.target()), lease(2)).clear())
    await until(lambda: model.fetch("select 1 from pg_locks where not granted"))
    go.set()
    await asyncio.gather(applying, clearing)
    assert (await model.positions(), await model.checkpoint()) == ([], None)


async def test_a_clear_drops_all_that_is_in_the_schema_and_keeps_what_is_granted(model: ReadModel) -> None:
    class More(Sums):
        async def setup(self, tx: Any) -> None:
            await super().setup(tx)
            await tx.execute("""
                do $$ begin create type colour as enum ('red'); exception when duplicate_object then null; end $$;
                create or replace function twice(n int) returns int language sql as 'select 2 * n';
                create sequence if not exists numbers;
                create or replace view big as select * from sums where n > 5;
                create materialized view if not exists small as select * from sums""")

    role = f"reader_{model.schema}"
    one = applier(More(await model.target(), name="Sums"))
    await one.claim()
    await one.apply(events(9), 9)
    await model.fetch(f"create role {role}")
    try:
        await model.fetch(f"grant usage on schema {{schema}} to {role}")
        await model.fetch(f"grant select on {{schema}}.sums, {{schema}}.big to {role}")
        await model.fetch("create table {schema}.stray (n int)")
        await one.clear()
        await model.fetch(f"set role {role}")
        for name in ("sums", "big"):
            assert await model.fetch(f"select has_table_privilege('{role}', '{{schema}}.{name}', 'select')") == [True]
        assert await model.fetch("select to_regclass('{schema}.stray')") == [None]
        assert await model.fetch("select to_regclass('{schema}.small') is not null") == [True]
        assert await model.positions() == []
    finally:
        await model.fetch(f"drop owned by {role}")
        await model.fetch(f"drop role {role}")


async def test_a_schema_that_two_projections_share_is_not_dropped(model: ReadModel) -> None:
    target = await model.target()
    await applier(Sums(target, name="Other"), lease(name="Other")).claim()
    one = applier(Sums(target))
    await one.claim()
    await one.apply(events(1), 1)
    with pytest.raises(Fault, match="also that of projection Other"):
        await one.clear()
    assert await model.positions() == [1]


async def test_a_clear_hook_is_used_and_the_checkpoint_with_it_or_neither(model: ReadModel) -> None:
    class Own(Sums):
        async def clear(self, tx: Any) -> None:
            await tx.execute("delete from sums where position = 1")
            if self.broken:
                raise ValueError("not today")

    projection = Own(await model.target(), name="Sums", broken=True)
    one = applier(projection)
    await one.claim()
    await one.apply(events(1, 2), 2)
    with pytest.raises(Fault, match="not today"):
        await one.clear()
    assert (await model.positions(), await model.checkpoint()) == ([1, 2], 2)
    projection.broken = False
    await one.clear()
    assert (await model.positions(), await model.checkpoint()) == ([2], None)


async def test_a_parked_event_is_replayed_exactly_once_until_a_clear(model: ReadModel) -> None:
    projection = Sums(await model.target())
    one = applier(projection)
    await one.claim()
    await one.apply([], 5)

    async def fail(_tx: Any) -> None:
        raise ValueError("no")

    projection.acts[3] = fail
    poison = await one.replay(event(3, n=3))
    assert poison is not None
    assert (poison.position, poison.message, poison.attempts) == (3, "ValueError: no", 1)
    projection.acts.clear()
    assert [await one.replay(event(3, n=3)) for _ in range(3)] == [None] * 3
    assert (projection.calls, await model.positions(), await model.checkpoint()) == ([3, 3], [3], 5)
    await one.clear()
    await one.apply([], 5)
    assert await one.replay(event(3, n=3)) is None
    assert await model.positions() == [3]


async def test_a_commit_whose_answer_is_lost_is_not_done_twice(model: ReadModel) -> None:
    proxy = await Proxy.to(model.dsn)
    try:
        target = Postgres(proxy.dsn, schema=model.schema)
        await target.open()
        projection = Sums(target)
        one = applier(projection)
        await one.claim()
        proxy.swallow_after(b"COMMIT;")
        applied = await one.apply(events(1, 2), 2)
        assert (proxy.swallowed, applied.errors, projection.calls) == (1, 1, [1, 2])
        proxy.swallow_after(b"COMMIT;")
        assert await one.replay(event(9, n=9)) is None
        assert (proxy.swallowed, projection.calls) == (2, [1, 2, 9])
        await target.close()
    finally:
        await proxy.close()
    assert (await model.positions(), await model.checkpoint()) == ([1, 2, 9], 2)


async def test_a_cancelled_apply_has_committed_everything_or_nothing(model: ReadModel) -> None:
    one = applier(Sums(await model.target()))
    position = (await one.claim()).position
    seen = set()
    chance = random.Random(4)
    for _ in range(150):
        task = asyncio.create_task(one.apply(events(position + 1, position + 2, position + 3), position + 3))
        await asyncio.sleep(chance.uniform(0, 0.006))
        task.cancel()
        try:
            await task
            seen.add("done")
        except asyncio.CancelledError:
            seen.add("cancelled")
        found = await model.checkpoint() or 0
        assert found in (position, position + 3)
        assert await model.positions() == list(range(1, found + 1))
        position = found
    assert "cancelled" in seen


async def test_a_handler_that_catches_the_databases_error_loses_nothing_unseen(model: ReadModel, parking: Any) -> None:
    projection = Sums(await model.target(), on_poison="park")

    async def careless(tx: Any) -> None:
        with contextlib.suppress(asyncpg.DivisionByZeroError):
            await tx.execute("select 1 / 0")

    projection.acts[2] = careless
    one = applier(projection, park=parking)
    await one.claim()
    await one.apply(events(1, 2, 3), 3)
    assert (parking.positions, await model.positions(), await model.checkpoint()) == ([2], [1, 3], 3)


class Careless(Sums):
    """Catches an error of the database, and is content."""

    added = None

    @handles_batch
    async def all(self, events: Any, tx: Any) -> None:
        for each in events:
            await tx.execute("insert into sums values ($1, 0)", each.position)
            if each.position == 2:
                with contextlib.suppress(asyncpg.DivisionByZeroError):
                    await tx.execute("select 1 / 0")
                return


async def test_an_error_that_was_caught_last_is_found_out_as_well(model: ReadModel, parking: Any) -> None:
    one = applier(Careless(await model.target(), name="Sums", on_poison="park"), park=parking)
    await one.claim()
    await one.apply(events(1, 2, 3), 3)
    assert (parking.positions, await model.positions(), await model.checkpoint()) == ([2], [1, 3], 3)
    assert "gone on" in parking.parked[0].message
    poison = await one.replay(event(2))
    assert poison is not None
    assert "gone on" in poison.message


async def test_a_role_that_has_nothing_but_its_schema_is_enough(model: ReadModel) -> None:
    role = f"worker_{model.schema}"
    await model.fetch(f"create role {role} login")
    await model.fetch(f"create schema {{schema}} authorization {role}")
    try:
        parts = urlsplit(model.dsn)
        host = parts.netloc.rpartition("@")[2]
        target = Postgres(parts._replace(netloc=f"{role}@{host}").geturl(), schema=model.schema)
        await target.open()
        one = applier(Sums(target))
        await one.claim()
        await one.apply(events(1), 1)
        await one.clear()
        await one.apply(events(1, 2), 2)
        await target.close()
        assert await model.positions() == [1, 2]
    finally:
        await model.fetch(f"drop owned by {role}")
        await model.fetch(f"drop role {role}")


async def test_a_handler_that_ends_the_transaction_is_told(model: ReadModel) -> None:
    class Ending(Sums):
        added = None

        @handles_batch
        async def all(self, events: Any, tx: Any) -> None:
            await tx.execute("commit")

    one = applier(Ending(await model.target(), name="Sums"))
    await one.claim()
    with pytest.raises(Fault, match="ended the transaction"):
        await one.apply(events(1), 1)
    assert await model.checkpoint() in (None, 0)


async def test_connections_that_broke_are_made_anew(model: ReadModel) -> None:
    pids: list[int] = []

    class Telling(Sums):
        async def setup(self, tx: Any) -> None:
            await super().setup(tx)
            pids.append(tx.get_server_pid())

    one = applier(Telling(await model.target(), name="Sums"))
    await one.claim()
    assert await model.fetch("select pg_terminate_backend($1)", pids[0]) == [True]
    await one.apply(events(1), 1)
    assert await model.positions() == [1]


async def test_a_connection_that_breaks_in_a_handler_is_a_failure_that_passes(model: ReadModel) -> None:
    projection = Sums(await model.target())

    async def die(tx: Any) -> None:
        if projection.calls.count(2) == 1:
            pid = tx.get_server_pid()
            await model.fetch("select pg_terminate_backend($1)", pid)

    projection.acts[2] = die
    one = applier(projection)
    await one.claim()
    applied = await one.apply(events(1, 2), 2)
    assert (applied.errors, projection.calls, await model.positions()) == (1, [1, 2, 1, 2], [1, 2])


async def test_behind_a_pooler_no_statement_is_kept(model: ReadModel) -> None:
    one = applier(Sums(await model.target(statement_cache_size=0)))
    await one.claim()
    await one.apply(events(1), 1)
    assert await model.positions() == [1]


async def test_without_a_schema_the_sessions_own_is_used(model: ReadModel) -> None:
    await model.fetch("create schema {schema}")
    separator = "&" if "?" in model.dsn else "?"
    target = Postgres(f"{model.dsn}{separator}search_path={model.schema}")
    await target.open()
    try:
        one = applier(Sums(target))
        await one.claim()
        await one.apply(events(1), 1)
        with pytest.raises(Fault, match="clear"):
            await one.clear()
    finally:
        await target.close()
    assert (await model.positions(), await model.checkpoint()) == ([1], 1)


async def test_a_database_that_is_away_is_a_fault_that_passes() -> None:
    target = Postgres("postgresql://me:geheim@127.0.0.1:1/there")
    await target.open()
    one = applier(Sums(target))
    with pytest.raises(Fault) as caught:
        await one.claim()
    await target.close()
    assert caught.value.restart_after is not None
    assert caught.value.poison.position == 0
    assert caught.value.poison.attempts == 3
    assert "geheim" not in f"{caught.value!r} {caught.value.poison} {target!r}"


@pytest.mark.parametrize("dsn", ["postgresql://me:geheim@host:notaport/x", "geheim://", "postgresql://me:geheim@[::1/x"])
async def test_an_address_that_is_none_is_said_without_its_password(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READ_MODEL", dsn)
    target = Postgres(env="READ_MODEL")

    async def use() -> None:
        await target.open()
        await applier(Sums(target)).claim()

    with pytest.raises((DefinitionError, Fault), match="READ_MODEL cannot be used") as caught:
        await use()
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None or "geheim" not in str(caught.value.__cause__)
    await target.close()


async def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("READ_MODEL", raising=False)
    with pytest.raises(DefinitionError, match="READ_MODEL is not set"):
        await Postgres(env="READ_MODEL").open()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "either dsn or env"),
        ({"dsn": "a", "env": "B"}, "either dsn or env"),
        ({"env": ""}, "env"),
        ({"env": "A", "schema": "a-b"}, "schema"),
        ({"env": "A", "schema": "pg_mine"}, "schema"),
        ({"env": "A", "side_by_side": True}, "needs schema"),
        ({"env": "A", "max_connections": 1}, "max_connections"),
        ({"env": "A", "statement_cache_size": -1}, "statement_cache_size"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        Postgres(**arguments)


async def test_a_projection_made_again_begins_with_an_empty_read_model(model: ReadModel) -> None:
    target = await model.target()
    zombie = applier(Sums(target), lease(1, partitions=2))
    await zombie.claim()
    await zombie.apply(events(1, 2), 2)
    # It was deleted, and has other partitions now. Both are claimed at once.
    again = [applier(Sums(target), lease(2 + n, partition=n, build=2, live_build=2, partitions=3)) for n in range(3)]
    assert await asyncio.gather(*(one.claim() for one in again)) == [Checkpoint(0, LOG)] * 3
    assert await model.positions() == []
    await asyncio.gather(*(one.apply(events(n + 1), n + 1) for n, one in enumerate(again)))
    assert await model.positions() == [1, 2, 3]
    for late in (zombie.apply(events(3), 3), zombie.claim(), applier(Sums(target), lease(1, partition=1, partitions=2)).claim()):
        with pytest.raises(LeaseLost):
            await late
    assert await again[0].claim() == Checkpoint(1, LOG)
    assert await model.positions() == [1, 2, 3]
