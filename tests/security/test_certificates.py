"""TLS: certificates that are renewed while the server runs, and clients who prove themselves with theirs."""

from __future__ import annotations

import socket
import ssl
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from mink_server.security import reloading
from mink_server.security.certificates import Certificates, better
from mink_server.security.security import Security

from tests.security.conftest import ADDRESS, Client, address_of, metric, reloads, replace, until

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def shown(server: Any) -> x509.Certificate:
    """The certificate that the server shows to a new connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    host, _, port = address_of(server).rpartition(":")
    with socket.create_connection((host, int(port)), 10) as plain, context.wrap_socket(plain) as secure:
        return x509.load_der_x509_certificate(secure.getpeercert(binary_form=True))


async def works(client: Client) -> bool:
    return await client.statistics_code() is grpc.StatusCode.NOT_FOUND


async def test_a_renewed_certificate_is_for_new_connections_and_the_old_ones_stay(secured, authority, tokens, connect):
    client = connect(address_of(secured), authority.roots, tokens.add("a", "read"))
    await until(lambda: works(client), "the token was not read")
    subscription = await client.subscribe()
    first = shown(secured)
    authority.server_files(not_after=datetime.now(UTC) + timedelta(days=40))
    await until(lambda: shown(secured).serial_number != first.serial_number, "the old certificate is still shown")
    assert reloads(secured, "certificate", "ok") == 1
    assert reloads(secured, "certificate", "failed") == 0
    assert metric(secured, "mink_tls_certificate_expiry_timestamp_seconds") == shown(secured).not_valid_after_utc.timestamp()
    await subscription.read()  # a heartbeat: the connection is still there
    assert await works(client)
    assert await works(connect(address_of(secured), authority.roots, client.metadata[0][1].split()[1]))


async def test_a_link_that_is_swapped_as_kubernetes_does_is_followed(authority, tokens, start_server, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        cert, key = authority.server_files()
        for file in (cert, key):
            file.rename(tmp_path / name / file.name)
    data = tmp_path / "..data"
    data.symlink_to("first")
    server = start_server(
        MINK_TLS_CERT_FILE=str(data / "server.pem"), MINK_TLS_KEY_FILE=str(data / "server.key"), MINK_TOKENS_FILE=str(tokens.path)
    )
    first = shown(server)
    new = tmp_path / "..new"
    new.symlink_to("second")
    new.rename(data)
    await until(lambda: shown(server).serial_number != first.serial_number, "the old certificate is still shown")


@pytest.mark.parametrize("broken", ["no PEM", "another key", "expired", "not valid yet", "gone"])
async def test_a_broken_renewal_keeps_the_old_certificate_and_is_said_once(secured, authority, broken):
    first = shown(secured)
    cert, key = authority.folder / "server.pem", authority.folder / "server.key"
    good = cert.read_bytes(), key.read_bytes()
    if broken == "no PEM":
        replace(cert, b"-----BEGIN CERTIFICATE-----\nhush\n-----END CERTIFICATE-----\n")
    elif broken == "another key":
        replace(key, authority.client("x.example")[0])
    elif broken == "gone":
        key.unlink()
    elif broken == "expired":
        authority.server_files(not_after=datetime.now(UTC) - timedelta(days=1))
    else:
        authority.server_files(not_before=datetime.now(UTC) + timedelta(days=1))
    await until(lambda: reloads(secured, "certificate", "failed") == 1, "it was not noticed")
    assert shown(secured).serial_number == first.serial_number
    said = [line for line in secured.output.splitlines() if "reload failed" in line]
    assert len(said) == 1
    assert ("MINK_TLS_CERT_FILE" in said[0]) or ("MINK_TLS_KEY_FILE" in said[0])
    assert "hush" not in secured.output
    replace(cert, good[0])
    replace(key, good[1])
    await until(lambda: reloads(secured, "certificate", "ok") >= 1, "the mended files were not read")
    assert shown(secured).serial_number == first.serial_number


async def test_who_speaks_no_tls_or_trusts_another_ca_gets_nothing(secured, authority, tokens, connect):
    text = tokens.add("a", "admin")
    for client in (connect(address_of(secured), None, text), connect(address_of(secured), trustme.CA().cert_pem.bytes(), text)):
        assert await client.statistics_code() is grpc.StatusCode.UNAVAILABLE
    host, _, port = address_of(secured).rpartition(":")
    with socket.create_connection((host, int(port)), 10) as plain:
        plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        answer = plain.recv(1000)
    assert not answer or answer[0] == 0x15  # nothing, or an alert of TLS: never an answer of HTTP/2
    client = connect(address_of(secured), authority.roots, text)
    await until(lambda: works(client), "the token was not read")


@pytest.mark.parametrize(("version", "taken"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
async def test_tls_is_1_2_or_newer(secured, version, taken):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1") if not taken else nullcontext():
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    host, _, port = address_of(secured).rpartition(":")
    with socket.create_connection((host, int(port)), 10) as plain:
        try:
            with context.wrap_socket(plain) as secure:
                assert secure.version() == version.replace("_", ".")
                done = True
        except (ssl.SSLError, ConnectionError):
            done = False
    assert done is taken


async def test_certificates_map_to_roles_and_a_token_goes_before_them(start_secured, authority, tokens, connect):
    tokens.add_certificate("reader", "reader.internal", "read")
    tokens.add_certificate("writer", "spiffe://example.org/writer", "append")
    tokens.add_certificate("named", "by-common-name", "admin")
    token = tokens.add("manager", "read", "append")
    server = start_secured(client_ca=True)

    def make(name: str, common_name: str | None = None, token: str | None = None) -> Client:
        made = with_uri(authority.ca, name) if "://" in name else authority.client(name, common_name=common_name)
        return connect(address_of(server), authority.roots, token, made)

    assert await works(make("reader.internal"))
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await make("reader.internal").append("A-1")
    assert failed.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "which reader does not have" in failed.value.details()
    await make("spiffe://example.org/writer").append("A-1")
    assert await works(make("x.internal", common_name="by-common-name"))
    # Nobody knows this one, and the answer says as whom the server sees it.
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await make("stranger.internal", common_name="stranger").append("A-1")
    assert failed.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "'stranger.internal', 'stranger'" in failed.value.details()
    await make("reader.internal", token=token).append("A-1")
    assert await make("reader.internal", token=token[:-1]).statistics_code() is grpc.StatusCode.UNAUTHENTICATED
    # Without a certificate there is no connection, whatever the token.
    assert await connect(address_of(server), authority.roots, token).statistics_code() is grpc.StatusCode.UNAVAILABLE
    tokens.remove("reader")

    async def refused() -> bool:
        return await make("reader.internal").statistics_code() is grpc.StatusCode.UNAUTHENTICATED

    await until(refused, "the certificate still counts")


def with_uri(ca: trustme.CA, uri: str) -> tuple[bytes, bytes]:
    """A client's key and certificate with a URI, which trustme does not make."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    signer: Any = serialization.load_pem_private_key(ca.private_key_pem.bytes(), None)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.load_pem_x509_certificate(ca.cert_pem.bytes()).subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=True)
        .sign(signer, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, made.public_bytes(serialization.Encoding.PEM)


async def test_without_tokens_every_certificate_of_the_ca_may_do_everything_and_the_server_says_so(
    start_secured, authority, connect
):
    server = start_secured(client_ca=True, with_tokens=False)
    await connect(address_of(server), authority.roots, certificate=authority.client("x.internal")).append("A-1")
    other = trustme.CA().issue_cert("x.internal")
    stranger = (other.private_key_pem.bytes(), other.cert_chain_pems[0].bytes())
    client = connect(address_of(server), authority.roots, certificate=stranger)
    assert await client.statistics_code() is grpc.StatusCode.UNAVAILABLE
    assert "every client certificate may do everything" in server.output


async def test_another_ca_for_clients_counts_without_a_restart(start_secured, authority, tokens, connect):
    tokens.add_certificate("a", "a.internal", "read")
    server = start_secured(client_ca=True)
    other = trustme.CA()
    made = other.issue_cert("a.internal")
    theirs = (made.private_key_pem.bytes(), made.cert_chain_pems[0].bytes())
    assert await connect(address_of(server), authority.roots, certificate=theirs).statistics_code() is grpc.StatusCode.UNAVAILABLE
    replace(authority.ca_file, authority.roots + other.cert_pem.bytes())

    async def lets_in() -> bool:
        return await works(connect(address_of(server), authority.roots, certificate=theirs))

    await until(lets_in, "the new CA does not count")
    assert await works(connect(address_of(server), authority.roots, certificate=authority.client("a.internal")))


def test_the_address_is_one_that_others_reach(secured):
    assert secured.grpc_address.startswith("0.0.0.0:")
    assert ADDRESS not in secured.grpc_address


@pytest.mark.parametrize(
    ("current", "new", "taken"),
    [
        ((-1, 9), (-1, 20), True),
        ((-1, 9), (-2, 5), True),  # shorter, and valid
        ((-1, 9), (1, 20), False),
        ((-1, 9), (-20, -10), False),
        ((-9, -8), (-9, -5), True),  # neither is valid: the newer one
        ((-9, -5), (-9, -8), False),
        ((-9, -5), (1, 20), True),
    ],
)
def test_a_certificate_that_clients_refuse_replaces_none_that_is_better(current, new, taken):
    def made(begins: int, ends: int) -> Certificates:
        start, end = (NOW + timedelta(days=days) for days in (begins, ends))
        return Certificates(b"", b"", None, start, end, end, None, key_open=False)

    assert (better(made(*new), made(*current), NOW) == "") is taken


async def test_a_certificate_that_becomes_valid_is_taken_although_its_file_does_not_change(authority, tokens, monkeypatch):
    monkeypatch.setattr(reloading, "_TRY_SECONDS", 0.0)
    made = Security(*authority.server_files(), None, tokens.path)
    first = made._certificates.current
    authority.server_files(not_before=datetime.now(UTC) + timedelta(seconds=3))
    for _ in range(2):
        await made._look()
    assert made._certificates.current is first
    assert "is not valid before" in made.checks()[0].message

    async def replaced() -> bool:
        await made._look()
        return made._certificates.current is not first

    await until(replaced, "it was never tried again")
    assert made.checks()[0].outcome == "ok"
