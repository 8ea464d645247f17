"""How the command line shows projections."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from mink_client import MinkError, ProjectionInUse, ProjectionNotFound, ProjectionState, RebuildMode
from mink_client.cli import projection_text as text
from mink_client.cli.commands.projection_watch import write_changes
from mink_client.cli.errors import Failure, explain
from mink_client.cli.output import to_json
from mink_client.cli.projection_json import parked_json, projection_json
from mink_client.cli.projection_live import table
from mink_client.cli.projection_view import show_status
from mink_client.cli.rebuilding import follow
from mink_client.projection_status import (
    Build,
    Filter,
    Observed,
    ParkedEvent,
    Partition,
    PartitionError,
    Projection,
    RebuildProgress,
    Worker,
)
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AT = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
EVIL = "\x1b[31m\u202e"


def a_partition(number: int = 0, state: ProjectionState = ProjectionState.RUNNING, **changes: object) -> Partition:
    made = Partition(number, state, 10, 0, 0.0, 5, 0, "id-1", "shop@host", AT, None, None, AT)
    return replace(made, **changes)


def a_projection(**changes: object) -> Projection:
    made = Projection(
        name="OrderSummary",
        state=ProjectionState.RUNNING,
        checkpoint=10,
        head=10,
        lag_events=0,
        lag=timedelta(),
        events_per_second=0.0,
        last_error=None,
        parked_events=0,
        created_at=AT,
        updated_at=AT,
        live=Build(1, 1, None, (a_partition(),), None),
        next=None,
        workers=(Worker("id-1", "shop@host", 1, AT, AT, 1),),
        waiting_for="",
    )
    return replace(made, **changes)


def an_error(message: str = "KeyError: 'qty'", partition: int = 0) -> PartitionError:
    return PartitionError(7, "OrderPlaced", "Order-1", message, 5, AT, partition)


def progress(position: int = 5, **changes: object) -> RebuildProgress:
    return replace(RebuildProgress(RebuildMode.IN_PLACE, "replaying", 0, position, 10, AT, timedelta(seconds=125)), **changes)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"), (0.04, "0 s"), (0.25, "0.2 s"), (9.94, "9.9 s"), (12.4, "12 s"), (59.7, "1 min"), (65, "1 min 5 s"),
        (3600, "1 h"), (3605, "1 h"), (3725, "1 h 2 min"), (90061, "1 d 1 h"), (-3, "0 s"),
    ],
)  # fmt: skip
def test_spans(seconds: float, said: str) -> None:
    assert text.span(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("done", "total", "said"),
    [(0, 10, "0%"), (1, 3, "33%"), (9999, 10000, "99%"), (10, 10, "100%"), (12, 10, "100%"), (0, 0, "100%")],
)
def test_a_share_is_100_percent_only_when_all_is_done(done: int, total: int, said: str) -> None:
    assert text.percent(done, total) == said
    assert text.bar(done, total).endswith(said)
    assert len(text.bar(done, total).partition(" ")[0]) == text.BAR_WIDTH


def test_a_status_of_one_that_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    show_status(a_projection(events_per_second=12.34))
    facts, partitions, workers = capsys.readouterr().out.split("\n\n")
    assert facts.splitlines() == [
        "projection   OrderSummary",
        "status       running",
        "position     10 / 10",
        f"             {'█' * 30} 100%",
        "lag          0 events, 0 s",
        "rate         12.3 events/s",
        "last update  2026-11-22T07:30:00.000Z",
        "build        1, revision 1, 1 partition",
        "events       all events",
        "parked       0 events",
    ]
    assert partitions.splitlines() == [
        "Partitions",
        "PARTITION  STATUS   POSITION  LAG  EVENTS  ERRORS  SINCE                     WORKER",
        "        0  running        10    0       5       0  2026-11-22T07:30:00.000Z  shop@host",
    ]
    assert workers.splitlines() == [
        "Workers",
        "PARTITIONS  REVISION  CONNECTED AT              LAST SEEN                 ID    WORKER",
        "         1         1  2026-11-22T07:30:00.000Z  2026-11-22T07:30:00.000Z  id-1  shop@host",
    ]


def test_a_status_says_what_is_wrong_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    stopped = a_partition(1, ProjectionState.FAULTED, worker="", worker_id="", held_since=None, last_error=an_error("other", 1))
    again = a_partition(0, ProjectionState.FAULTED, restarts_at=AT, last_error=an_error())
    chosen = Filter((), ("Ord",), ("Order", "Box"), ("OrderPlaced",))
    show_status(
        a_projection(
            state=ProjectionState.FAULTED,
            checkpoint=6,
            lag_events=4,
            lag=timedelta(seconds=65),
            last_error=an_error(),
            parked_events=1,
            live=Build(1, 1, chosen, (again, stopped), None),
            workers=(Worker("id-2", "idle@host", 2, AT, AT, 0),),
            waiting_for="a worker of revision 1",
        )
    )
    lines = capsys.readouterr().out.splitlines()
    assert f"               {'█' * 18}{'░' * 12} 60%" in lines
    assert "lag            4 events, 1 min 5 s" in lines
    assert any(line.endswith("stream prefixes Ord; categories Order, Box; types OrderPlaced") for line in lines)
    assert any(line.endswith("1 event: mink projection parked list OrderSummary") for line in lines)
    assert any(line.startswith("waiting for") and line.endswith("a worker of revision 1") for line in lines)
    place = "2026-11-22T07:30:00.000Z at position 7, OrderPlaced of Order-1, partition {}, tried 5 times"
    last = next(i for i, line in enumerate(lines) if line.startswith("last error"))
    assert lines[last].endswith(place.format(0))
    assert lines[last + 1].strip() == "KeyError: 'qty'"
    assert lines[last + 2].startswith("another error")
    assert lines[last + 2].endswith(place.format(1))
    assert any("AGAIN AT" in line for line in lines)
    assert any(line.startswith("        1  faulted") and line.endswith("  none") for line in lines)
    assert any(line.startswith(" stands by         2") and line.endswith("idle@host") for line in lines)


def test_a_status_of_one_that_is_rebuilt(capsys: pytest.CaptureFixture[str]) -> None:
    rebuilt = Build(2, 2, None, (a_partition(),), progress(mode=RebuildMode.SIDE_BY_SIDE))
    show_status(a_projection(state=ProjectionState.REBUILDING, next=rebuilt))
    output = capsys.readouterr().out
    assert "\nrebuild        side by side, replaying: 5 of 10 positions, 2 min 5 s left\n" in output
    assert f"\n               {'█' * 15}{'░' * 15} 50%\n" in output
    assert "\nnext build     2, revision 2, 1 partition\n" in output
    assert "\nPartitions of the next build\n" in output
    show_status(a_projection(live=Build(1, 1, None, (), progress(0, step="clearing", to_position=0, time_left=None))))
    output = capsys.readouterr().out
    assert f"\nrebuild        in place, clearing\n               {'░' * 30} 0%\n" in output
    assert output.count("%") == 1  # that of the model that is cleared would say that all is done
    assert "rebuild waits" not in output
    paused = Build(1, 1, None, (), progress(0, step="clearing", to_position=0, time_left=None))
    show_status(a_projection(name="my orders", state=ProjectionState.PAUSED, live=paused))
    assert "\nrebuild waits  it is paused: mink projection resume 'my orders'\n" in capsys.readouterr().out


def test_a_status_without_workers_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    show_status(a_projection(state=ProjectionState.STOPPED, workers=()))
    assert capsys.readouterr().out.endswith("\n\nNo worker is connected; start one: mink worker run package.module:Name\n")


def test_nothing_of_a_handler_or_a_worker_is_obeyed_by_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    worker = Worker(EVIL, EVIL, 1, AT, AT, 1)
    error = PartitionError(7, EVIL, EVIL, EVIL, 1, AT, 0)
    build = Build(
        1, 1, Filter((EVIL,), (), (), ()), (a_partition(worker=EVIL, state=ProjectionState.FAULTED),), progress(step=EVIL)
    )
    found = a_projection(
        name=EVIL, live=build, state=ProjectionState.FAULTED, last_error=error, workers=(worker,), waiting_for=EVIL, parked_events=1
    )
    show_status(found)
    console = Console(width=300, color_system=None, force_terminal=False)
    console.print(table(Observed((found, replace(found, state=ProjectionState.RUNNING)), AT)))
    output = capsys.readouterr().out
    assert "\\x1b" in output
    assert all(character.isprintable() for character in output.replace("\n", ""))


def test_a_live_table(capsys: pytest.CaptureFixture[str]) -> None:
    faulted = a_projection(name="Faulted", state=ProjectionState.FAULTED, last_error=an_error())
    rebuilt = a_projection(name="[red]Rebuilt", live=Build(1, 1, None, (), progress()))
    parked = a_projection(parked_events=2)
    console = Console(width=200, color_system=None, force_terminal=False)
    console.print(table(Observed((faulted, rebuilt, parked), AT)))
    output = capsys.readouterr().out
    assert "KeyError: 'qty'" in output
    assert "50% in place, replaying: 5 of 10 positions, 2 min 5 s left" in output
    assert "[red]Rebuilt" in output
    assert "2 parked" in output
    assert "at 2026-11-22T07:30:00.000Z" in output


def test_json_has_everything_and_times_in_one_form() -> None:
    rebuilt = Build(2, 2, Filter(("a",), (), (), ("T",)), (a_partition(last_error=an_error(), restarts_at=AT),), progress())
    document = json.loads(to_json(projection_json(a_projection(lag=timedelta(seconds=1.5), next=rebuilt, last_error=an_error()))))
    assert document["state"] == "running"
    assert document["lag_seconds"] == 1.5
    assert document["updated_at"] == "2026-11-22T07:30:00.000000Z"
    assert document["live"]["filter"] is None
    assert document["next"]["filter"] == {"streams": ["a"], "stream_prefixes": [], "categories": [], "types": ["T"]}
    assert document["next"]["rebuild"]["seconds_left"] == 125
    assert document["next"]["partitions"][0]["last_error"]["position"] == 7
    assert document["workers"][0]["worker"] == "shop@host"
    event = json.loads(to_json(parked_json(ParkedEvent(7, "Order-1", 2, "T", "id", 0, "no", 5, AT, False))))
    assert event["position"] == 7
    assert event["replaying"] is False


def test_why_nothing_happens() -> None:
    assert text.hindered(a_projection()) == ""
    assert text.hindered(a_projection(workers=())) == "no worker is connected; start one: mink worker run package.module:Name"
    assert text.hindered(a_projection(waiting_for="a worker of revision 2")) == "waiting for: a worker of revision 2"
    assert "mink projection resume OrderSummary" in text.hindered(a_projection(state=ProjectionState.PAUSED))


def test_errors_say_what_to_do() -> None:
    def said(error: MinkError) -> str:
        return explain(error, "localhost:1").message

    absent = ProjectionNotFound("PROJECTION_NOT_FOUND", "words", "OrderSumary")
    assert said(absent) == "there is no projection OrderSumary: `mink projection list` has those there are"
    spaced = ProjectionInUse("PROJECTION_IN_USE", "my orders")
    assert "`mink projection status 'my orders'`" in said(spaced)
    used = ProjectionInUse("projection 'A': workers are connected", "A")
    assert said(used) == "projection 'A': workers are connected; `mink projection status A` has its workers"


async def test_a_watch_writes_what_has_changed_and_not_what_time_changes(capsys: pytest.CaptureFixture[str]) -> None:
    later = AT + timedelta(seconds=3)
    first = a_projection(lag_events=1, next=Build(2, 2, None, (a_partition(),), progress()))
    older = replace(
        first,
        lag=timedelta(seconds=9),
        events_per_second=3.0,
        live=Build(1, 1, None, (a_partition(events_per_second=3.0),), None),
        next=Build(2, 2, None, (a_partition(),), progress(time_left=timedelta(seconds=1))),
        workers=(replace(first.workers[0], seen_at=later),),
    )
    moved = replace(older, live=Build(1, 1, None, (a_partition(checkpoint=11),), None))
    paused = replace(moved, state=ProjectionState.PAUSED)
    another = a_projection(name="Another")

    async def watch() -> AsyncIterator[Observed]:
        for found in ((first,), (older,), (moved,), (another, moved), (another, paused), (another,)):
            yield Observed(found, later)

    await write_changes(watch(), as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(line["server_time"] == "2026-11-22T07:30:03.000000Z" for line in lines)
    assert [(line["name"], line.get("state", "deleted")) for line in lines] == [
        ("OrderSummary", "running"),
        ("OrderSummary", "running"),
        ("Another", "running"),
        ("OrderSummary", "paused"),
        ("OrderSummary", "deleted"),
    ]
    await write_changes(watch(), as_json=False)
    titles, *lines = capsys.readouterr().out.splitlines()
    assert titles.split() == ["TIME", "NAME", "STATUS", "POSITION", "LAG", "EVENTS/S", "WORKERS"]
    assert [line.split()[1:3] for line in lines][-2:] == [["OrderSummary", "paused"], ["OrderSummary", "deleted"]]
    assert len(lines) == 5


class TestFollowingARebuild:
    async def followed(
        self,
        mode: RebuildMode,
        begun: Projection,
        *seen: Projection,
        asked: list[Projection] | None = None,
        patience: float = 60,
    ) -> Projection:
        """What comes of a watch that tells this; an answer to who asks is what was told last, or the next of `asked`."""
        told = begun

        async def watch() -> AsyncIterator[Observed]:
            nonlocal told
            for told in seen:
                yield Observed((told,), AT)
            await asyncio.sleep(60)

        async def ask() -> Projection:
            return asked.pop(0) if asked else told

        async with asyncio.timeout(10):
            return await follow(begun, mode, watch(), ask, patience)

    async def test_in_place_ends_when_the_live_build_is_rebuilt_no_more(self) -> None:
        under_way = a_projection(live=Build(1, 1, None, (a_partition(),), progress()))
        done = a_projection(checkpoint=99)
        assert await self.followed(RebuildMode.IN_PLACE, under_way, under_way, under_way, done) == done

    async def test_side_by_side_ends_when_the_next_build_is_live(self) -> None:
        under_way = a_projection(next=Build(2, 2, None, (a_partition(),), progress()))
        done = a_projection(live=Build(2, 2, None, (), None))
        assert await self.followed(RebuildMode.SIDE_BY_SIDE, under_way, under_way, done) == done

    async def test_a_build_that_was_given_up_is_a_failure(self) -> None:
        under_way = a_projection(next=Build(2, 2, None, (a_partition(),), progress()))
        with pytest.raises(Failure, match="build 2 of OrderSummary was given up; build 1 is live"):
            await self.followed(RebuildMode.SIDE_BY_SIDE, under_way, under_way, a_projection())

    async def test_a_partition_that_has_stopped_for_good_is_a_failure_and_one_that_goes_on_is_not(self) -> None:
        def with_fault(**changes: object) -> Projection:
            faulted = a_partition(0, ProjectionState.FAULTED, last_error=an_error(), **changes)
            return a_projection(state=ProjectionState.FAULTED, live=Build(1, 1, None, (faulted,), progress()))

        done = a_projection()
        assert await self.followed(RebuildMode.IN_PLACE, done, with_fault(restarts_at=AT), done) == done
        with pytest.raises(Failure, match=r"position 7, OrderPlaced of Order-1.*KeyError.*mink projection restart OrderSummary"):
            await self.followed(RebuildMode.IN_PLACE, done, with_fault())

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"state": ProjectionState.PAUSED}, "it is paused: mink projection resume OrderSummary"),
            ({"workers": ()}, "no worker is connected"),
            ({"waiting_for": "a worker of revision 1"}, "waiting for: a worker of revision 1"),
        ],
    )
    async def test_what_only_an_operator_can_change_is_not_waited_for_for_ever(self, changes: dict[str, object], why: str) -> None:
        live = Build(1, 1, None, (a_partition(worker_id="", worker=""),), progress())
        going_on = a_projection(live=live)
        with pytest.raises(Failure, match=f"the rebuild waits; {why}") as caught:
            await self.followed(RebuildMode.IN_PLACE, going_on, going_on, replace(going_on, **changes), patience=0.05)
        assert caught.value.code == 1

    async def test_what_goes_on_is_waited_for_also_when_the_other_build_has_no_worker(self) -> None:
        under_way = a_projection(next=Build(2, 2, None, (a_partition(),), progress()), waiting_for="a worker of revision 1")
        paused = replace(under_way, state=ProjectionState.PAUSED)
        following = asyncio.ensure_future(self.followed(RebuildMode.SIDE_BY_SIDE, under_way, paused, under_way, patience=0.05))
        done, _ = await asyncio.wait({following}, timeout=0.5)
        following.cancel()
        assert not done

    async def test_a_fault_of_the_live_build_does_not_end_the_next_one(self) -> None:
        live = Build(1, 1, None, (a_partition(0, ProjectionState.FAULTED, last_error=an_error()),), None)
        under_way = a_projection(state=ProjectionState.FAULTED, live=live, next=Build(2, 2, None, (a_partition(),), progress()))
        done = a_projection(live=Build(2, 2, None, (), None))
        assert await self.followed(RebuildMode.SIDE_BY_SIDE, under_way, under_way, done) == done

    async def test_what_is_from_a_moment_before_it_began_does_not_end_it(self) -> None:
        stopped = a_partition(0, ProjectionState.FAULTED, last_error=an_error())
        before = a_projection(live=Build(1, 1, None, (stopped,), None), next=Build(2, 2, None, (stopped,), progress()))
        in_place = a_projection(live=Build(1, 1, None, (a_partition(),), progress()))
        beside = a_projection(next=Build(3, 2, None, (a_partition(),), progress()))
        done = a_projection(live=Build(3, 2, None, (), None))
        asked = [in_place, done]
        assert await self.followed(RebuildMode.IN_PLACE, in_place, before, in_place, a_projection(), asked=asked) == done
        asked = [beside, beside, done]
        seen = (before, a_projection(), beside, a_projection())
        assert await self.followed(RebuildMode.SIDE_BY_SIDE, beside, *seen, asked=asked) == done
        assert asked == []
