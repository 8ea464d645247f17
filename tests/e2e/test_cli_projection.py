"""`mink projection …`, run as a person or a script runs it, against a real server and a worker that speaks the protocol."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import uuid
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mink_client import ANY, Mink, NewEvent

from tests.support.tiny_worker import POISON, TinyWorker

MINK = Path(sys.executable).with_name("mink")
ENV = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "COLUMNS": "80"}
PATIENCE = 30


class Command:
    """Runs `mink projection …` with standard input and output that are no terminals."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        env = {**ENV, "MINK_SERVER": self.address}
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            MINK, "projection", *arguments, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )

    async def __call__(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """What it writes to standard output, and to standard error."""
        process = await self.start(*arguments)
        try:
            async with asyncio.timeout(60):
                output, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == code, (output, errors)
        assert b"Traceback" not in errors
        if code:
            assert errors.startswith(b"mink: ")
            assert errors.count(b"\n") == 1, errors
        return output.decode(), errors.decode()

    async def json(self, *arguments: str, code: int = 0):
        return json.loads((await self(*arguments, "--output", "json", code=code))[0])


@pytest.fixture
def mink(server) -> Command:
    return Command(server.grpc_address)


@pytest.fixture
def name() -> str:
    """A projection, and a category, that nobody else has."""
    return f"Sum{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def client(server):
    async with Mink(server.grpc_address) as client:
        yield client


@pytest.fixture
def put(client, name):
    """Appends events of the category; answers with the last one's position."""

    async def put(*types: str) -> int:
        done = await client.append(f"{name}-1", [NewEvent(kind, {}) for kind in types or ("Good",)], expected=ANY)
        return done.last_position

    return put


@pytest.fixture
def worker(server, name):
    """A worker of the projection, for a while."""

    def make(**options) -> TinyWorker:
        return TinyWorker(server.grpc_address, name, **{"filter": {"categories": [name]}, **options})

    return make


@pytest.fixture
def until(client, name):
    """Waits until the projection is as a condition wants it."""

    async def until(condition):
        async with asyncio.timeout(PATIENCE):
            async for seen in client.projections.watch(name):
                (found,) = seen.projections
                if condition(found):
                    return found
        raise AssertionError

    return until


@asynccontextmanager
async def killed(process):
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def has_handled(worker: TinyWorker, position: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while position not in worker.handled:  # noqa: ASYNC110 - what is waited for is somebody else's
            await asyncio.sleep(0.01)


class TestLooking:
    async def test_an_empty_list_says_how_to_start_a_worker(self, start_server):
        mink = Command(start_server().grpc_address)
        output, _ = await mink("list")
        assert output.count("\n") == 1
        assert "mink worker run package.module:Name" in output
        assert await mink.json("list") == []

    async def test_list_has_position_status_lag_and_time(self, mink, name, worker, put, until):
        position = await put()
        async with worker():
            await until(lambda found: found.state == "running" and found.checkpoint >= position)
            lines = (await mink("list"))[0].splitlines()
            assert lines[0].split() == ["NAME", "POSITION", "STATUS", "LAG", "LAST", "UPDATED"]
            (row,) = [line.split() for line in lines[1:] if line.startswith(name)]
            assert int(row[1]) >= position
            assert row[2] == "running"
            (found,) = [found for found in await mink.json("list") if found["name"] == name]
            assert found["state"] == "running"
            assert found["checkpoint"] >= position

    async def test_status_shows_partitions_workers_and_position_of_head(self, mink, name, worker, put, until):
        position = await put("Good", "Good")
        async with worker(worker="shop@host", partitions=2), worker(worker="other\u202e@host", partitions=2):
            await until(lambda found: found.state == "running" and len({p.worker_id for p in found.live.partitions}) == 2)
            output, _ = await mink("status", name)
            facts, partitions, workers = output.split("\n\n")
            assert f"projection   {name}\n" in facts
            assert "status       running\n" in facts
            assert " 100%\n" in facts
            assert f"categories {name}" in facts
            assert "lag          0 events, 0 s" in facts
            assert [line.split()[:2] for line in partitions.splitlines()[2:]] == [["0", "running"], ["1", "running"]]
            assert "shop@host" in partitions
            assert "other\\u202e@host" in workers
            assert "\u202e" not in output
            found = await mink.json("status", name)
            assert found["checkpoint"] >= position
            assert found["lag_events"] == 0
            assert found["live"]["filter"]["categories"] == [name]
            assert sum(p["events"] for p in found["live"]["partitions"]) == 2
            assert {worker["worker"] for worker in found["workers"]} == {"shop@host", "other\u202e@host"}

    async def test_a_lag_that_is_there_is_shown_and_who_stands_by(self, mink, name, worker, put, until):
        async with worker() as slow:
            await until(lambda found: found.state == "running")
            slow.going.clear()
            position = await put("Good", "Good", "Good")
            async with worker(worker="idle"):
                await until(lambda found: found.lag_events >= 3 and len(found.workers) == 2)
                output, _ = await mink("status", name)
                assert "%" in output  # of a log that all tests of this server share
                assert "stands by" in output
                found = await mink.json("status", name)
                assert found["lag_events"] >= 3
                assert found["lag_seconds"] > 0
                slow.going.set()
                await until(lambda found: found.checkpoint >= position and found.lag_events == 0)

    @pytest.mark.parametrize(
        "arguments",
        [
            ["status", "{}"],
            ["pause", "{}"],
            ["resume", "{}"],
            ["restart", "{}"],
            ["rebuild", "{}", "--yes"],
            ["delete", "{}", "--yes"],
            ["watch", "{}"],
            ["parked", "list", "{}"],
            ["parked", "list", "{}", "--output", "json"],
            ["parked", "replay", "{}"],
            ["parked", "drop", "{}", "--all", "--yes"],
        ],
    )
    async def test_a_name_that_is_not_there_is_said_with_where_names_are(self, mink, name, arguments):
        output, error = await mink(*(argument.format(name) for argument in arguments), code=1)
        assert output == ""
        assert error == f"mink: there is no projection {name}: `mink projection list` has those there are\n"


class TestPausing:
    async def test_a_pause_is_acknowledged_and_nothing_is_handled_until_it_ends(self, mink, name, worker, put, until):
        async with worker() as one:
            await has_handled(one, await put())
            output, _ = await mink("pause", name)
            assert output.startswith(f"Paused {name} at position ")
            assert output.endswith(": acknowledged by 1 worker.\n")
            position = await put()
            assert (await mink("pause", name))[0] == f"{name} is paused already.\n"
            found = await mink.json("pause", name)
            assert (found["acknowledged"], found["not_acknowledged"], found["already_paused"]) == (0, [], True)
            assert found["projection"]["state"] == "paused"
            assert "status       paused\n" in (await mink("status", name))[0]
            assert position not in one.handled
            output, _ = await mink("resume", name)
            assert output.startswith(f"Resumed {name} at position ")
            await has_handled(one, position)
            await until(lambda found: found.state == "running")
            assert (await mink("resume", name))[0] == f"{name} was not paused.\n"

    async def test_a_pause_without_a_worker_says_so(self, mink, name, worker, until):
        async with worker():
            pass
        await until(lambda found: not found.workers)
        assert (await mink("pause", name))[0] == f"Paused {name}: no worker is connected.\n"
        output, _ = await mink("resume", name)
        assert output.endswith("; no worker is connected; start one: mink worker run package.module:Name\n")

    async def test_who_does_not_acknowledge_is_named_and_the_exit_code_is_1(self, mink, name, worker, until):
        async with worker(worker="deaf-one") as one:
            await until(lambda found: found.state == "running")
            one.deaf = True
            output, error = await mink("pause", name, "--timeout", "2", code=1)
            assert output == ""
            assert "is paused, and not acknowledged in time by deaf-one" in error
            await until(lambda found: found.state == "paused" and not found.live.partitions[0].worker_id)
        async with worker(worker="deaf-two") as one:
            await mink("resume", name)
            await until(lambda found: found.live.partitions[0].worker_id != "")
            one.deaf = True
            found = await mink.json("pause", name, "--timeout", "2", code=1)
            assert (found["acknowledged"], found["not_acknowledged"]) == (0, ["deaf-two"])


class TestFaults:
    async def test_a_fault_is_shown_and_a_restart_goes_on_with_it(self, mink, name, worker, put, until):
        async with worker() as one:
            position = await put("Good", POISON, "Good")
            await until(lambda found: found.state == "faulted")
            output, _ = await mink("status", name)
            assert "status       faulted\n" in output
            assert f"at position {position - 1}, Poison of {name}-1, partition 0, tried 3 times\n" in output
            assert "             this is \\x1b[31mpoison\n" in output
            found = await mink.json("status", name)
            assert found["last_error"]["position"] == position - 1
            assert found["last_error"]["message"] == "this is \x1b[31mpoison"
            one.mended = True
            output, _ = await mink("restart", name)
            assert output.startswith(f"Restarted {name} at position ")
            await has_handled(one, position)
            await until(lambda found: found.state == "running")
            assert "last error" not in (await mink("status", name))[0]


class TestRebuilding:
    async def test_it_asks_unless_told_otherwise(self, mink, name, worker):
        async with worker(can_clear=True):
            _, error = await mink("rebuild", name, code=2)
            assert error == "mink: this builds a read model anew, and there is nobody to ask: pass --yes\n"
            await mink("rebuild", name, "--non-interactive", code=2)

    async def test_without_a_terminal_it_answers_at_once_and_status_shows_how_far_it_is(self, mink, name, worker, put, until):
        async with worker(can_clear=True) as one:
            await put("Good", "Good")
            last = await put("Good")
            await has_handled(one, last)
            one.going.clear()
            output, _ = await mink("rebuild", name, "--yes")
            assert output == f"{name} is rebuilt in place, with revision 1.\n"
            await until(lambda found: found.rebuild is not None and found.rebuild.step == "replaying")
            assert one.cleared == 1
            output, _ = await mink("status", name)
            assert "status         rebuilding\n" in output
            assert "\nrebuild        in place, replaying: 0 of " in output
            found = await mink.json("status", name)
            assert found["live"]["rebuild"]["mode"] == "in_place"
            before = len(one.handled)
            one.going.set()
            await until(lambda found: found.rebuild is None and found.state == "running")
            assert len(one.handled) == before + 3

    async def test_wait_waits_for_its_end(self, mink, name, worker, put):
        async with worker(can_clear=True) as one:
            await has_handled(one, await put("Good", "Good"))
            output, _ = await mink("rebuild", name, "--yes", "--wait")
            assert output.startswith(f"Rebuilt {name}: at position ")
            assert (one.cleared, len(one.handled)) == (1, 4)
            found = await mink.json("rebuild", name, "--yes", "--wait")
            assert found["live"]["rebuild"] is None
            assert one.cleared == 2

    async def test_a_fault_meanwhile_is_a_failure(self, mink, name, worker, put, until):
        async with worker(can_clear=True) as one:
            one.mended = True
            position = await put("Good", POISON)
            await has_handled(one, position)
            one.mended = False
            _, error = await mink("rebuild", name, "--yes", "--wait", code=1)
            assert f"at position {position}, Poison of {name}-1" in error
            assert error.endswith(f"mend it, then: mink projection restart {name}\n")

    async def test_without_a_worker_it_says_that_nobody_does_it(self, mink, name, worker, until):
        async with worker(can_clear=True):
            pass
        await until(lambda found: not found.workers)
        output, _ = await mink("rebuild", name, "--yes")
        assert output.endswith("; no worker is connected; start one: mink worker run package.module:Name\n")
        async with worker(can_clear=True) as one:
            await until(lambda found: found.state == "running")
            assert one.cleared == 1

    async def test_one_that_is_paused_is_not_waited_for_for_ever_and_status_says_what_it_waits_for(self, mink, name, worker, put):
        async with worker(can_clear=True) as one:
            await has_handled(one, await put())
            await mink("pause", name)
            _, error = await mink("rebuild", name, "--yes", "--wait", "--timeout", "2", "-o", "json", code=1)
            assert error == f"mink: the rebuild waits; it is paused: mink projection resume {name}\n"
            output, _ = await mink("status", name)
            assert re.search(rf"\nrebuild +in place, clearing\n.* 0%\nrebuild waits +it is paused: .* resume {name}\n", output)
            assert output.count("%") == 1

    async def test_a_worker_that_cannot_do_it_is_a_refusal(self, mink, name, worker, until):
        async with worker():
            await until(lambda found: found.state == "running")
            for way in ("--in-place", "--side-by-side"):
                _, error = await mink("rebuild", name, "--yes", way, code=1)
                assert name in error
                assert f"`mink projection status {name}` has its workers\n" in error

    async def test_side_by_side_ends_with_the_next_build_live(self, mink, name, worker, put, until):
        async with worker(can_switch=True) as one:
            await has_handled(one, await put("Good", "Good"))
            one.going.clear()
            await mink("rebuild", name, "--side-by-side", "--yes")
            await until(lambda found: found.next is not None)
            output, _ = await mink("status", name)
            assert "\nnext build     2, revision 1, 1 partition\n" in output
            assert "\nPartitions of the next build\n" in output
            one.going.set()
            found = await until(lambda found: found.next is None and found.state == "running")
            assert (found.live.build, one.switched, one.cleared) == (2, 1, 0)
            output, _ = await mink("rebuild", name, "--side-by-side", "--yes", "--wait")
            assert output.startswith(f"Rebuilt {name}: at position ")
            assert one.switched == 2


class TestDeleting:
    async def test_it_is_refused_while_workers_are_connected(self, mink, name, worker, put, until):
        position = await put()
        async with worker() as one:
            await has_handled(one, position)
            _, error = await mink("delete", name, "--yes", code=1)
            assert f"`mink projection status {name}` has its workers\n" in error
            await until(lambda found: found.checkpoint >= position)
        await until(lambda found: not found.workers)
        await mink("delete", name, code=2)
        output, _ = await mink("delete", name, "--yes")
        assert output.startswith(f"Deleted {name}, which was at position ")
        assert output.endswith(", with 0 parked events. Its read model stays.\n")
        await mink("status", name, code=1)


class TestParked:
    async def test_they_are_listed_replayed_and_dropped(self, mink, name, worker, put, until):
        async with worker(on_poison="park") as one:
            assert (await mink("parked", "list", name))[0] == f"{name} has no parked events.\n"
            assert await mink.json("parked", "list", name) == []
            assert (await mink("parked", "replay", name))[0] == f"{name} has no parked events.\n"
            last = await put(POISON, "Good", POISON, POISON)
            await until(lambda found: found.parked_events == 3 and found.checkpoint >= last)
            positions = [last - 3, last - 1, last]
            lines = (await mink("parked", "list", name))[0].splitlines()
            assert lines[0].split() == ["POSITION", "STREAM", "VERSION", "TYPE", "TRIED", "PARKED", "AT", "REPLAYING", "ERROR"]
            assert [int(line.split()[0]) for line in lines[1:]] == positions
            assert lines[1].endswith("this is \\x1b[31mpoison")
            assert [event["position"] for event in await mink.json("parked", "list", name)] == positions
            assert [event["position"] for event in await mink.json("parked", "list", name, "--limit", "2")] == positions[:2]
            assert f"3 events: mink projection parked list {name}\n" in (await mink("status", name))[0]

            output, error = await mink("parked", "replay", name, "--position", str(last), code=1)
            assert output == f"Replayed {name}: 0 handled, 1 failed, 0 waiting.\n"
            assert error == f"mink: 1 event failed again and stays parked: `mink projection parked list {name}` has the errors\n"
            one.mended = True
            output, _ = await mink("parked", "replay", name, "--position", str(last), "--position", str(last - 1))
            assert output == f"Replayed {name}: 2 handled, 0 failed, 0 waiting.\n"
            _, error = await mink("parked", "replay", name, "--position", str(last), code=1)
            assert error == "mink: 1 of 1 position not parked\n"

            await mink("parked", "drop", name, "--yes", code=2)
            await mink("parked", "drop", name, "--all", code=2)
            await mink("parked", "drop", name, "--all", "--position", "1", "--yes", code=2)
            output, _ = await mink("parked", "drop", name, "--position", str(last - 3), "--yes")
            assert output == f"Dropped 1 parked event of {name}.\n"
            output, error = await mink("parked", "drop", name, "--position", str(last - 3), "--yes", code=1)
            assert output == ""
            assert error == "mink: 1 of 1 position not parked\n"
            assert await mink.json("parked", "drop", name, "--all", "--yes") == {"projection": name, "dropped": 0}

    async def test_all_are_replayed_and_those_that_nobody_tries_wait(self, mink, name, worker, put, until):
        async with worker(on_poison="park"):
            last = await put(POISON, POISON)
            await until(lambda found: found.parked_events == 2 and found.checkpoint >= last)
        await until(lambda found: not found.workers)
        output, error = await mink("parked", "replay", name, "--all", "--timeout", "2", code=1)
        assert output == f"Replayed {name}: 0 handled, 0 failed, 2 waiting.\n"
        assert error.startswith("mink: 2 events not tried in time: no worker is connected; start one: ")
        async with worker(on_poison="park") as one:
            one.mended = True
            await until(lambda found: found.parked_events == 0)


class TestWatching:
    async def test_json_is_a_document_a_line_and_ctrl_c_is_how_it_ends(self, mink, name, worker, put):
        async with worker() as one:
            await has_handled(one, await put())
            async with killed(await mink.start("watch", name, "--output", "json")) as process, asyncio.timeout(PATIENCE):
                first = json.loads(await process.stdout.readline())
                assert first["name"] == name
                assert first["server_time"].endswith("Z")
                await mink("pause", name)
                while json.loads(await process.stdout.readline())["state"] != "paused":
                    pass
                await mink("resume", name)
                while json.loads(await process.stdout.readline())["state"] != "running":
                    pass
                process.send_signal(signal.SIGINT)
                assert (await process.wait(), await process.stderr.read()) == (0, b"")

    async def test_a_line_for_each_change(self, mink, name, worker, put, until):
        async with worker() as one:
            await has_handled(one, await put())
            await until(lambda found: found.state == "running")
            async with killed(await mink.start("watch")) as process, asyncio.timeout(PATIENCE):
                titles = await process.stdout.readline()
                assert titles.split() == [b"TIME", b"NAME", b"STATUS", b"POSITION", b"LAG", b"EVENTS/S", b"WORKERS"]
                await mink("pause", name)
                while True:
                    line = (await process.stdout.readline()).decode()
                    if name in line and " paused " in line:
                        break

    async def test_it_carries_on_when_the_server_comes_back(self, start_server, name):
        server = start_server()
        mink = Command(server.grpc_address)
        async with TinyWorker(server.grpc_address, name):
            pass
        async with killed(await mink.start("watch", name, "--output", "json")) as process, asyncio.timeout(60):
            assert json.loads(await process.stdout.readline())["name"] == name
            server.kill()
            assert (await process.stderr.readline()).startswith(b"mink: watch interrupted: ")
            await asyncio.to_thread(server.start)
            await mink("pause", name)
            while json.loads(await process.stdout.readline())["state"] != "paused":
                pass
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
