"""What a program gives wrongly is told by the argument's name, before anything is sent."""

import os
from functools import partial

import pytest
from mink_client import ANY, TLS, CredentialsError, Mink, NewEvent, StreamAppend
from mink_client.paths import without_secrets

HALF = "a\ud800"
GOOD = NewEvent("T", 1)


def raw(**changed):
    event = NewEvent("T", 1)
    for name, value in changed.items():
        setattr(event, name, value)
    return event


@pytest.mark.parametrize(
    ("stream", "events", "kind", "said"),
    [
        (None, [GOOD], TypeError, r"stream: text \(str\), not NoneType"),
        (7, [GOOD], TypeError, r"stream: text \(str\), not int"),
        (HALF, [GOOD], ValueError, "stream: holds half of a surrogate pair"),
        ("A", GOOD, TypeError, "events: a list of NewEvent, not NewEvent"),
        ("A", None, TypeError, "events: a list of NewEvent, not NoneType"),
        ("A", {"type": "T"}, TypeError, r"events\[0\]: a NewEvent, not str"),
        ("A", [GOOD, {"type": "T"}], TypeError, r"events\[1\]: a NewEvent, not dict"),
        ("A", (event for event in (GOOD, None)), TypeError, r"events\[1\]: a NewEvent, not NoneType"),
        ("A", [GOOD, raw(metadata={"n": 7})], TypeError, r"events\[1\].metadata\['n'\]: text \(str\), not int"),
        ("A", [raw(metadata={7: "n"})], TypeError, r"a key of events\[0\].metadata: text \(str\), not int"),
        ("A", [raw(metadata={"n": HALF})], ValueError, r"events\[0\].metadata\['n'\]: holds half"),
        ("A", [raw(metadata=7)], TypeError, r"events\[0\].metadata: text by name"),
        ("A", [NewEvent(HALF, 1)], ValueError, r"events\[0\].type: holds half"),
        ("A", [NewEvent("T", HALF)], ValueError, r"events\[0\]: the payload: holds half"),
        ("A", [NewEvent.raw_json("T", 7)], TypeError, r"events\[0\]: the payload: text \(str\), not int"),
        ("A", [NewEvent(7, 1)], TypeError, r"events\[0\].type: text \(str\), not int"),
    ],
)
async def test_an_append_that_cannot_be_written_names_what_is_wrong(mink, server, stream, events, kind, said):
    with pytest.raises(kind, match=said) as raised:
        await mink.append(stream, events, expected=ANY)
    assert type(raised.value) is kind
    if isinstance(events, list):
        where = said if said.startswith("stream") else rf"appends\[0\].{said}"
        if not said.startswith(("stream", "a key")):
            with pytest.raises(kind, match=where):
                await mink.append_many([StreamAppend(stream, events, ANY)])
    assert server.appends == []
    assert (await mink.append("A", [GOOD], expected=ANY)).version == 1


async def test_an_append_to_several_streams_names_the_part(mink):
    with pytest.raises(TypeError, match="appends: a list of StreamAppend, not StreamAppend"):
        await mink.append_many(StreamAppend("A", [GOOD], ANY))
    with pytest.raises(TypeError, match=r"appends\[1\]: a StreamAppend, not tuple"):
        await mink.append_many([StreamAppend("A", [GOOD], ANY), ("B", [GOOD], ANY)])
    with pytest.raises(TypeError, match=r"appends\[0\].stream: text \(str\), not int"):
        await mink.append_many([StreamAppend(7, [GOOD], ANY)])
    with pytest.raises(ValueError, match="expected: a version is less than"):
        await mink.append("A", [GOOD], expected=2**64)


async def test_an_error_of_the_callers_own_goes_through_as_it_is(mink):
    def events():
        yield GOOD
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        await mink.append("A", events(), expected=ANY)


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda mink: mink.get_stream(7), TypeError, "stream: cannot be of type int"),
        (lambda mink: mink.get_stream(HALF), ValueError, "stream: holds half"),
        (lambda mink: mink.delete_stream(b"\xff", expected=ANY), ValueError, "stream: "),
        (lambda mink: mink.truncate_stream("A", before_version="1"), TypeError, "before_version: cannot be of type str"),
        (lambda mink: mink.truncate_stream("A", before_version=2**70), ValueError, "before_version: .*out of range"),
        (lambda mink: mink.save_snapshot("A", version=1, state=1, metadata={"n": 7}), TypeError, "metadata: text by name"),
        (lambda mink: mink.save_snapshot("A", version=1, state=1, metadata={"n": HALF}), ValueError, "metadata: holds half"),
        (lambda mink: anext(mink.read_stream(7)), TypeError, "stream: cannot be of type int"),
        (lambda mink: anext(mink.read_all(types=["T", 7])), TypeError, r"types: each is text \(str\), not int"),
        (lambda mink: anext(mink.read_all(types=["T", HALF])), ValueError, "types: holds half"),
    ],
)
async def test_every_other_call_names_the_argument(mink, server, call, kind, said):
    with pytest.raises(kind, match=said):
        await call(mink)
    assert server.requests == []


