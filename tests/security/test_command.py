"""`mink token`, run as a person or a script runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from tests.security.conftest import address_of, until

MINK = Path(sys.executable).with_name("mink")


@pytest.fixture
def mink(tmp_path):
    """Runs `mink token` on a file of the test's own."""

    def run(*arguments, code=0, **env):
        given = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MINK_TOKENS_FILE": str(tmp_path / "tokens.json"), **env}
        done = subprocess.run(
            [MINK, "token", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=given,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
        if code:
            assert done.stderr.count("\n") == 1, done.stderr
            assert done.stdout == ""
        return done

    return run


def test_a_token_is_printed_once_alone_on_standard_output(mink, tmp_path):
    done = mink("create", "billing", "--role", "read", "--role", "append", "--prefix", "Order-", "--expires", "90d")
    token = done.stdout.strip()
    assert done.stdout == token + "\n"
    assert token.startswith("mink_")
    assert token not in done.stderr
    (entry,) = json.loads(mink("list", "-o", "json").stdout)
    assert token.split("_")[1] == entry["id"]
    assert (entry["name"], entry["roles"], entry["prefixes"], entry["state"]) == (
        "billing",
        ["read", "append"],
        ["Order-"],
        "valid",
    )
    left = datetime.fromisoformat(entry["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89) < left <= timedelta(days=90)
    for text in (mink("list").stdout, mink("list", "-o", "json").stdout, (tmp_path / "tokens.json").read_text()):
        assert token.split("_")[2] not in text
    assert "sha256" not in mink("list", "-o", "json").stdout


def test_as_json_it_is_one_object_with_the_token(mink):
    made = json.loads(mink("create", "ops", "--role", "admin", "--output", "json").stdout)
    assert made["token"].split("_")[1] == made["id"]
    assert (made["roles"], made["prefixes"], made["expires_at"]) == (["admin"], [], None)


def test_a_certificate_is_let_in_without_a_token(mink):
    done = mink("create", "worker", "--role", "read", "--certificate", "spiffe://x/worker")
    assert done.stdout == ""
    (entry,) = json.loads(mink("list", "-o", "json").stdout)
    assert (entry["certificate"], entry["name"]) == ("spiffe://x/worker", "worker")
    assert "spiffe://x/worker" in mink("list").stdout
    assert "have the same" not in mink("create", "x", "--role", "read").stderr
    assert "same" in mink("create", "again", "--role", "read", "--certificate", "spiffe://x/worker", code=2).stderr
    assert "Revoked the certificate spiffe://x/worker of worker." in mink("revoke", "spiffe://x/worker").stderr


def test_revokes_by_id_or_by_a_name_that_is_there_once(mink):
    ids = [json.loads(mink("create", "billing", "--role", "read", "-o", "json").stdout)["id"] for _ in range(2)]
    error = mink("revoke", "billing", code=1).stderr
    assert all(token_id in error for token_id in ids)
    mink("revoke", ids[0])
    assert [entry["id"] for entry in json.loads(mink("list", "-o", "json").stdout)] == [ids[1]]
    assert json.loads(mink("revoke", "billing", "-o", "json").stdout)["id"] == ids[1]
    assert "there is no token or certificate of 'billing'" in mink("revoke", "billing", code=1).stderr
    assert json.loads(mink("list", "-o", "json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["create", "a"], 2, "--role"),
        (["create", "a", "--role", "reed"], 2, "'read', 'append', 'manage', 'admin'"),
        (["create", "a", "--role", "read", "--expires", "1y"], 2, "--expires: a number with m, h, d or w"),
        (["create", "a", "--role", "read", "--expires", "0d"], 2, "--expires"),
        (["create", "a", "--role", "read", "--expires", "99999999w"], 2, "--expires: at most 100 years (36500d)"),
        (["create", "a", "--role", "read", "--expires", "9" * 5000 + "w"], 2, "--expires: at most 100 years (36500d)"),
        (["create", "a", "--role", "read", "--expires", "9d", "--certificate", "x"], 2, "--expires goes with a token"),
        (["create", "", "--role", "read"], 2, "name: must not be empty"),
        (["create", "a", "--role", "read", "--prefix", ""], 2, "prefixes[0]: must not be empty"),
        (["create", "a", "--role", "read", "--file", "/nope/t.json"], 1, "/nope/t.json: No such file or directory"),
        (["list", "--file", "/nope/t.json"], 1, "/nope/t.json: No such file or directory"),
        (["revoke", "a", "--file", "/nope/t.json"], 1, "/nope/t.json: No such file or directory"),
    ],
)
def test_a_wrong_call_is_one_line(mink, arguments, code, said):
    assert said in mink(*arguments, code=code).stderr


@pytest.mark.parametrize("command", [["list"], ["revoke", "a"], ["create", "a", "--role", "read"]])
@pytest.mark.parametrize(
    "content", ["-----BEGIN hush", '{"hush": 1}', "hush\nhush", "hush" * 251, "mink_ab12_hush" + "0" * 40, "hush" * 70]
)
def test_what_a_file_holds_is_not_shown_if_it_stands_where_its_path_belongs(mink, command, content):
    for said in (
        mink(*command, code=1 if len(content) == 280 else 2, MINK_TOKENS_FILE=content),
        mink(*command, f"--file={content}", code=1 if len(content) == 280 else 2),
    ):
        assert "MINK_TOKENS_FILE" in said.stderr
        assert "hush" not in said.stderr


def test_without_a_file_it_says_so(mink):
    assert "say which file" in mink("list", code=2, MINK_TOKENS_FILE="").stderr


def test_a_broken_file_is_left_as_it_is(mink, tmp_path):
    path = tmp_path / "tokens.json"
    path.write_text("{")
    assert "is not JSON" in mink("create", "a", "--role", "read", code=1).stderr
    assert path.read_text() == "{"


async def test_a_running_server_knows_a_new_token_and_forgets_a_revoked_one(mink, start_secured, authority, tokens, connect):
    assert tokens.path.name == "tokens.json"
    server = start_secured()
    client = connect(address_of(server), authority.roots, mink("create", "a", "--role", "read").stdout.strip())

    async def answers(code):
        return await client.statistics_code() is code

    await until(lambda: answers(grpc.StatusCode.NOT_FOUND), "the token is not known")
    mink("revoke", "a")
    await until(lambda: answers(grpc.StatusCode.UNAUTHENTICATED), "the token still counts")
