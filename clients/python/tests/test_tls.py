"""TLS and client certificates, against a server with real ones."""

import asyncio
import shutil

import pytest
from cryptography.hazmat.primitives import serialization
from mink.v1 import event_store_pb2 as es
from mink_client import ANY, TLS, ClientClosed, CredentialsError, Mink, NewEvent, Unavailable, channel, credentials, security


@pytest.fixture
def server(server):
    """Not started in clear: each test says how it is secured."""

    async def secure(credentials):
        await server.stop()
        server.port = 0
        await server.start(credentials)

        async def answer(request, context):
            return es.GetStreamResponse(stream=es.StreamInfo(stream=request.stream, version=1))

        server.on_unary = answer
        return server

    server.secure = secure
    return server


async def test_a_server_whose_authority_is_named_is_spoken_to_over_tls(server, authority):
    await server.secure(authority.serves())
    async with Mink(f"localhost:{server.port}", tls=TLS(authority.file)) as mink:
        await mink.connect()
        assert (await mink.get_stream("Order-1")).version == 1
        assert (await mink.append("Order-1", [NewEvent("T", 1)], expected=ANY)).version == 1


async def test_the_authorities_that_the_machine_trusts_are_enough(server, authority, monkeypatch):
    await server.secure(authority.serves())
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    async with Mink(f"localhost:{server.port}", tls=True) as mink:
        assert (await mink.get_stream("Order-1")).version == 1


async def test_the_name_in_the_certificate_may_be_another_if_it_is_given(server, authority):
    await server.secure(authority.serves("mink.example"))
    async with Mink(f"localhost:{server.port}", tls=TLS(authority.file, server_name="mink.example")) as mink:
        assert (await mink.get_stream("Order-1")).version == 1


async def test_a_client_certificate_says_who_the_client_is(server, authority, own):
    await server.secure(authority.serves(clients=authority))
    async with Mink(f"localhost:{server.port}", tls=own) as mink:
        await mink.get_stream("Order-1")
    assert server.identities == ["billing"]


async def test_the_environment_says_it_where_arguments_do_not(server, authority, own, monkeypatch):
    await server.secure(authority.serves(clients=authority))
    monkeypatch.setenv("MINK_SERVER", f"localhost:{server.port}")
    monkeypatch.setenv("MINK_CA_FILE", str(authority.file))
    monkeypatch.setenv("MINK_CLIENT_CERT_FILE", str(own.cert_file))
    monkeypatch.setenv("MINK_CLIENT_KEY_FILE", str(own.key_file))
    for tls, variable in ((None, ""), (True, "false"), (None, "true")):
        monkeypatch.setenv("MINK_TLS", variable)
        async with Mink(tls=tls) as mink:
            await mink.get_stream("Order-1")
    assert server.identities == ["billing"] * 3


def test_tls_is_off_where_nobody_asks_for_it_or_somebody_refuses(monkeypatch, authority):
    assert security.choose_tls(None) is None
    monkeypatch.setenv("MINK_CA_FILE", str(authority.file))
    assert security.choose_tls(None) == TLS(str(authority.file))
    assert security.choose_tls(False) is None
    monkeypatch.setenv("MINK_TLS", "false")
    assert security.choose_tls(None) is None
    assert security.choose_tls(None, ca_file="given.pem") == TLS("given.pem")
    with pytest.raises(CredentialsError, match="tls: True, False or a TLS, not str"):
        security.choose_tls("ca.pem")
    monkeypatch.setenv("MINK_TLS", "maybe")
    with pytest.raises(CredentialsError, match="MINK_TLS: true or false, not 'maybe'"):
        security.choose_tls(None)


# What cannot be connected.


@pytest.mark.parametrize(
    ("serves", "said"),
    [
        ({"names": [], "by": "stranger"}, "nobody who is trusted here has signed the server's certificate: look at ca_file"),
        ({"names": [], "expired": True}, "the server's certificate has expired"),
        (
            {"names": [], "early": True},
            "the server's certificate is not valid yet: look at the dates that stand in it, and at the clock",
        ),
        ({"names": ["elsewhere.example"]}, "the server's certificate is for another name"),
        (None, "the server does not speak TLS"),
        ({"names": [], "clients": True}, "it wants a client certificate, and cert_file (MINK_CLIENT_CERT_FILE) is missing"),
    ],
)
async def test_a_handshake_that_fails_says_what_to_look_at(server, authority, stranger, serves, said):
    secured = None
    if serves is not None:
        signer = stranger if serves.get("by") else authority
        clients = authority if serves.get("clients") else None
        when = {name: serves[name] for name in ("expired", "early") if name in serves}
        secured = signer.serves(*serves["names"], clients=clients, **when)
    await server.secure(secured)
    async with Mink(server.target, tls=TLS(authority.file), timeout=0.5) as mink:
        for call in (mink.connect(), mink.get_stream("Order-1"), mink.append("Order-1", [NewEvent("T", 1)], expected=ANY)):
            with pytest.raises(Unavailable, match=f"cannot reach Mink at {server.target}: ") as raised:
                await call
            assert said in str(raised.value)
            assert said in raised.value.advice


