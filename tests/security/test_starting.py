"""What stops a server at its start, in one line that names the setting, and what never appears anywhere."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from mink_server.security.errors import SecurityFileError
from mink_server.security.security import Security

from tests.security.conftest import address_of, replace, until
from tests.support.servers import MinkProcess


def pem(key, encryption=None):
    encryption = encryption or serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


WRONG = {
    "no certificate": (lambda f, a: (f / "server.pem").unlink(), "MINK_TLS_CERT_FILE: {}/server.pem: No such file or directory"),
    "certificate is text": (lambda f, a: (f / "server.pem").write_text("hush"), "MINK_TLS_CERT_FILE: {}/server.pem: holds no"),
    "certificate is huge": (lambda f, a: (f / "server.pem").write_bytes(b"x" * 5_000_000), "has more than 4194304 bytes"),
    "no key": (lambda f, a: (f / "server.key").unlink(), "MINK_TLS_KEY_FILE: {}/server.key: No such file or directory"),
    "key is text": (lambda f, a: (f / "server.key").write_text("hush"), "MINK_TLS_KEY_FILE: {}/server.key: holds no private key"),
    "key is a folder": (lambda f, a: ((f / "server.key").unlink(), (f / "server.key").mkdir()), "{}/server.key: Is a directory"),
    "key is encrypted": (
        lambda f, a: (f / "server.key").write_bytes(
            pem(ec.generate_private_key(ec.SECP256R1()), serialization.BestAvailableEncryption(b"hush"))
        ),
        "MINK_TLS_KEY_FILE: {}/server.key: is encrypted",
    ),
    "key of another": (
        lambda f, a: (f / "server.key").write_bytes(a.client("x.internal")[0]),
        "MINK_TLS_KEY_FILE: {}/server.key: is not the key of the first certificate in {}/server.pem (MINK_TLS_CERT_FILE)",
    ),
    "key that gRPC does not take": (
        lambda f, a: (f / "server.key").write_bytes(pem(ed25519.Ed25519PrivateKey.generate())),
        "MINK_TLS_KEY_FILE: {}/server.key: must be RSA",
    ),
    "no CA": (lambda f, a: (f / "ca.pem").unlink(), "MINK_TLS_CLIENT_CA_FILE: {}/ca.pem: No such file or directory"),
    "CA is text": (lambda f, a: (f / "ca.pem").write_text("hush"), "MINK_TLS_CLIENT_CA_FILE: {}/ca.pem: holds no certificates"),
    "no tokens": (
        lambda f, a: (f / "tokens.json").unlink(),
        "MINK_TOKENS_FILE: {}/tokens.json: there is no such file; `mink token create NAME --role ROLE` makes it",
    ),
    "tokens are no JSON": (lambda f, a: (f / "tokens.json").write_text("hush"), "MINK_TOKENS_FILE: {}/tokens.json: is not JSON"),
    "tokens are something else": (lambda f, a: (f / "tokens.json").write_text('{"token": []}'), "there is no field 'token'"),
    "tokens are a pipe": (
        lambda f, a: ((f / "tokens.json").unlink(), os.mkfifo(f / "tokens.json")),
        "MINK_TOKENS_FILE: {}/tokens.json: is not a regular file",
    ),
    "key is a pipe": (
        lambda f, a: ((f / "server.key").unlink(), os.mkfifo(f / "server.key")),
        "MINK_TLS_KEY_FILE: {}/server.key: is not a regular file",
    ),
    "certificate has expired": (
        lambda f, a: a.server_files(not_after=datetime.now(UTC) - timedelta(days=1)),
        "MINK_TLS_CERT_FILE: {}/server.pem: has expired, on ",
    ),
    "certificate is not valid yet": (
        lambda f, a: a.server_files(not_before=datetime.now(UTC) + timedelta(days=1)),
        "MINK_TLS_CERT_FILE: {}/server.pem: is not valid before ",
    ),
    "CA is a client's certificate": (
        lambda f, a: (f / "ca.pem").write_bytes(a.client("x.internal")[1]),
        "MINK_TLS_CLIENT_CA_FILE: {}/ca.pem: holds a certificate that is not a CA's",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_that_cannot_be_used_is_named_with_its_setting(wrong, authority, tokens):
    spoil, said = WRONG[wrong]
    cert, key = authority.server_files()
    spoil(authority.folder, authority)
    with pytest.raises(SecurityFileError) as failed:
        Security(cert, key, authority.ca_file, tokens.path)
    line = str(failed.value)
    assert line.startswith("MINK_T")
    assert said.format(authority.folder, authority.folder) in line
    assert "\n" not in line
    assert "hush" not in line
    assert "PRIVATE" not in line


@pytest.mark.parametrize("name", ["server.key", "tokens.json"])
def test_it_stops_the_server_with_one_line_before_a_database_is_started(name, authority, tokens, tmp_path):
    cert, key = authority.server_files()
    (authority.folder / name).write_text("hush")
    server = MinkProcess(
        MINK_DATA_DIR=str(tmp_path / "data"),
        MINK_TLS_CERT_FILE=str(cert),
        MINK_TLS_KEY_FILE=str(key),
        MINK_TOKENS_FILE=str(tokens.path),
    )
    with pytest.raises(RuntimeError) as failed:
        server.start()
    (line,) = str(failed.value).splitlines()[1:]
    assert line.startswith("mink serve: MINK_T")
    assert "hush" not in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("content", ["PEM", "x" * 300])
@pytest.mark.parametrize("name", ["MINK_TLS_CERT_FILE", "MINK_TLS_KEY_FILE", "MINK_TLS_CLIENT_CA_FILE", "MINK_TOKENS_FILE"])
def test_what_a_file_holds_is_not_shown_if_it_stands_where_its_path_belongs(name, content, authority, tokens, tmp_path):
    cert, key = authority.server_files()
    if content == "PEM":
        content = key.read_text()
    env = {"MINK_TLS_CERT_FILE": str(cert), "MINK_TLS_KEY_FILE": str(key), "MINK_TOKENS_FILE": str(tokens.path)}
    server = MinkProcess(MINK_DATA_DIR=str(tmp_path / "data"), **{**env, name: content})
    with pytest.raises(RuntimeError) as failed:
        server.start()
    (line,) = str(failed.value).splitlines()[1:]
    assert line.startswith(f"mink serve: {name}: ")
    assert not any(part in line for part in content.splitlines())
    assert "x" * 20 not in line


def test_the_setting_of_an_address_that_is_in_use_is_named(start_server):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for name in ("MINK_HTTP_LISTEN", "MINK_METRICS_LISTEN", "MINK_LISTEN"):
            with pytest.raises(RuntimeError, match=f"mink serve: {name}: cannot listen on {address}: "):
                start_server(**{name: address})


def test_variables_of_clients_are_warned_of_where_they_guard_nothing(start_server, tokens):
    server = start_server(MINK_TOKEN_FILE=str(tokens.path), MINK_CA_FILE="x", MINK_SERVER="localhost:1")
    assert "Warning: MINK_TOKEN_FILE is for clients, and does nothing here; a server has MINK_TOKENS_FILE." in server.output
    assert "Warning: MINK_CA_FILE is for clients" in server.output
    assert "MINK_SERVER is" not in server.output
    with pytest.raises(RuntimeError, match="MINK_TOKEN_FILE: is for clients, and does not guard"):
        start_server(MINK_TOKEN_FILE=str(tokens.path), MINK_INSECURE="true", MINK_LISTEN="0.0.0.0:0")
    server = start_server(MINK_TOKEN_FILE="x", MINK_TOKENS_FILE=str(tokens.path))
    assert "is for clients" not in server.output


def in_process_list(pid):
    """What others on the machine see of a process, and its environment besides."""
    return "".join(Path(f"/proc/{pid}/{name}").read_text() for name in ("cmdline", "environ"))


async def test_no_secret_is_in_the_log_in_the_process_list_or_in_an_answer(start_secured, authority, tokens, connect):
    good, revoked = tokens.add("good", "read", "append", "manage", "admin"), tokens.add("bad", "read")
    server = start_secured(MINK_LOG_LEVEL="debug", MINK_ACCESS_LOG="true")
    client = connect(address_of(server), authority.roots, good)
    await client.append("A-1")
    answers = []
    for text in (revoked, revoked + "0", good[:-1], "mink_" + good.split("_")[2], good.split("_")[2]):
        other = connect(address_of(server), authority.roots, text)
        try:
            await other.append("A-1")
        except grpc.aio.AioRpcError as error:
            answers.append(str(error.details()) + str(error.trailing_metadata()))
    tokens.remove("bad")
    replace(authority.folder / "server.key", authority.client("x.internal")[0])
    await until(lambda: "reload failed" in server.output, "it was not noticed")
    assert len(answers) == 5
    seen = "\n".join([server.output, in_process_list(server.pid), *answers])
    for secret in (good.split("_")[2], revoked.split("_")[2]):
        assert secret[:32] not in seen
        assert secret[:-1] not in seen
    for line in (authority.folder / "server.key").read_text().splitlines()[1:-1]:
        assert line not in seen


async def test_tokens_work_without_tls_on_loopback(start_server, tokens, connect):
    text = tokens.add("a", "read")
    server = start_server(MINK_TOKENS_FILE=str(tokens.path))
    assert await connect(server.grpc_address, None, text).statistics_code() is grpc.StatusCode.NOT_FOUND
    assert await connect(server.grpc_address, None).statistics_code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("lacks", ["tls", "tokens"])
def test_other_addresses_than_loopback_need_both_tls_and_somebody_to_know(lacks, start_server, authority, tokens):
    cert, key = authority.server_files()
    env = {"MINK_TOKENS_FILE": str(tokens.path)} if lacks == "tls" else {}
    if lacks == "tokens":
        env |= {"MINK_TLS_CERT_FILE": str(cert), "MINK_TLS_KEY_FILE": str(key)}
    with pytest.raises(RuntimeError, match=r"MINK_LISTEN: 0\.0\.0\.0:0 can be reached from other machines"):
        start_server(MINK_LISTEN="0.0.0.0:0", **env)


async def test_reflection_is_off_if_it_is_set_so(start_secured, authority, connect):
    def asked(server):
        client = connect(address_of(server), authority.roots)
        return client.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")

    call = asked(start_secured(MINK_REFLECTION="false"))(timeout=20)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call.read()
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
    call = asked(start_secured())(iter([b"\x3a\x00"]), timeout=20)
    assert b"mink.v1.EventStore" in await call.read()
    call.cancel()


def test_an_empty_tokens_file_lets_nobody_in_and_the_server_says_so(start_secured):
    assert "the tokens file names nobody" in start_secured().output