# Addresses.

GOOD_ADDRESSES = (
    "localhost:50051 10.0.0.1:1 [::1]:65535 dns:///mink-headless.mink:50051 dns:mink:1 dns://8.8.8.8/mink:1 unix:/tmp/x "
    "unix:///tmp/x unix-abstract:x ipv4:10.0.0.1:1,10.0.0.2:1 ipv6:[::1]:1 xds:///mink"
)
BAD_ADDRESSES = (
    "localhost mink.example dns:///mink 127.0.0.1 ::1:50051 [::1] :50051 localhost: localhost:0 localhost:65536 localhost:http "
    "http://localhost:50051 https://mink.example grpc://localhost:1 ipv4:10.0.0.1 unix: localhost:50051/x"
)


@pytest.mark.parametrize(
    "address",
    GOOD_ADDRESSES.split(),
)
def test_addresses_that_grpc_takes_are_taken(address):
    assert Mink(address).server == address


@pytest.mark.parametrize(
    "address",
    [*BAD_ADDRESSES.split(), "a b:1", "localhost:1\n"],
)
def test_an_address_without_a_port_or_of_another_kind_is_refused(address, monkeypatch):
    with pytest.raises(ValueError, match="server: HOST:PORT, for example localhost:50051, not "):
        Mink(address)
    monkeypatch.setenv("MINK_SERVER", address)
    with pytest.raises(ValueError, match="MINK_SERVER: HOST:PORT"):
        Mink()


def test_no_address_is_the_default_and_what_is_no_text_is_refused(monkeypatch):
    monkeypatch.delenv("MINK_SERVER", raising=False)
    assert Mink(None).server == Mink("").server == "localhost:50051"
    with pytest.raises(TypeError, match=r"server: HOST:PORT \(str\), not bytes"):
        Mink(b"localhost:1")


# Secrets where a path belongs.

TOKEN = "mink_0123456789ab_" + "c0ffee" * 10
PEM = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"


class Strange(os.PathLike):
    def __fspath__(self):
        return PEM.encode()


@pytest.mark.parametrize(
    "given", [PEM, PEM.strip().replace("\n", ""), PEM.encode(), TOKEN, f"./{TOKEN}", "x" * 1001, "a\0b", Strange()]
)
@pytest.mark.parametrize("argument", ["ca_file", "cert_file", "key_file", "token_file"])
def test_a_secret_where_a_path_belongs_is_told_and_not_shown(given, argument):
    make = Mink if argument == "token_file" else partial(TLS, cert_file="/x", key_file="/x")
    with pytest.raises(CredentialsError) as raised:
        make(**{argument: given})
    assert raised.value.argument == argument
    if isinstance(given, str):
        assert raised.value.problem == "holds the content, not the path of a file"
    else:
        assert raised.value.problem == "the path of a file (str or Path), not bytes"
    shown = repr(raised.value) + str(raised.value)
    assert "c2VjcmV0" not in shown
    assert "c0ffee" not in shown
    assert "xxxx" not in shown


def test_a_variable_that_holds_a_secret_is_told_and_not_shown(monkeypatch):
    monkeypatch.setenv("MINK_TOKEN_FILE", TOKEN)
    with pytest.raises(CredentialsError, match="token_file: holds the content"):
        Mink()


def test_an_address_that_is_a_token_is_not_shown():
    with pytest.raises(ValueError, match="HOST:PORT") as raised:
        Mink(TOKEN)
    assert "c0ffee" not in str(raised.value)


def test_secrets_are_left_out_of_a_text():
    text = f"not {TOKEN!r} nor {PEM} nor {PEM[:40]}"
    assert without_secrets(text) == "not 'mink_0123456789ab_…' nor -----BEGIN…\n nor -----BEGIN…"
    assert without_secrets("cannot read mink.pem") == "cannot read mink.pem"


def test_a_token_of_two_lines_is_told_so(tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n{TOKEN}\n")
    with pytest.raises(CredentialsError, match="token has more than one line; a token is one") as raised:
        Mink(token_file=tmp_path / "token")
    assert "c0ffee" not in str(raised.value)
