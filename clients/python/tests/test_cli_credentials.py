"""The command line's side of TLS and tokens."""

import asyncio
import sys
from pathlib import Path

import pytest
from mink.v1 import event_store_pb2 as es

MINK = Path(sys.executable).with_name("mink")
TOKEN = "mink_cli-token-0123456789"
SECRET = "mink_0123456789ab_" + "c0ffee" * 10
PEM = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0c2VjcmV0\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def mink(server):
    """Runs `mink stream show Order-1`."""

    async def answer(request, context):
        return es.GetStreamResponse(stream=es.StreamInfo(stream=request.stream, version=1, events=1))

    async def run(*options, code=0, arguments=("stream", "show", "Order-1"), **env):
        server.on_unary = answer
        env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "COLUMNS": "100", "MINK_SERVER": f"localhost:{server.port}", **env}
        process = await asyncio.create_subprocess_exec(
            MINK, *arguments, *options, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            output, errors = await process.communicate()
        assert process.returncode == code, errors.decode()
        assert errors.count(b"\n") == (1 if code else 0), errors.decode()
        return (errors if code else output).decode()

    return run


@pytest.fixture
async def secured(server, authority):
    """The server wants client certificates and tokens."""
    await server.stop()
    server.port = 0
    await server.start(authority.serves(clients=authority))
    server.tokens = {TOKEN}


@pytest.mark.usefixtures("secured")
async def test_options_and_variables_say_the_same(mink, server, own, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    options = {
        "--ca-file": ("MINK_CA_FILE", str(own.ca_file)),
        "--client-cert-file": ("MINK_CLIENT_CERT_FILE", str(own.cert_file)),
        "--client-key-file": ("MINK_CLIENT_KEY_FILE", str(own.key_file)),
        "--token-file": ("MINK_TOKEN_FILE", str(tmp_path / "token")),
    }
    given = [text for option, (_, value) in options.items() for text in (option, value)]
    variables = dict(options.values())
    assert "Order-1" in await mink(*given)
    assert "Order-1" in await mink(*given, MINK_TLS="false", MINK_TOKEN="another", MINK_CA_FILE="/absent")  # options come first
    assert "Order-1" in await mink(**variables)
    assert "Order-1" in await mink("--tls", **variables | {"MINK_TLS": "false"})
    del variables["MINK_TOKEN_FILE"]
    assert "Order-1" in await mink(**variables, MINK_TOKEN=TOKEN)
    assert server.identities == ["billing"] * 5
    assert {call["authorization"] for call in server.calls} == {f"Bearer {TOKEN}"}


@pytest.mark.usefixtures("secured")
async def test_what_is_missing_is_said_in_one_line(mink, own, stranger):
    files = {"MINK_CLIENT_CERT_FILE": str(own.cert_file), "MINK_CLIENT_KEY_FILE": str(own.key_file)}
    known = {"MINK_CA_FILE": str(own.ca_file)}
    assert "if it speaks TLS, turn TLS on here (--tls, MINK_TLS)" in await mink(code=1)
    assert "--client-cert-file (MINK_CLIENT_CERT_FILE) is missing" in await mink(code=1, **known)
    assert "look at --ca-file (MINK_CA_FILE)" in await mink("--tls", code=1, **files | {"MINK_CA_FILE": str(stranger.file)})
    no_token = await mink(code=1, **files, **known)
    assert no_token.startswith("mink: no such token; --token-file, MINK_TOKEN_FILE or MINK_TOKEN gives a token")
    said = await mink(code=1, arguments=("diagnose",), **known)
    assert said == "mink: failed: server\n"


@pytest.mark.parametrize(
    ("options", "env", "said"),
    [
        (["--ca-file", "/absent"], {}, "--ca-file (MINK_CA_FILE): cannot read /absent: No such file or directory"),
        ([], {"MINK_CLIENT_CERT_FILE": "/x"}, "--client-key-file (MINK_CLIENT_KEY_FILE): goes with cert_file"),
        (["--client-key-file", "/x"], {}, "--client-cert-file (MINK_CLIENT_CERT_FILE): goes with key_file"),
        (["--token-file", "/absent"], {}, "--token-file (MINK_TOKEN_FILE): cannot read /absent: No such file"),
        ([], {"MINK_TOKEN": "mink_a b"}, "MINK_TOKEN: it is not 4096 or fewer printable ASCII characters"),
        ([], {"MINK_TOKEN": TOKEN, "MINK_TOKEN_FILE": "/x"}, "MINK_TOKEN and MINK_TOKEN_FILE are both set"),
        (["--token-file", SECRET], {}, "--token-file (MINK_TOKEN_FILE): holds the content, not the path of a file"),
        ([], {"MINK_TOKEN_FILE": SECRET}, "--token-file (MINK_TOKEN_FILE): holds the content"),
        (["--client-cert-file", "/x", "--client-key-file", PEM], {}, "--client-key-file (MINK_CLIENT_KEY_FILE): holds the content"),
        ([], {"MINK_CA_FILE": PEM}, "--ca-file (MINK_CA_FILE): holds the content"),
        (["--server", SECRET], {}, "HOST:PORT"),
        (["--server", PEM], {}, "HOST:PORT"),
        ([], {"MINK_TLS": SECRET}, "MINK_TLS: true or false"),
        ([f"--{SECRET}"], {}, "No such option"),
        (["more", PEM], {}, "No such option"),
        ([], {"MINK_TLS": "maybe"}, "--tls: MINK_TLS: true or false, not 'maybe'"),
        (["--server", "mink.example:1"], {"MINK_TOKEN": TOKEN}, "the token would go to another machine in clear: turn TLS on"),
        (["--token", TOKEN], {}, "No such option"),
    ],
)
async def test_what_cannot_be_right_is_one_line_and_ends_with_2(mink, options, env, said):
    error = await mink(*options, code=2, **env)
    assert said in error
    assert TOKEN not in error or "--token" in options
    assert SECRET[18:] not in error
    assert "c2VjcmV0" not in error
