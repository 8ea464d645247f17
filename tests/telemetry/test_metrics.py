"""What is counted when real clients do real things, and what the page of metrics says of it."""

from __future__ import annotations

import asyncio
import re
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from mink.v1 import event_store_pb2 as pb
from mink.v1 import operations_pb2, snapshots_pb2
from mink_server.telemetry.counting import Spread, Total, TotalBy
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families

from tests.rpc.conftest import Client, connected, event, failure, new_id, to
from tests.support.raw_worker import RawWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess

STORE = {"grpc_service": "mink.v1.EventStore"}


class Shown:
    """What a server's /metrics says."""

    def __init__(self, process: MinkProcess) -> None:
        with urllib.request.urlopen(f"http://{process.metrics_address}/metrics", timeout=10) as answer:
            self.families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}

    def value(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        samples = [s for family in self.families.values() for s in family.samples if s.name == name]
        return sum(s.value for s in samples if labels.items() <= s.labels.items())

    def labels(self, name: str, label: str) -> set[str]:
        """The values of a label."""
        return {s.labels[label] for family in self.families.values() for s in family.samples if s.name == name}

    def handled(self, method: str) -> dict[str, float]:
        """How many calls of a method ended with each code."""
        name = "grpc_server_handled_total"
        found = {code: self.value(name, grpc_method=method, grpc_code=code) for code in self.labels(name, "grpc_code")}
        return {code: count for code, count in found.items() if count}


async def shown(process: MinkProcess) -> Shown:
    return await asyncio.to_thread(Shown, process)


async def until(process: MinkProcess, condition: Callable[[Shown], Any], seconds: float = 15) -> Shown:
    """What is shown, once something is true of it: a client may hear of an end before the server has counted it."""
    end = time.monotonic() + seconds
    while not condition(found := await shown(process)):
        assert time.monotonic() < end, found.families
        await asyncio.sleep(0.05)
    return found


async def test_calls_that_are_cut_short_are_counted_by_what_cut_them(
    start_server: Callable[..., MinkProcess], blocked: Callable[..., Any]
) -> None:
    process = start_server()
    async with connected(process) as client, blocked(process):
        late = [client.store.AppendToStream(to("A", event()), timeout=0.2 + n / 50) for n in range(10)]
        left = [client.store.AppendToStream(to("A", event()), timeout=60) for _ in range(5)]
        left += [client.store.AppendToStream(to("A", event())) for _ in range(2)]
        codes = [error.code() for error in await asyncio.gather(*late, return_exceptions=True)]
        assert codes == [grpc.StatusCode.DEADLINE_EXCEEDED] * 10
        for call in left:
            call.cancel()
        found = await until(process, lambda now: sum(now.handled("AppendToStream").values()) == 17)
    assert found.handled("AppendToStream") == {"DeadlineExceeded": 10, "Canceled": 7}
    assert found.value("grpc_server_started_total", grpc_method="AppendToStream") == 17
    assert found.value("grpc_server_handling_seconds_count", grpc_method="AppendToStream") == 17
    assert found.value("grpc_server_msg_sent_total", grpc_method="AppendToStream") == 0


async def test_a_subscriber_that_leaves_is_canceled_also_while_something_is_written_to_it(
    start_server: Callable[..., MinkProcess],
) -> None:
    process = start_server()
    async with connected(process) as client:
        for n in range(8):
            await client.append(f"A-{n}", event(binary=b"x" * 900_000))
        quiet = client.store.SubscribeAll(pb.SubscribeAllRequest(from_end=True))
        busy = client.store.ReadAll(pb.ReadAllRequest())  # more than fits into a window, and nobody reads it
        late = client.store.SubscribeAll(pb.SubscribeAllRequest(from_end=True), timeout=0.5)
        assert (await failure(late)).code is grpc.StatusCode.DEADLINE_EXCEEDED
        await quiet.read()
        await busy.read()
        quiet.cancel()
        busy.cancel()
        found = await until(process, lambda now: now.handled("ReadAll") and len(now.handled("SubscribeAll")) == 2)
    assert found.handled("SubscribeAll") == {"DeadlineExceeded": 1, "Canceled": 1}
    assert found.handled("ReadAll") == {"Canceled": 1}


async def test_messages_are_counted_for_every_kind_of_call(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server()
    async with connected(process) as client:
        for n in range(3):
            await client.append(f"A-{n}", event())
        await failure(client.store.GetStream(pb.GetStreamRequest(stream="nothing")))
        call = client.store.AppendSession()
        for n in range(4):
            await call.write(pb.AppendSessionRequest(appends=[pb.SessionAppend(request_id=n, to_stream=to(f"B-{n}", event()))]))
            await call.read()
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        pages = [page async for page in client.store.ReadAll(pb.ReadAllRequest())]
        found = await until(process, lambda now: now.handled("AppendSession") and now.handled("ReadAll"))
    counts = {
        method: tuple(found.value(f"grpc_server_msg_{way}_total", grpc_method=method) for way in ("received", "sent"))
        for method in ("AppendToStream", "GetStream", "AppendSession", "ReadAll")
    }
    assert counts == {"AppendToStream": (3, 3), "GetStream": (1, 0), "AppendSession": (4, 4), "ReadAll": (1, len(pages))}


async def test_errors_are_counted_by_reason_for_calls_and_for_appends_in_sessions(
    start_server: Callable[..., MinkProcess],
) -> None:
    process = start_server()
    async with connected(process) as client:
        await failure(client.store.AppendToStream(to("A", event(), exact_version=3)))
        await failure(client.store.AppendToStream(to("", event())))
        await failure(client.store.ReadStream(pb.ReadStreamRequest(stream="nothing")))
        await client.session(
            *(pb.SessionAppend(request_id=n, to_stream=to("A", event(), exact_version=n)) for n in (7, 8, 9)),
            pb.SessionAppend(request_id=1),
        )
        found = await shown(process)
    assert {reason: found.value("mink_errors_total", reason=reason) for reason in found.labels("mink_errors_total", "reason")} == {
        "WRONG_EXPECTED_VERSION": 4,
        "INVALID_REQUEST": 2,
        "STREAM_NOT_FOUND": 1,
    }
    assert found.value("mink_appends_total", outcome="WRONG_EXPECTED_VERSION") == 4


async def test_every_append_has_one_outcome(start_server: Callable[..., MinkProcess], blocked: Callable[..., Any]) -> None:
    process = start_server()
    async with connected(process) as client:
        first = event(event_id=new_id())
        await client.append("A", first, exact_version=0)
        await client.append("A", first, exact_version=0)
        await failure(client.store.AppendToStream(to("A", event(), exact_version=0)))
        async with blocked(process):
            under_way = client.store.AppendToStream(to("B", event()), timeout=60)
            await asyncio.sleep(0.3)  # it is the batch that waits for the lock; what comes now waits behind it
            left = client.store.AppendToStream(to("B", event()), timeout=60)
            session = client.store.AppendSession()
            hurried = pb.SessionAppend(request_id=1, to_stream=to("B", event()))
            hurried.timeout.FromMilliseconds(100)
            await session.write(pb.AppendSessionRequest(appends=[hurried]))
            await asyncio.sleep(0.3)
            left.cancel()
            await asyncio.sleep(0.3)
        await under_way
        (result,) = (await session.read()).results
        assert result.failure.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
        session.cancel()
        found = await shown(process)
    assert {
        outcome: found.value("mink_appends_total", outcome=outcome) for outcome in found.labels("mink_appends_total", "outcome")
    } == {
        "appended": 2,
        "replayed": 1,
        "WRONG_EXPECTED_VERSION": 1,
        "abandoned": 1,
        "DEADLINE_EXCEEDED": 1,
    }
    assert found.value("mink_append_duration_seconds_count") == 6
    assert found.value("mink_append_duration_seconds_bucket", le="+Inf") == 6


async def test_types_beyond_the_bound_are_other(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server(MINK_METRIC_EVENT_TYPES="3")
    async with connected(process) as client:
        await client.append("A", event("First"), event("First"), event("Second"))
        await client.append("B", *(event(f"Type{n}") for n in range(50)))
        await client.append("C", event("First"), event("Type49"))
        found = await shown(process)
    name = "mink_events_appended_total"
    assert {kind: found.value(name, type=kind) for kind in found.labels(name, "type")} == {
        "First": 3,
        "Second": 1,
        "Type0": 1,
        "other": 50,
    }
    assert found.value("mink_bytes_appended_total") > 55 * 50


async def test_no_label_grows_with_what_callers_choose(start_server: Callable[..., MinkProcess]) -> None:
    """Streams, types, ids, clients, methods that are not there: none of them is in more samples."""
    process = start_server(MINK_METRIC_EVENT_TYPES="5")

    async def much(client: Client, begin: int) -> None:
        for n in range(begin, begin + 20):
            await client.append(f"Stream{n}-{n}", event(f"Type{n}"), event(f"Kind{n}"))
            await failure(client.store.GetStream(pb.GetStreamRequest(stream=f"Nothing{n}")))
            await failure(client.store.AppendToStream(to(f"Stream{n}-{n}", event(), exact_version=9)))
            await failure(client.channel.unary_unary(f"/mink.v1.EventStore/Method{n}")(b"", metadata=(("x-key", f"v{n}"),)))
            await failure(client.channel.unary_unary(f"/service{n}/Method")(b""))

    async with connected(process) as client:
        await much(client, 0)
        before = {name: len(family.samples) for name, family in (await shown(process)).families.items()}
        await much(client, 1000)
        after = {name: len(family.samples) for name, family in (await shown(process)).families.items()}
    assert after == before


async def test_a_subscriber_that_does_not_read_shows_as_lag(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server(MINK_TAIL_BYTES="1000000")
    async with connected(process) as reading, connected(process) as client:
        assert (await shown(process)).value("mink_subscriber_lag_events") == 0
        quick = reading.store.SubscribeAll(pb.SubscribeAllRequest(from_end=True))
        await quick.read()
        slow = client.store.SubscribeAll(pb.SubscribeAllRequest(from_end=True))
        await slow.read()
        for n in range(40):
            await reading.append(f"A-{n}", *(event(binary=b"x" * 100_000) for _ in range(10)))
        await until(process, lambda now: now.value("mink_subscriber_lag_events") > 100)
        slow.cancel()
        quick.cancel()
        await until(process, lambda now: now.value("mink_subscriber_lag_events") == 0)


async def test_a_database_that_is_away_is_shown(start_server: Callable[..., MinkProcess], own_postgres: Any) -> None:
    process = start_server(dsn=own_postgres.dsn, MINK_DATABASE_TIMEOUT="0.5")
    found = await until(process, lambda now: now.value("mink_log_size_bytes") > 0)
    assert found.value("mink_database_up") == 1
    own_postgres.halt()
    await until(process, lambda now: now.value("mink_database_up") == 0)
    process.kill()


async def one_of_everything(client: Client) -> None:
    """A little of all that gives a metric its first sample."""
    await client.append("A-1", event(), event())
    await failure(client.store.AppendToStream(to("A-1", event(), exact_version=9)))
    await client.session(pb.SessionAppend(request_id=1, to_stream=to("A-2", event())))
    await client.read_all()
    await client.snapshots.SaveSnapshot(snapshots_pb2.SaveSnapshotRequest(stream="A-1", version=1, json="{}"))
    await client.operations.GetStatistics(operations_pb2.GetStatisticsRequest())
    subscription = client.store.SubscribeAll(pb.SubscribeAllRequest(after_position=0))
    while (await subscription.read()).WhichOneof("message") != "caught_up":
        pass
    subscription.cancel()
    worker = await RawWorker(client.channel, "P").start()
    await worker.until(lambda: worker.model.positions() == [1, 2, 3])
    await worker.stop()


# What has no sample before something unusual happens.
UNUSUAL = {"mink_database_reconnects_total", "mink_reloads_total", "mink_refused_total", "mink_cut_off_total"}


def shows_projections(now: Shown) -> bool:
    """Whether all that is known of projections is shown: some of it is looked at now and then."""
    return all(family.samples for family in now.families.values() if family.name.startswith("mink_projection_"))


async def test_the_page_of_metrics_says_what_a_server_that_was_at_work_shows(start_server: Callable[..., MinkProcess]) -> None:
    process = start_server()
    async with connected(process) as client:
        await one_of_everything(client)
    found = await until(process, lambda now: now.handled("SubscribeAll") and now.handled("Run") and shows_projections(now))
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `((?:mink|grpc)_\w+)` \| (\w+) \|([^|]*)\|", page, re.MULTILINE)
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    there: dict[str, tuple[str, set[str]]] = {}
    for family in found.families.values():
        if family.name.startswith(("mink_", "grpc_")):
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = {label for sample in family.samples for label in sample.labels}
            there[name] = (family.type, labels - ({"le"} if family.type == "histogram" else set()))
            assert family.samples or name in UNUSUAL, f"{name} has no sample"
    assert {name: kind for name, (kind, _) in there.items()} == {name: kind for name, (kind, _) in documented.items()}
    assert {name: row for name, row in there.items() if name not in UNUSUAL} == {
        name: row for name, row in documented.items() if name not in UNUSUAL
    }
    assert found.value("mink_build_info") == 1


def test_a_histogram_shows_what_prometheus_own_shows() -> None:
    bounds, values = (0.001, 0.5, 1), [0.0, 0.001, 0.0011, 0.5, 0.7, 1, 1.5, 99]
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    mine = Spread("x_seconds", "Times.", bounds, ours)
    other = Histogram("x_seconds", "Times.", buckets=bounds, registry=theirs)
    for part in (values[:3], values[3:]):
        mine.observe_each(part[:-1])
        mine.observe(part[-1])
        for value in part:
            other.observe(value)
    (one,), (two,) = list(ours.collect()), list(theirs.collect())
    created = [sample for sample in two.samples if not sample.name.endswith("_created")]
    assert [(s.name, s.labels, s.value) for s in one.samples] == [(s.name, s.labels, s.value) for s in created]


@pytest.mark.parametrize(
    ("most", "expected"), [(0, {"other": 6}), (1, {"a": 2, "other": 4}), (2, {"a": 2, "b": 1, "other": 3})], ids=["0", "1", "2"]
)
def test_a_bounded_counter_gives_the_first_values_a_count_of_their_own(most: int, expected: dict[str, int]) -> None:
    registry = CollectorRegistry()
    counter = TotalBy("x", "Things.", "kind", registry, most)
    counter.add_each(["other", "a", "b"])
    counter.add_each(["a", "c"])
    counter.add("d")
    (family,) = registry.collect()
    assert {s.labels["kind"]: s.value for s in family.samples} == expected
    assert {s.name for s in family.samples} == {"x_total"}


def test_a_counter_counts() -> None:
    registry = CollectorRegistry()
    counter = Total("x", "Things.", registry)
    counter.add(2)
    counter.add(3)
    assert registry.get_sample_value("x_total") == 5
