"""Every query of the dashboard and of every alert, put to a real Prometheus that scrapes real servers."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
import uuid
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from mink_client import ANY, NO_STREAM, Mink, NewEvent, RecordedEvent, StreamNotFound, WrongExpectedVersion
from mink_client.projections import Projection, handles
from mink_client.worker import Worker

from tests.deploy.prometheus import Prometheus
from tests.deploy.promql import asked
from tests.deploy.security import make_files
from tests.deploy.tools import DASHBOARDS, DEPLOY, ROOT, RULES, document
from tests.support.databases import Postgres
from tests.support.servers import MinkProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

# What Grafana puts in place of a variable.
VARIABLES = {"$__rate_interval": "30s", "$instance": ".*"}

# What these count does not happen here, and need not have a series before it does.
NOTHING = {
    "mink_refused_total": "no bound is reached",
    "mink_cut_off_total": "no client is too slow",
}

# Metrics that are not of `mink serve`, with their labels.
OTHERS = {
    "up": set[str](),
    "ALERTS": {"alertname", "alertstate"},
    "node_filesystem_avail_bytes": set[str](),
    "node_filesystem_size_bytes": set[str](),
    "process_start_time_seconds": set[str](),
    "process_open_fds": set[str](),
    "process_max_fds": set[str](),
    "process_resident_memory_bytes": set[str](),
    "process_cpu_seconds_total": set[str](),
}


def filled(expression: str) -> str:
    """An expression of a dashboard as Grafana sends it."""
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """All panels, also those within rows."""
    return [panel for outer in dashboard["panels"] for panel in (outer, *outer.get("panels", []))]


def queries() -> list[tuple[str, str]]:
    """Each query of the dashboards, under its panel's title."""
    found = []
    for path in DASHBOARDS:
        for panel in panels(json.loads(path.read_text())):
            found += [(f"{panel['title']} {target['refId']}", filled(target["expr"])) for target in panel.get("targets", [])]
    return found


QUERIES = queries()
ALERTS = [(rule["alert"], rule["expr"]) for group in document(RULES)["groups"] for rule in group["rules"]]


def documented() -> dict[str, set[str]]:
    """The metrics of docs/metrics.md as Prometheus stores them, with their labels."""
    text = (ROOT / "docs/metrics.md").read_text()
    found: dict[str, set[str]] = {}
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", text, re.MULTILINE):
        of = set(re.findall(r"`(\w+)`", labels))
        if kind == "histogram":
            found |= {f"{name}_bucket": of | {"le"}, f"{name}_sum": of, f"{name}_count": of}
        else:
            found[name] = of
    return found


@pytest.mark.parametrize(("where", "expression"), QUERIES + ALERTS, ids=[where for where, _ in QUERIES + ALERTS])
def test_a_query_asks_for_metrics_and_labels_that_are_documented(where: str, expression: str) -> None:
    known = documented() | OTHERS
    for name, labels in asked(expression).items():
        assert name in known
        assert labels <= known[name] | {"job", "instance"}


async def one_of_everything(mink: Mink) -> None:
    """A little of all that a server does."""
    name = f"Order-{uuid.uuid4()}"
    await asyncio.gather(*(mink.append(f"{name}-{n}", [NewEvent("OrderPlaced", {"n": n})], expected=ANY) for n in range(20)))
    await mink.append(name, [NewEvent("OrderPlaced", {})], expected=NO_STREAM)
    for refused in (mink.append(name, [NewEvent("OrderPlaced", {})], expected=NO_STREAM), mink.get_stream(f"{name}-nothing")):
        with pytest.raises((WrongExpectedVersion, StreamNotFound)):
            await refused
    await mink.save_snapshot(name, version=1, state={})
    await mink.load(name)
    async for _ in mink.read_all(after=0, limit=50):
        pass


class Seen(Projection):
    """Sees orders, and cannot handle one of them in ten."""

    on_poison = "park"

    @handles("OrderPlaced")
    async def see(self, event: RecordedEvent) -> None:
        if event.position % 10 == 0:
            raise ValueError("no")


