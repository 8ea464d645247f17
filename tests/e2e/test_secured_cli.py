"""The command line and the client against a server that has TLS, tokens and client certificates, all of them real."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import trustme
from mink_client import ANY, TLS, Mink, NewEvent, PermissionDenied, Unauthenticated

MINK = Path(sys.executable).with_name("mink")
CLEAN = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "COLUMNS": "100"}


def run(*arguments, code=0, **env):
    """Runs `mink`; answers with what it wrote to standard output, or to standard error if it is to fail."""
    done = subprocess.run([MINK, *arguments], env={**CLEAN, **env}, capture_output=True, timeout=60, check=False)
    assert done.returncode == code, done
    assert b"Traceback" not in done.stderr
    return (done.stderr if code else done.stdout).decode()


def create(tokens, name, *options):
    """Makes a token, or lets a certificate in."""
    return run("token", "create", name, *options, "--file", str(tokens)).strip()


@pytest.fixture
def authority(tmp_path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    return ca


def write(certificate, folder, name):
    """Puts a certificate into files; answers with their names."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    return str(cert), str(key)


@pytest.fixture
def tokens(tmp_path):
    """The tokens file, which knows an administrator."""
    file = tmp_path / "tokens.json"
    (tmp_path / "admin").write_text(create(file, "admin", "--role", "admin"))
    return file


@pytest.fixture
def secured(start_server, authority, tokens, tmp_path):
    """Starts a server with TLS and tokens."""

    def start(**env):
        cert, key = write(authority.issue_cert("localhost", "127.0.0.1"), tmp_path, "server")
        return start_server(MINK_TLS_CERT_FILE=cert, MINK_TLS_KEY_FILE=key, MINK_TOKENS_FILE=str(tokens), **env)

    return start


@pytest.fixture
def stream():
    """A name that nobody else has."""
    return f"Secured{uuid.uuid4().hex}-1"


def test_a_token_lets_somebody_do_what_its_roles_say(secured, tokens, stream, tmp_path):
    server = secured()
    env = {"MINK_SERVER": server.grpc_address, "MINK_CA_FILE": str(tmp_path / "ca.pem")}
    for name, *options in (
        ("writer", "--role", "read", "--role", "append"),
        ("reader", "--role", "read"),
        ("other", "--role", "read", "--role", "append", "--prefix", "Other"),
    ):
        (tmp_path / name).write_text(create(tokens, name, *options) + "\n")
    server.stop()
    server.start()  # it knows them all now, without waiting for the file to be read again

    def mink(who, *arguments, code=0):
        return run(*arguments, "--token-file", str(tmp_path / who), code=code, **env)

    assert "version   1" in mink("writer", "append", stream, "OrderPlaced", "{}")
    assert json.loads(mink("reader", "events", "--stream", stream, "-o", "json"))["type"] == "OrderPlaced"
    assert "append" in mink("reader", "append", stream, "T", "{}", code=1)
    assert stream in mink("other", "append", stream, "T", "{}", code=1)
    assert "manage" in mink("writer", "stream", "delete", stream, "--yes", code=1)
    assert "OK" in mink("admin", "diagnose")
    for options in ([], ["--output", "json"]):
        refused = mink("writer", "diagnose", *options, code=1)
        assert "admin" in refused
        assert "server" not in refused  # which has answered
        assert refused.count("\n") == 1
    asked = run("diagnose", code=1, **env)
    assert "--token-file, MINK_TOKEN_FILE or MINK_TOKEN gives a token" in asked
    nobody = run("append", stream, "T", "{}", code=1, **env)
    assert "--token-file, MINK_TOKEN_FILE or MINK_TOKEN gives a token" in nobody
    strange = run("append", stream, "T", "{}", code=1, MINK_TOKEN="mink_aaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbb", **env)
    assert "bbbb" not in strange
    in_clear = run("append", stream, "T", "{}", code=1, MINK_SERVER=server.grpc_address)
    assert "if it speaks TLS, turn TLS on here" in in_clear