@pytest.mark.parametrize("expired", [True, False])
async def test_a_client_certificate_that_the_server_refuses_is_named_as_a_reason(server, authority, stranger, tmp_path, expired):
    await server.secure(authority.serves(clients=authority))
    tls = TLS(authority.file, tmp_path / "client.pem", tmp_path / "client.key")
    authority.write((authority if expired else stranger).issue("x", expired=expired), tls.cert_file, tls.key_file)
    async with Mink(server.target, tls=tls, timeout=0.5) as mink:
        with pytest.raises(Unavailable) as raised:
            await mink.get_stream("Order-1")
    assert "cert_file" in raised.value.advice
    assert "expired" in raised.value.advice


async def test_a_server_that_wants_tls_hangs_up_on_a_client_without(server, authority):
    await server.secure(authority.serves())
    async with Mink(server.target, timeout=0.5) as mink:
        for call in (mink.connect(), mink.get_stream("Order-1")):
            with pytest.raises(Unavailable, match="if it speaks TLS, turn TLS on here"):
                await call


async def test_the_advice_is_that_of_the_address_where_somebody_is(server, authority, stranger, monkeypatch):
    """A name may have several addresses, of which gRPC tells the error of one, not always the same."""
    await server.secure(authority.serves())
    port = str(server.port)
    loop = asyncio.get_running_loop()
    lookup = loop.getaddrinfo

    async def two(host, *more, **options):
        return await lookup("127.0.0.2", port, type=1) + await lookup("127.0.0.1", port, type=1)

    monkeypatch.setattr(loop, "getaddrinfo", two)
    target = f"ipv4:127.0.0.1:{port},127.0.0.2:{port}"  # nobody is at the last one
    for tls, said in ((None, "turn TLS on here"), (TLS(stranger.file, server_name="localhost"), "nobody who is trusted here")):
        async with Mink(target, tls=tls, timeout=2.0) as mink:
            for _ in range(3):
                with pytest.raises(Unavailable, match=said):
                    await mink.connect()
            with pytest.raises(Unavailable, match=said):
                await mink.get_stream("Order-1", timeout=0.5)


async def test_where_nobody_is_there_is_no_advice_about_tls(server):
    await server.stop()
    for tls in (True, False):
        async with Mink(server.target, timeout=0.3, tls=tls) as mink:
            for call in (mink.connect(), mink.get_stream("Order-1")):
                with pytest.raises(Unavailable) as raised:
                    await call
                assert raised.value.advice is None


# Files that cannot be right.


@pytest.fixture
def files(authority, stranger, tmp_path):
    """Files by name; each is what its name says."""
    authority.write(authority.issue("x"), tmp_path / "cert", tmp_path / "key")
    stranger.write(stranger.issue("x"), tmp_path / "other_cert", tmp_path / "other_key")
    (tmp_path / "empty").touch()
    (tmp_path / "nonsense").write_text("nonsense")
    (tmp_path / "damaged").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    key = serialization.load_pem_private_key((tmp_path / "key").read_bytes(), None)
    sealed = serialization.BestAvailableEncryption(b"secret")
    for name, form in (("sealed", "PKCS8"), ("sealed_old", "TraditionalOpenSSL")):
        text = key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), sealed)
        (tmp_path / name).write_bytes(text)
    (tmp_path / "damaged_key").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("ca", "cert", "key", "argument", "said"),
    [
        ("absent", None, None, "ca_file", "cannot read {}/absent: No such file or directory"),
        ("folder", None, None, "ca_file", "cannot read {}/folder: Is a directory"),
        ("empty", None, None, "ca_file", "{}/empty holds no certificate in PEM form, or a damaged one"),
        ("nonsense", None, None, "ca_file", "{}/nonsense holds no certificate"),
        ("damaged", None, None, "ca_file", "{}/damaged holds no certificate"),
        (None, "absent", "key", "cert_file", "cannot read {}/absent"),
        (None, "key", "key", "cert_file", "{}/key holds no certificate"),
        (None, "cert", "absent", "key_file", "cannot read {}/absent"),
        (None, "cert", "cert", "key_file", "{}/cert holds no private key in PEM form"),
        (None, "cert", "damaged_key", "key_file", "{}/damaged_key holds no usable private key"),
        (None, "cert", "sealed", "key_file", "{}/sealed is protected by a passphrase"),
        (None, "cert", "sealed_old", "key_file", "{}/sealed_old is protected by a passphrase"),
        (None, "cert", "other_key", "key_file", "{}/other_key does not belong to the certificate in {}/cert"),
        (None, "cert", None, "key_file", "goes with cert_file"),
        (None, None, "key", "cert_file", "goes with key_file"),
    ],
)
def test_a_wrong_file_is_told_at_once_by_its_name(files, ca, cert, key, argument, said):
    with pytest.raises(CredentialsError) as raised:
        Mink(tls=TLS(*(files / name if name else None for name in (ca, cert, key))))
    assert isinstance(raised.value, ValueError)
    assert raised.value.argument == argument
    assert raised.value.problem.startswith(said.replace("{}", str(files)))
    secret = (files / key).read_text().splitlines()[1:2] if key and (files / key).is_file() else []
    assert all(line not in str(raised.value) for line in secret)


