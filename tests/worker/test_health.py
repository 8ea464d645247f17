"""What a worker shows of itself over HTTP."""

import asyncio
import json
import urllib.error
import urllib.request
from contextlib import asynccontextmanager

import pytest
from mink.v1 import projections_pb2 as pb
from mink_client.worker import runner
from mink_client.worker.health import health_app
from mink_client.worker.http import HttpServer, checked_listen
from prometheus_client.parser import text_string_to_metric_families


def _get(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Shown:
    def __init__(self, address: str) -> None:
        self.address = address

    async def get(self, path: str) -> tuple[int, str]:
        return await asyncio.to_thread(_get, self.address, path)

    async def ready(self) -> tuple[int, dict[str, str]]:
        """The code, and what is wrong, by component."""
        code, text = await self.get("/health/ready")
        return code, {check["component"]: check["message"] for check in json.loads(text)["checks"] if "message" in check}

    async def until_ready(self, code: int) -> dict[str, str]:
        async with asyncio.timeout(20):
            while (found := await self.ready())[0] != code:  # noqa: ASYNC110 - it is asked
                await asyncio.sleep(0.02)
        return found[1]

    async def metrics(self) -> dict[tuple[str, ...], float]:
        _, text = await self.get("/metrics")
        return {
            (sample.name, *(value for key, value in sample.labels.items() if key != "projection")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@asynccontextmanager
async def shown(worker):
    server = HttpServer(health_app(worker), "127.0.0.1:0")
    await server.start()
    try:
        yield Shown(server.address)
    finally:
        await server.stop()


async def test_a_worker_is_alive_before_it_is_ready(scripted, recorder, working):
    await scripted.stop()
    async with working(recorder.projection()) as worker, shown(worker) as http:
        assert (await http.get("/health/live"))[0] == 200
        code, problems = await http.ready()
        assert code == 503
        assert problems == {"projection Orders": f"not connected to {scripted.target}"}
        await scripted.start()
        assert await http.until_ready(200) == {}


async def test_a_faulted_partition_is_named_until_it_is_handled_again(scripted, recorder, working):
    recorder.failing = {7: ValueError("no")}
    async with working(recorder.projection()) as worker, shown(worker) as http:
        session = await scripted.session()
        key = session.assign()
        session.events(key, 7)
        await session.until(lambda: "faulted" in session.kinds())
        problems = await http.until_ready(503)
        assert problems == {"projection Orders": "partition 0 of build 1 is faulted at position 7 (OrderPlaced)"}
        session.assign()
        await http.until_ready(200)


async def test_a_fault_that_is_over_elsewhere_is_forgotten(scripted, recorder, working, monkeypatch):
    monkeypatch.setattr(runner, "_LOOK_AT_FAULTS", 0.05)
    recorder.failing = {7: ValueError("no")}
    faulted = pb.Build(build=1, partitions=[pb.Partition(partition=0, state=pb.FAULTED)])
    scripted.projection = pb.Projection(name="Orders", live=faulted)
    async with working(recorder.projection()) as worker, shown(worker) as http:
        session = await scripted.session()
        session.events(session.assign(), 7)
        await http.until_ready(503)
        scripted.asked = 0
        async with asyncio.timeout(20):
            while scripted.asked < 3:  # noqa: ASYNC110 - it counts
                await asyncio.sleep(0.01)
        assert (await http.ready())[0] == 503
        scripted.projection.live.partitions[0].state = pb.RUNNING
        await http.until_ready(200)


async def test_a_worker_that_stops_is_not_ready(scripted, recorder, working):
    recorder.holding = {1}
    async with working(recorder.projection()) as worker, shown(worker) as http:
        session = await scripted.session()
        session.events(session.assign(), 1)
        await recorder.until(lambda: recorder.entered == [1])
        worker.stop()
        assert "worker" in await http.until_ready(503)


async def test_metrics_show_what_was_handled(scripted, recorder, working, eventually):
    recorder.failing = {2: ValueError("no")}
    scripted.head = 50
    async with working(recorder.projection(on_poison="skip")) as worker, shown(worker) as http:
        session = await scripted.session()
        key = session.assign(checkpoint=0)
        other = session.assign(1, checkpoint=3)
        await session.until(lambda: session.kinds().count("start") == 2)
        session.events(other, 10)
        session.events(key, 1, 2, 3, position=4)
        await eventually(lambda: worker.status[0].held == {(1, 0): 4, (1, 1): 10})
        await eventually(lambda: worker.status[0].head == 50)
        found = await http.metrics()
        assert found["mink_worker_connected",] == 1
        assert found["mink_worker_partitions",] == 2
        assert found["mink_worker_events_total",] == 4
        assert found["mink_worker_errors_total", "skipped"] == 1
        assert found["mink_worker_errors_total", "poison"] == 0
        assert found["mink_worker_position",] == 4
        assert found["mink_worker_lag_events",] == 46
        assert found["mink_worker_batch_duration_seconds_count",] == found["mink_worker_batch_duration_seconds_bucket", "+Inf"] >= 2


async def test_metrics_without_a_partition_have_no_position(scripted, recorder, working, eventually):
    async with working(recorder.projection()) as worker, shown(worker) as http:
        await eventually(lambda: worker.status[0].connected)
        found = await http.metrics()
        assert found["mink_worker_partitions",] == 0
        assert ("mink_worker_position",) not in found


async def test_a_busy_port_is_named(scripted, recorder, working):
    async with working(recorder.projection()) as worker, shown(worker) as http:
        second = HttpServer(health_app(worker), http.address)
        with pytest.raises(OSError, match=f"^cannot listen on {http.address}: "):
            await second.start()


@pytest.mark.parametrize("address", ["", "8081", ":8081", "localhost:", "localhost:99999", "localhost:x"])
def test_a_wrong_address_is_refused(address):
    with pytest.raises(ValueError, match="HOST:PORT"):
        checked_listen(address)


async def test_a_connection_that_says_nonsense_is_answered_and_the_next_one_served(scripted, recorder, working):
    async with working(recorder.projection()) as worker, shown(worker) as http:
        host, _, port = http.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"nonsense\r\n\r\n")
        assert b"400" in await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        assert (await http.get("/health/live"))[0] == 200
