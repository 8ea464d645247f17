"""The command `mink`, run as a person or a script runs it: a process of its own, against a real server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from mink_client import ANY, Mink, NewEvent

MINK = Path(sys.executable).with_name("mink")
ENV = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "COLUMNS": "80"}


@pytest.fixture
def mink(server):
    """Runs `mink` with standard input and output that are no terminals."""

    def run(*arguments, stdin=b"", code=0, **env):
        done = subprocess.run(
            [MINK, *arguments],
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
            env={**ENV, "MINK_SERVER": server.grpc_address, **env},
        )
        assert done.returncode == code, done
        assert b"Traceback" not in done.stderr
        if code:
            assert done.stderr.count(b"\n") == 1, done.stderr
        return done

    return run


@pytest.fixture
def stream():
    """A name that nobody else has."""
    return f"Cli{uuid.uuid4().hex}-1"


def objects(output: bytes) -> list[dict]:
    return [json.loads(line) for line in output.decode().split("\n") if line]


async def put(server, stream, *events):
    async with Mink(server.grpc_address) as client:
        return await client.append(stream, list(events), expected=ANY)


class TestAppend:
    def test_tells_where_the_event_is(self, mink, stream):
        done = mink("append", stream, "OrderPlaced", "{}").stdout.decode()
        assert f"stream    {stream}\n" in done
        assert "version   1\n" in done
        assert "replayed  no\n" in done

    def test_the_same_id_again_is_a_replay(self, mink, stream):
        event_id = str(uuid.uuid4())
        first = json.loads(mink("append", stream, "T", "1", "--id", event_id, "-o", "json").stdout)
        again = json.loads(mink("append", stream, "T", "1", "--id", event_id, "-o", "json").stdout)
        assert first == {**again, "replayed": False}
        assert again["replayed"] is True
        assert again["id"] == event_id

    def test_takes_json_from_standard_input_and_from_a_file_byte_for_byte(self, mink, stream, tmp_path):
        text = '{"b": 1.0, "a":123456789012345678901234567890, "a": "\\u0000"}'
        (tmp_path / "payload.json").write_text(text + "\n")
        mink("append", stream, "T", "-", stdin=text.encode() + b"\n")
        mink("append", stream, "T", "--file", str(tmp_path / "payload.json"))
        lines = mink("stream", "events", stream, "-o", "json").stdout.decode().splitlines()
        assert [line.count(f'"data":{text}') for line in lines] == [1, 1]

    def test_takes_bytes_and_metadata(self, mink, stream, tmp_path):
        (tmp_path / "payload").write_bytes(bytes(range(256)))
        mink("append", stream, "T", "--binary-file", str(tmp_path / "payload"), "--metadata", "a=1", "--metadata", "b=x=y")
        (event,) = objects(mink("stream", "events", stream, "-o", "json").stdout)
        assert event["binary"] is True
        assert event["data"]["data_base64"].startswith("AAEC")
        assert event["metadata"] == {"a": "1", "b": "x=y"}

    def test_a_wrong_expectation_names_what_was_expected_and_what_is(self, mink, stream):
        mink("append", stream, "T", "1", "--expect", "no-stream")
        again = mink("append", stream, "T", "1", "--expect", "no-stream", code=1).stderr.decode()
        assert again == f"mink: nothing was changed: expected that there is no stream {stream}, but it is at version 1\n"
        version = mink("append", stream, "T", "1", "--expect", "7", code=1).stderr.decode()
        assert version == f"mink: nothing was changed: expected stream {stream} at version 7, but it is at version 1\n"
        absent = mink("append", stream + "0", "T", "1", "--expect", "stream-exists", code=1).stderr.decode()
        assert absent.endswith("exists, but it does not exist\n")
        mink("append", stream, "T", "1", "--expect", "1")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["T", "{bad"], "json: must be"),
            (["T", "1", "--id", "nope"], "id: must be a UUID"),
            (["", "1"], "type: must not be empty"),
            (["T"], "give the payload once"),
            (["T", "1", "--file", "/nope"], "give the payload once"),
            (["T", "1", "--expect", "huh"], "--expect: any, no-stream, stream-exists or a version"),
            (["T", "1", "--expect", "-1"], "--expect: any"),
            (["T", "1", "--metadata", "huh"], "--metadata: KEY=VALUE"),
            (["T", "1", "--timeout", "nan"], "'--timeout'"),
            (["T", "1", "--nope"], "No such option"),
            (["T", "1", "--server", "nope"], "--server (MINK_SERVER): HOST:PORT"),
            (["T", "1", "--server", "a b:50051"], "--server (MINK_SERVER): HOST:PORT"),
            (["T", "1", "--server", "http://localhost:50051"], "--server (MINK_SERVER): HOST:PORT"),
            (["T\udcff", "1"], "not UTF-8"),
        ],
    )
    def test_a_wrong_call_is_one_line_and_ends_with_2(self, mink, stream, arguments, said):
        assert said in mink("append", stream, *arguments, code=2).stderr.decode()

    def test_a_file_that_is_not_there_is_one_line(self, mink, stream):
        error = mink("append", stream, "T", "--file", "/nope", code=1).stderr
        assert error == b"mink: cannot read /nope: No such file or directory\n"


class TestReading:
    async def test_events_are_filtered(self, mink, server, stream):
        other = stream[:-1] + "2"
        first = await put(server, stream, NewEvent("Red", 1), NewEvent("Blue", 2))
        await put(server, other, NewEvent("Red", 3))
        category = stream.partition("-")[0]
        after = ["--after", str(first.first_position - 1), "-o", "json"]

        def found(*arguments):
            return [event["data"] for event in objects(mink("events", *after, *arguments).stdout)]

        assert found("--category", category) == [1, 2, 3]
        assert found("--category", category, "--type", "Red") == [1, 3]
        assert found("--stream", other, "--prefix", stream) == [1, 2, 3]
        assert found("--prefix", category, "--limit", "1") == [1]

    async def test_events_backwards(self, mink, server, stream):
        done = await put(server, stream, *(NewEvent("T", n) for n in range(3)))
        backwards = objects(mink("events", "--before", str(done.last_position), "--stream", stream, "-o", "json").stdout)
        assert [event["data"] for event in backwards] == [1, 0]
        newest = objects(mink("stream", "events", stream, "--backwards", "--limit", "1", "-o", "json").stdout)
        assert [event["version"] for event in newest] == [3]
        mink("events", "--after", "1", "--backwards", code=2)

    async def test_a_table_in_a_pipe_is_aligned_whole_and_without_colours(self, mink, server, stream):
        await put(server, stream, NewEvent("Short", "x" * 300), NewEvent("MuchLonger", 1))
        header, *rows = mink("stream", "events", stream).stdout.decode().splitlines()
        assert header.split("  ")[0] == "POSITION"
        assert all(row.startswith("2", header.index("RECORDED AT")) for row in rows)
        assert rows[0].endswith("x" * 300 + '"')
        assert "\x1b" not in header

    async def test_nothing_from_a_server_reaches_a_table_as_a_control_character(self, mink, server, stream):
        name = stream + "\u202e\u200f"
        await put(
            server, name, NewEvent("Evil\u2066", "\x9b31m\x7f\u2028"), NewEvent.raw_json("T", "{\r\n}"), NewEvent("T", b"\x1b[31m")
        )
        for arguments in (["stream", "events", name], ["stream", "list", stream], ["stream", "show", name]):
            output = mink(*arguments).stdout.decode()
            assert "\\u202e" in output
            assert all(character.isprintable() for character in output.replace("\n", ""))
        assert len(mink("stream", "events", name, "-o", "json").stdout.decode().splitlines()) == 3

    async def test_a_reader_that_goes_away_ends_it_quietly(self, server, stream):
        await put(server, stream, *(NewEvent("T", "x" * 1000) for _ in range(2000)))
        for arguments in (["events", "--limit", "0"], ["stream", "events", stream, "-o", "json"], ["stream", "export", stream]):
            process = subprocess.Popen(  # noqa: ASYNC220
                [MINK, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**ENV, "MINK_SERVER": server.grpc_address},
            )
            with process:
                assert process.stdout.readline()
                process.stdout.close()
                assert process.stderr.read() == b""
            assert process.returncode == 0

    async def test_a_full_disk_is_one_line(self, server, stream):
        await put(server, stream, NewEvent("T", 1))
        with Path("/dev/full").open("wb") as full:  # noqa: ASYNC230
            done = subprocess.run(  # noqa: ASYNC221
                [MINK, "stream", "events", stream, "--server", server.grpc_address],
                stdout=full,
                stderr=subprocess.PIPE,
                timeout=60,
                check=False,
                env=ENV,
            )
        assert (done.returncode, done.stderr) == (1, b"mink: cannot write the output: No space left on device\n")

    async def test_streams_are_listed_through_all_pages(self, mink, server, stream):
        async with Mink(server.grpc_address) as client:
            for number in range(1, 1101):
                await client.append(f"{stream}{number:04}", [NewEvent("T", 1)], expected=ANY)
        found = json.loads(mink("stream", "list", stream, "-o", "json").stdout)
        assert [info["stream"] for info in found] == [f"{stream}{number:04}" for number in range(1, 1101)]
        assert len(mink("stream", "list", stream, "--limit", "7").stdout.splitlines()) == 8
        assert json.loads(mink("stream", "list", stream + "x", "-o", "json").stdout) == []

    async def test_show_and_stats(self, mink, server, stream):
        await put(server, stream, NewEvent("T", 1), NewEvent("T", 2))
        shown = json.loads(mink("stream", "show", stream, "-o", "json").stdout)
        assert (shown["version"], shown["events"], shown["deleted"]) == (2, 2, False)
        stats = json.loads(mink("stream", "stats", "-o", "json").stdout)
        assert stats["events"] >= 2
        assert stats["top_types"][0]["events"] >= 2
        table = mink("stream", "stats").stdout.decode()
        assert "average per stream" in table
        assert "streams with events" in table
        assert "SHARE" in table

    def test_a_stream_that_is_not_there_is_one_line(self, mink, stream):
        for command in ("events", "show", "export"):
            assert mink("stream", command, stream, code=1).stderr.decode() == f"mink: there is no stream {stream}\n"

    def test_a_position_beyond_the_head_is_one_line(self, mink):
        assert b"position 99999999 is beyond the newest" in mink("tail", "--after", "99999999", code=1).stderr


class TestTail:
    @pytest.fixture
    def tail(self, server):
        started = []

        def start(*arguments, address=server.grpc_address):
            process = subprocess.Popen(
                [MINK, "tail", "-v", *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**ENV, "MINK_SERVER": address},
            )
            started.append(process)
            assert "caught up" in process.stderr.readline()
            return process

        yield start
        for process in started:
            process.kill()
            process.communicate()

    async def test_shows_what_is_appended_from_now_on_and_stops_at_the_limit(self, tail, server, stream):
        await put(server, stream, NewEvent("T", "old"))
        process = tail("--stream", stream, "--limit", "2", "-o", "json")
        await put(server, stream, NewEvent("T", 1), NewEvent("T", 2), NewEvent("T", 3))
        output, _ = process.communicate(timeout=30)
        assert [event["data"] for event in objects(output.encode())] == [1, 2]
        assert process.returncode == 0

    async def test_ctrl_c_ends_it_quietly(self, tail, server, stream):
        await put(server, stream, NewEvent("T", "old"))
        process = tail("--from-start", "--stream", stream)
        assert process.stdout.readline().startswith("POSITION")
        assert '"old"' in process.stdout.readline()
        await put(server, stream, NewEvent("T", "new"))
        assert '"new"' in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == 0

    async def test_carries_on_when_the_server_comes_back(self, tail, start_server, stream):
        own = start_server()
        await put(own, stream, NewEvent("T", 1))
        process = tail("--after", "0", "-o", "json", address=own.grpc_address)
        assert json.loads(process.stdout.readline())["data"] == 1
        own.kill()
        assert process.stderr.readline().startswith("mink: subscription interrupted at position 1: ")
        own.start()
        await put(own, stream, NewEvent("T", 2))
        assert json.loads(process.stdout.readline())["data"] == 2


class TestExport:
    async def test_runs_as_the_reference_page_writes_it(self, mink, server, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        text = '{"b":1.10,"a":123456789012345678901234567890,"a":"\\u0000 ü"}'
        done = await put(
            server, "Order-12345", NewEvent.raw_json("Placed", text, metadata={"k": "v"}), NewEvent("Blob", b"\x00\xff")
        )
        said = mink("stream", "export", "Order-12345", "--output", "debug_order.json").stdout
        assert said == b"Exported 2 events of Order-12345 to debug_order.json.\n"
        written = (tmp_path / "debug_order.json").read_bytes()
        assert b'"data":' + text.encode() + b"," in written
        first, second = json.loads(written)
        assert list(first) == ["id", "stream_id", "version", "type", "data", "metadata", "timestamp", "position"]
        assert (first["stream_id"], first["version"], first["type"]) == ("Order-12345", 1, "Placed")
        assert (first["metadata"], first["position"]) == ({"k": "v"}, done.first_position)
        assert (second["data"], second["binary"]) == ({"data_base64": "AP8="}, True)
        assert [path.name for path in tmp_path.iterdir()] == ["debug_order.json"]
        assert mink("stream", "export", "Order-12345").stdout == written
        assert mink("stream", "export", "Order-12345", "-o", "-").stdout == written

    async def test_json_is_the_name_of_a_file(self, mink, server, stream, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        await put(server, stream, NewEvent("T", 1))
        mink("stream", "export", stream, "--output", "json")
        assert len(json.loads((tmp_path / "json").read_text())) == 1

    def test_an_export_that_fails_leaves_the_file_as_it_was(self, mink, stream, tmp_path):
        file = tmp_path / "file.json"
        file.write_text("before")
        mink("stream", "export", stream, "--output", str(file), code=1)
        assert file.read_text() == "before"
        assert list(tmp_path.iterdir()) == [file]

    async def test_a_target_that_cannot_be_written_is_one_line(self, mink, server, stream, tmp_path):
        await put(server, stream, NewEvent("T", 1))
        assert b"is a folder" in mink("stream", "export", stream, "-o", str(tmp_path), code=2).stderr
        assert b"No such file or directory" in mink("stream", "export", stream, "-o", str(tmp_path / "no" / "file"), code=1).stderr
        mink("stream", "export", stream, "-o", "/dev/null")
        assert Path("/dev/null").is_char_device()  # noqa: ASYNC240

    async def test_a_link_stays_a_link(self, mink, server, stream, tmp_path):
        await put(server, stream, NewEvent("T", 1))
        (tmp_path / "link").symlink_to(tmp_path / "file")
        (tmp_path / "file").write_text("before")
        (tmp_path / "file").chmod(0o600)
        mink("stream", "export", stream, "-o", str(tmp_path / "link"))
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
        assert len(json.loads((tmp_path / "file").read_text())) == 1

    async def test_a_stream_whose_events_are_all_removed_is_an_empty_array(self, mink, server, stream):
        await put(server, stream, NewEvent("T", 1))
        mink("stream", "truncate", stream, "--before", "2", "--yes")
        assert json.loads(mink("stream", "export", stream).stdout) == []


class TestRemoving:
    @pytest.mark.parametrize("flags", [[], ["--non-interactive"]])
    async def test_is_refused_when_nobody_can_be_asked(self, mink, server, stream, flags):
        await put(server, stream, NewEvent("T", 1))
        for arguments in (
            ["stream", "delete", stream],
            ["stream", "truncate", stream, "--before", "2"],
            ["snapshot", "delete", stream],
        ):
            assert b"pass --yes" in mink(*arguments, *flags, code=2).stderr
        assert len(objects(mink("stream", "events", stream, "-o", "json").stdout)) == 1

    async def test_truncate(self, mink, server, stream):
        await put(server, stream, NewEvent("T", 1), NewEvent("T", 2), NewEvent("T", 3))
        done = json.loads(mink("stream", "truncate", stream, "--before", "3", "--yes", "-o", "json").stdout)
        assert done == {"stream": stream, "removed": 2, "version": 3}
        assert [event["data"] for event in objects(mink("stream", "events", stream, "-o", "json").stdout)] == [3]
        assert b"before_version: " in mink("stream", "truncate", stream, "--before", "99", "--yes", code=2).stderr

    async def test_delete(self, mink, server, stream):
        await put(server, stream, NewEvent("T", 1), NewEvent("T", 2))
        wrong = mink("stream", "delete", stream, "--expect", "1", "--yes", code=1).stderr.decode()
        assert wrong.endswith(f"expected stream {stream} at version 1, but it is at version 2\n")
        assert mink("stream", "delete", stream, "--yes").stdout.decode().startswith(f"Deleted {stream}: removed 2 events")
        assert b"was deleted\n" in mink("stream", "events", stream, code=1).stderr
        assert stream not in mink("stream", "list", stream).stdout.decode()
        assert "deleted" in mink("stream", "list", stream, "--deleted").stdout.decode()
        mink("append", stream, "T", "1", "--expect", "no-stream")

    async def test_delete_with_a_tombstone(self, mink, server, stream):
        await put(server, stream, NewEvent("T", 1))
        mink("stream", "delete", stream, "--tombstone", "--yes")
        assert b"was deleted for good\n" in mink("append", stream, "T", "1", code=1).stderr

    async def test_snapshots(self, mink, server, stream):
        await put(server, stream, NewEvent("T", 1))
        assert mink("snapshot", "show", stream, code=1).stderr.decode() == f"mink: the stream {stream} has no snapshot\n"
        async with Mink(server.grpc_address) as client:
            await client.save_snapshot(stream, version=1, state={"qty": 2}, metadata={"revision": "3"})
        shown = json.loads(mink("snapshot", "show", stream, "-o", "json").stdout)
        assert (shown["version"], shown["state"], shown["metadata"]) == (1, {"qty": 2}, {"revision": "3"})
        assert 'state              {"qty":2}\n' in mink("snapshot", "show", stream).stdout.decode()
        mink("snapshot", "delete", stream, "--yes")
        mink("snapshot", "delete", stream, "--yes", code=1)


class TestDiagnose:
    def test_names_every_check(self, mink, server):
        table = mink("diagnose").stdout.decode()
        assert table.startswith("CHECK")
        assert "schema" in table
        found = json.loads(mink("diagnose", "-o", "json").stdout)
        assert found["healthy"] is True
        assert found["checks"][0]["message"].endswith(server.grpc_address)

    def test_a_server_that_is_not_there_is_a_failed_check_and_comes_soon(self, mink):
        began = time.monotonic()
        done = mink("diagnose", "-o", "json", code=1, MINK_SERVER="127.0.0.1:1")
        assert time.monotonic() - began < 5
        (check,) = json.loads(done.stdout)["checks"]
        assert (check["component"], check["outcome"]) == ("server", "FAILED")
        assert check["message"] == "cannot reach Mink at 127.0.0.1:1"
        assert "mink serve" in check["recommendation"]
        assert b"cannot reach" in mink("diagnose", code=1, MINK_SERVER="127.0.0.1:1").stdout

    def test_something_that_is_not_mink_is_told(self, mink, server):
        assert b"cannot reach Mink at" in mink("stream", "list", "--server", server.http_address, code=1).stderr


class TestEveryCommand:
    COMMANDS = (
        ["append", "Order-1", "T", "1"],
        ["events"],
        ["tail"],
        ["stream", "list"],
        ["stream", "show", "Order-1"],
        ["stream", "events", "Order-1"],
        ["stream", "stats"],
        ["stream", "export", "Order-1"],
        ["stream", "delete", "Order-1", "--yes"],
        ["stream", "truncate", "Order-1", "--before", "1", "--yes"],
        ["snapshot", "show", "Order-1"],
        ["snapshot", "delete", "Order-1", "--yes"],
    )

    @pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
    def test_says_when_there_is_no_server(self, mink, command):
        error = mink(*command, "--non-interactive", code=1, MINK_SERVER="127.0.0.1:1").stderr.decode()
        assert error == (
            "mink: cannot reach Mink at 127.0.0.1:1: is it running? Start it with `mink serve`, or set MINK_SERVER or --server\n"
        )

    def test_version(self, mink):
        assert mink("--version").stdout.startswith(b"mink-client ")
        assert "mink-client" in json.loads(mink("version", "-o", "json").stdout)