class Idle(Projection):
    """Is paused."""

    @handles("OrderPlaced")
    async def see(self, event: RecordedEvent) -> None:
        """Does nothing."""


async def work(address: str) -> None:
    """Runs projections."""
    await Worker(address, [Seen, Idle]).run()


async def pause(mink: Mink, name: str) -> None:
    """Pauses a projection, as soon as it is there."""
    end = time.monotonic() + 30
    while name not in [projection.name for projection in await mink.projections.list()]:
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
    await mink.projections.pause(name)


async def load(addresses: list[str], seconds: float) -> None:
    """Keeps servers busy."""
    async with AsyncExitStack() as open_clients:
        clients = [await open_clients.enter_async_context(Mink(address)) for address in addresses]

        async def follow(mink: Mink) -> None:
            async with mink.subscribe_all(after=0) as events:
                async for _ in events:
                    pass

        following = [asyncio.create_task(follow(mink)) for mink in clients]
        following.append(asyncio.create_task(work(addresses[0])))
        await pause(clients[0], "Idle")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.gather(*(one_of_everything(mink) for mink in clients))
            await asyncio.sleep(0.1)
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has watched two servers on one log work, and a third one that has a certificate and tokens."""
    database = Postgres("18").start()
    started: list[MinkProcess] = []
    prometheus: Prometheus | None = None
    files = tmp_path_factory.mktemp("security")
    make_files(files)
    secured = {
        "MINK_TLS_CERT_FILE": str(files / "tls.crt"),
        "MINK_TLS_KEY_FILE": str(files / "tls.key"),
        "MINK_TOKENS_FILE": str(files / "tokens"),
    }
    try:
        for settings in ({}, {}, secured):
            process = MinkProcess(DATABASE_URL=database.dsn, MINK_MIGRATE="true", **settings)
            started.append(process)
            process.start()
        targets = {"mink": [process.metrics_address for process in started]}
        addresses = [process.grpc_address for process in started[:2]]
        prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), targets)
        prometheus.start()
        asyncio.run(load(addresses, seconds=2))
        # A connection that is lost is the only thing that counts a reconnect.
        database.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mink'")
        asyncio.run(load(addresses, seconds=4))
        yield prometheus
    finally:
        if prometheus is not None:
            prometheus.stop()
        for process in started:
            process.stop()
        database.stop()


@pytest.mark.parametrize(("where", "expression"), QUERIES, ids=[where for where, _ in QUERIES])
def test_a_panel_shows_something(live: Prometheus, where: str, expression: str) -> None:
    series = live.query(expression)
    if any(f"{metric}{{" in expression for metric in NOTHING):
        return
    assert series, expression
    assert any(not math.isnan(float(one["value"][1])) for one in series), expression


def test_every_alert_can_be_evaluated_and_none_fires_on_healthy_servers(live: Prometheus) -> None:
    end = time.monotonic() + 30
    while True:
        rules = [rule for group in live.ask("rules")["groups"] for rule in group["rules"]]
        if all(rule["health"] != "unknown" for rule in rules) or time.monotonic() > end:
            break
        time.sleep(0.2)
    assert {rule["name"] for rule in rules} == {name for name, _ in ALERTS}
    assert {rule["name"]: rule.get("lastError", "") for rule in rules if rule["health"] != "ok"} == {}
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == []


def test_the_dashboard_is_as_the_provisioning_expects_it() -> None:
    sources = document(DEPLOY / "grafana/provisioning/datasources/datasources.yaml")["datasources"]
    uids = {source["uid"] for source in sources}
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        assert (dashboard["uid"], path.stem) == ("mink", "mink")
        ids = [panel["id"] for panel in panels(dashboard)]
        assert len(ids) == len(set(ids))
        for panel in panels(dashboard):
            assert panel["title"]
            if panel["type"] != "row":
                assert panel["datasource"]["uid"] in uids
                assert all(target["datasource"]["uid"] in uids for target in panel["targets"])


def test_panels_do_not_lie_on_each_other() -> None:
    for path in DASHBOARDS:
        taken = set()
        for panel in panels(json.loads(path.read_text())):
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, panel["title"]
            assert at["x"] + at["w"] <= 24
            taken |= cells