def test_a_certificate_lets_somebody_in_without_a_token(secured, authority, tokens, stream, tmp_path):
    create(tokens, "billing", "--role", "append", "--role", "read", "--certificate", "billing.example")
    server = secured(MINK_TLS_CLIENT_CA_FILE=str(tmp_path / "ca.pem"))
    cert, key = write(authority.issue_cert("billing.example"), tmp_path, "billing")
    env = {"MINK_SERVER": server.grpc_address, "MINK_CA_FILE": str(tmp_path / "ca.pem")}
    assert "version   1" in run("append", stream, "T", "{}", "--client-cert-file", cert, "--client-key-file", key, **env)
    cert, key = write(authority.issue_cert("stranger.example"), tmp_path, "stranger")
    run("append", stream, "T", "{}", "--client-cert-file", cert, "--client-key-file", key, code=1, **env)


def test_what_grpc_itself_says_stays_out_of_the_way_also_when_a_tail_connects_again(secured, authority, stream, tmp_path):
    server = secured()
    token = (tmp_path / "admin").read_text()
    env = {**CLEAN, "MINK_SERVER": server.grpc_address, "MINK_CA_FILE": str(tmp_path / "ca.pem"), "MINK_TOKEN": token}
    with subprocess.Popen([MINK, "tail", "-v"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tail:
        try:
            assert "caught up" in tail.stderr.readline()
            server.kill()
            assert "subscription interrupted" in tail.stderr.readline()
            # Somebody else, whom the client does not trust, is there now; each attempt is a handshake that fails.
            write(trustme.CA().issue_cert("localhost", "127.0.0.1"), tmp_path, "server")
            server.start()
            heard = []
            while "nobody who is trusted here" not in "".join(heard):
                heard.append(tail.stderr.readline())
                assert heard[-1], heard
            write(authority.issue_cert("localhost", "127.0.0.1"), tmp_path, "server")
            server.kill()
            server.start()
            run("append", stream, "T", "{}", **env)
            assert tail.stdout.readline().startswith("POSITION")
            assert stream in tail.stdout.readline()
        finally:
            tail.kill()
        heard += tail.stderr.read().splitlines()
    assert [line for line in heard if not line.startswith("mink: ")] == []


async def test_a_program_that_runs_on_gets_the_new_token_while_the_old_one_is_revoked(secured, tokens, stream, tmp_path):
    file = tmp_path / "token"
    old = create(tokens, "old", "--role", "append", "--role", "read")
    file.write_text(old)
    server = await asyncio.to_thread(secured)
    tls = TLS(tmp_path / "ca.pem")

    async def refused(text):
        """Waits until the server does not take a token any more."""
        async with asyncio.timeout(60), Mink(server.grpc_address, tls=tls, token=text) as mink:
            while True:
                try:
                    await mink.get_stream(stream)
                except Unauthenticated:
                    return
                await asyncio.sleep(0.05)

    async with (
        Mink(server.grpc_address, tls=tls, token_file=file, timeout=30.0) as mink,
        mink.subscribe_all(streams=[stream]) as events,
    ):
        await mink.append(stream, [NewEvent("T", 1)], expected=0)
        following = aiter(events)
        assert (await anext(following)).version == 1
        with pytest.raises(PermissionDenied) as denied:
            await mink.truncate_stream(stream, before_version=2)
        assert denied.value.role == "manage"

        new = create(tokens, "new", "--role", "append", "--role", "read")
        file.write_text(new)
        run("token", "revoke", "old", "--file", str(tokens))
        await refused(old)
        done = await asyncio.gather(*(mink.append(stream, [NewEvent("T", 1)], expected=ANY) for _ in range(20)))
        assert {result.version for result in done} == set(range(2, 22))
        assert [(await anext(following)).version for _ in range(20)] == list(range(2, 22))

        file.write_text("mink_nobody_knows_this_one")
        run("token", "revoke", "new", "--file", str(tokens))
        await refused(new)
        with pytest.raises(Unauthenticated):
            await mink.append(stream, [NewEvent("T", 1)], expected=ANY)