# Renewal.


@pytest.fixture
def at_once(monkeypatch):
    """Files are looked at with every call."""
    monkeypatch.setattr(credentials, "_LOOK_EVERY", 0.0)


async def test_a_renewed_client_certificate_is_used_by_what_begins_and_breaks_nothing_that_is_open(
    server, authority, own, at_once, fakes
):
    await server.secure(authority.serves(clients=authority))
    more = asyncio.Event()

    async def follow(request, context):
        for position in (1, 2):
            batch = es.EventBatch(events=[fakes.event(position)], position=position)
            yield es.SubscribeAllResponse(events=batch)
            await more.wait()

    server.on_stream = follow
    async with Mink(f"localhost:{server.port}", tls=own) as mink, mink.subscribe_all() as events:
        assert (await anext(aiter(events))).position == 1
        await mink.append("Order-1", [NewEvent("T", 1)], expected=ANY)
        assert set(server.identities) == {"billing"}
        server.identities.clear()

        authority.write(authority.issue("x", common_name="billing-renewed"), own.cert_file, own.key_file)
        await mink.get_stream("Order-1")
        await mink.append("Order-1", [NewEvent("T", 1)], expected=ANY)
        assert server.identities == ["billing-renewed"] * 2  # the second one: a session of its own

        more.set()
        assert (await anext(aiter(events))).position == 2
        assert server.identities == ["billing-renewed"] * 2


async def test_what_stays_too_long_on_an_old_connection_carries_on_over_the_new_one(
    server, authority, own, at_once, fakes, monkeypatch
):
    monkeypatch.setattr(channel, "_OLD_CHANNEL_GRACE", 0.05)
    await server.secure(authority.serves(clients=authority))

    async def follow(request, context):
        position = request.after_position + 1
        yield es.SubscribeAllResponse(events=es.EventBatch(events=[fakes.event(position)], position=position))
        await asyncio.sleep(60)

    server.on_stream = follow
    async with Mink(f"localhost:{server.port}", tls=own) as mink, mink.subscribe_all() as events:
        assert (await anext(aiter(events))).position == 1
        authority.write(authority.issue("x", common_name="billing-renewed"), own.cert_file, own.key_file)
        await mink.get_stream("Order-1")
        async with asyncio.timeout(10):
            assert (await anext(aiter(events))).position == 2
    assert server.identities == ["billing", "billing-renewed", "billing-renewed"]


async def test_closing_leaves_no_old_connection_behind(server, authority, own, at_once, fakes):
    await server.secure(authority.serves(clients=authority))

    async def follow(request, context):
        yield es.SubscribeAllResponse(events=es.EventBatch(events=[fakes.event(1)], position=1))
        await asyncio.sleep(60)

    server.on_stream = follow
    async with asyncio.timeout(10), Mink(f"localhost:{server.port}", tls=own) as mink:
        events = aiter(await mink.subscribe_all().__aenter__())
        await anext(events)
        for _ in range(3):
            authority.write(authority.issue("x"), own.cert_file, own.key_file)
            await mink.get_stream("Order-1")
    with pytest.raises(ClientClosed):
        await anext(events)
    assert {task.get_name() for task in asyncio.all_tasks()} & {"mink-old-channel", "mink-appends"} == set()


async def test_a_renewal_that_is_half_done_or_wrong_leaves_the_old_certificate_in_use(
    server, authority, stranger, own, at_once, caplog
):
    await server.secure(authority.serves(clients=authority))
    async with Mink(f"localhost:{server.port}", tls=own) as mink:
        await mink.get_stream("Order-1")
        shutil.copy(own.key_file, own.key_file.with_suffix(".old"))
        stranger.write(stranger.issue("x"), own.cert_file.with_suffix(".other"), own.key_file)
        for _ in range(3):
            await mink.get_stream("Order-1")
        own.key_file.unlink()
        await mink.get_stream("Order-1")
        shutil.copy(own.key_file.with_suffix(".old"), own.key_file)
        await mink.get_stream("Order-1")
    assert server.identities == ["billing"] * 6
    complaints = [record.message for record in caplog.records if "credentials stay as they were" in record.message]
    assert len(complaints) == 2
    assert "does not belong" in complaints[0]
    assert "cannot read" in complaints[1]
