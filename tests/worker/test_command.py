"""`mink worker run`, as a real process."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.worker.scripted import event

MODULE = """
from mink_client.projections import Postgres, Projection, SQLite, handles

class Orders(Projection):
    categories = ["Order"]
    @handles("OrderPlaced")
    async def placed(self, event):
        with open("handled", "a") as file:
            file.write(f"{event.position}\\n")
        if event.position == 13:
            raise ValueError(event.json()["secret"])

class Held(Projection):
    name = "Orders"
    @handles("OrderPlaced")
    async def placed(self, event):
        import asyncio
        open("handled", "a").close()
        await asyncio.sleep(0.5)
        with open("handled", "a") as file:
            file.write(f"{event.position}\\n")

class Elsewhere(Orders):
    name = "my orders"
    target = Postgres(env="SHOP_READ_MODEL")

class InNoFolder(Projection):
    target = SQLite("no/such/folder/file.sqlite")
    @handles("OrderPlaced")
    def placed(self, event): ...

class Stuck(Projection):
    @handles("OrderPlaced")
    def placed(self, event):
        import time
        open("handled", "a").close()
        time.sleep(3600)
"""


class Command:
    """One `mink worker run`."""

    def __init__(self, folder: Path, server: str, *arguments: str, **env: str) -> None:
        self.folder = folder
        self._output = folder / "output"
        words = [sys.executable, "-c", "import sys; from mink_command import main; sys.exit(main())", "worker", "run", *arguments]
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                words,
                cwd=folder,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(folder),
                    "MINK_SERVER": server,
                    "MINK_WORKER_HTTP_LISTEN": "off",
                    **env,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait(self, timeout: float = 40.0) -> int:
        return self.process.wait(timeout)

    def until(self, condition, timeout: float = 40.0) -> None:
        end = time.monotonic() + timeout
        while not condition():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < end, self.output
            time.sleep(0.02)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "shop.py").write_text(MODULE)
    started = []

    def start(server, *arguments, **env):
        command = Command(tmp_path, server, *arguments, **env)
        started.append(command)
        return command

    yield start
    for command in started:
        if command.process.poll() is None:
            command.process.kill()
        command.process.wait(10)


def handled(command) -> list[int]:
    file = command.folder / "handled"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


async def begun(scripted, projection="Orders"):
    session = await scripted.session(timeout=40)
    assert session.hello.projection == projection
    key = session.assign()
    await session.next("start")
    return session, key


async def test_it_runs_until_sigterm_and_leaves_with_0(scripted, run, eventually):
    command = run(scripted.target, "shop:Orders", "--name", "billing")
    session, key = await begun(scripted)
    assert session.hello.worker == "billing"
    session.events(key, 1)
    assert (await session.next("handled")).position == 1
    command.process.send_signal(signal.SIGTERM)
    assert (await session.next("released")).lease == key
    await eventually(lambda: command.process.poll() is not None)
    assert command.wait() == 0
    assert handled(command) == [1]
    lines = command.output.splitlines()
    assert all(line.startswith("mink: ") for line in lines), lines
    assert any(f"Orders: connected to {scripted.target} as billing" in line for line in lines)
    assert any("Orders: partition 0 of 1 (build 1, token 1) assigned" in line for line in lines)
    assert any("Orders: partition 0 of 1 (build 1, token 1) released" in line for line in lines)


async def test_ctrl_c_drains_as_well(scripted, run, eventually):
    command = run(scripted.target, "shop:Held")
    session, key = await begun(scripted)
    session.events(key, 1)
    await eventually((command.folder / "handled").exists)
    command.process.send_signal(signal.SIGINT)
    assert (await session.next("handled")).position == 1
    assert (await session.next("released")).lease == key
    await eventually(lambda: command.process.poll() is not None)
    assert command.wait() == 0
    assert handled(command) == [1]


async def test_a_worker_that_was_stopped_for_longer_than_a_lease_does_not_go_on(scripted, run, eventually):
    scripted.lease = 2.0
    command = run(scripted.target, "shop:Held")
    session, key = await begun(scripted)
    session.events(key, 1)
    await eventually((command.folder / "handled").exists)
    command.process.send_signal(signal.SIGSTOP)
    loop = asyncio.get_running_loop()
    over = loop.time() + 1.5 * scripted.lease
    await eventually(lambda: loop.time() > over)  # there is nothing else to be seen of a lease that runs out
    scripted.lease = 30.0
    command.process.send_signal(signal.SIGCONT)
    again = await scripted.session(2)
    again.assign()
    await again.next("start")
    assert session.all("handled") == []
    assert handled(command) == []


async def test_a_handler_that_hangs_in_a_thread_does_not_keep_the_process(scripted, run, eventually, tmp_path):
    (tmp_path / "impatient.py").write_text(
        "import mink_client.cli.commands.worker as w\nw._STUCK_AT_ONCE = 0.5\nfrom shop import Stuck\n"
    )
    command = run(scripted.target, "impatient:Stuck")
    session, key = await begun(scripted, "Stuck")
    session.events(key, 1)
    await eventually((command.folder / "handled").exists)
    command.process.send_signal(signal.SIGTERM)
    await eventually(lambda: "stopping" in command.output)
    command.process.send_signal(signal.SIGTERM)
    await eventually(lambda: command.process.poll() is not None, 40)
    assert command.wait() == 1
    assert "something hangs" in command.output


async def test_a_fault_is_one_line_without_what_was_in_the_event(scripted, run, eventually):
    command = run(scripted.target, "shop:Orders")
    session, key = await begun(scripted)
    session.events(key, event(13, stream="Order-7", json='{"secret": "hush"}'))
    assert (await session.next("faulted")).error.message == "ValueError: hush"
    await eventually(lambda: "faulted" in command.output)
    (line,) = [line for line in command.output.splitlines() if "faulted" in line]
    assert "position 13 (OrderPlaced in Order-7): ValueError" in line
    assert "hush" not in command.output


async def test_health_and_metrics_are_where_it_says(scripted, run, eventually):
    command = run(scripted.target, "shop:Orders", "--http-listen", "127.0.0.1:0")
    await begun(scripted)
    await eventually(lambda: "assigned" in command.output)
    address = re.search(r"http://(\S+)/", command.output)[1]

    def get(path):
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.read().decode()

    assert "healthy" in await asyncio.to_thread(get, "/health/ready")
    assert 'mink_worker_partitions{projection="Orders"} 1.0' in await asyncio.to_thread(get, "/metrics")


async def test_a_refusal_is_one_line_and_not_0(scripted, run, eventually):
    scripted.refusal = ("PERMISSION_DENIED", ())
    command = run(scripted.target, "shop:Orders")
    await eventually(lambda: command.process.poll() is not None, 40)
    assert command.wait() == 1
    assert command.output == "mink: projection Orders: words for people\n"


async def test_it_waits_for_its_server_unless_told_not_to(run, scripted, eventually):
    await scripted.stop()
    patient = run(scripted.target, "shop:Orders")
    await eventually(lambda: "not connected" in patient.output, 40)
    await scripted.start()
    await begun(scripted)
    patient.process.send_signal(signal.SIGTERM)
    await eventually(lambda: patient.process.poll() is not None)
    await scripted.stop()
    impatient = run(scripted.target, "shop:Orders", "--wait", "0.2")
    await eventually(lambda: impatient.process.poll() is not None, 40)
    assert impatient.wait() == 1
    assert f"cannot reach Mink at {scripted.target}" in impatient.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["shop:Nothing"], "Nothing"),
        (["nowhere:Orders"], "nowhere"),
        (["shop:handles"], "projection"),
        (["shop:Orders", "shop:Held"], "two projections are called Orders"),
        (["shop:Orders", "--http-listen", "8081"], "--http-listen"),
        (["shop:Elsewhere"], "projection my orders: target: the environment variable SHOP_READ_MODEL is not set"),
        (["shop:InNoFolder"], "projection InNoFolder: target: "),
        (["shop.py:Orders"], "did you mean shop:Orders?"),
        (["shop:Orders", "--max-partitions", "300"], "--max-partitions"),
        (["shop:Orders", "--name", ""], "name"),
        ([], "PROJECTION"),
    ],
)
def test_a_wrong_call_is_one_line_and_2(run, arguments, words):
    command = run("127.0.0.1:1", *arguments)
    assert command.wait() == 2
    assert words in command.output
    assert len(command.output.splitlines()) == 1
    assert "Traceback" not in command.output


def test_a_busy_port_is_one_line(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = run("127.0.0.1:1", "shop:Orders", MINK_WORKER_HTTP_LISTEN=address)
        assert command.wait() == 1
        assert command.output.startswith(f"mink: cannot listen on {address}: it is in use; --http-listen ")
        assert len(command.output.splitlines()) == 1


def test_ctrl_c_while_it_is_loaded_ends_it_silently(run, tmp_path):
    (tmp_path / "typer.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)\n")
    command = run("127.0.0.1:1", "shop:Orders", PYTHONPATH=str(tmp_path))
    assert command.wait() == 130
    assert command.output == ""


@pytest.mark.parametrize("missing", ["prometheus_client", "starlette", "uvicorn"])
def test_a_missing_package_is_one_line(run, tmp_path, missing):
    (tmp_path / missing).mkdir()
    (tmp_path / missing / "__init__.py").write_text(f"raise ModuleNotFoundError('no', name={missing!r})")
    command = run("127.0.0.1:1", "shop:Orders", MINK_WORKER_HTTP_LISTEN="127.0.0.1:0", PYTHONPATH=str(tmp_path))
    assert command.wait() == 1
    assert command.output == f"mink: mink worker needs {missing}, which is not installed; run: pip install 'mink-client[worker]'\n"
