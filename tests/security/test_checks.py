"""What `mink diagnose` is told of certificates and tokens."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from mink_server.security import findings, reloading
from mink_server.security import security as module
from mink_server.security.errors import SecurityFileError
from mink_server.security.security import Security
from mink_server.telemetry import metrics
from structlog.testing import capture_logs

from tests.security.conftest import until


def checks(authority, tokens, days=365.0, *, client_ca=False):
    cert, key = authority.server_files(not_after=datetime.now(UTC) + timedelta(days=days))
    made = Security(cert, key, authority.ca_file if client_ca else None, tokens.path)
    return made, {check.component: check for check in made.checks()}


@pytest.mark.parametrize(("days", "outcome"), [(365, "ok"), (22, "ok"), (20, "warning")])
def test_a_certificate_is_a_warning_before_it_expires(authority, tokens, days, outcome):
    _, found = checks(authority, tokens, days)
    assert found["certificate"].outcome == outcome
    assert bool(found["certificate"].recommendation) == (outcome != "ok")


def test_the_clients_ca_is_looked_at_too(authority, tokens):
    _, found = checks(authority, tokens, client_ca=True)
    assert list(found) == ["certificate", "client CA", "tokens"]
    assert found["client CA"].outcome == "ok"


def test_tokens_that_expire_soon_are_named(authority, tokens):
    tokens.add("later", "read", seconds=20 * 86400)
    tokens.add("gone", "read", seconds=-10)
    assert checks(authority, tokens)[1]["tokens"].outcome == "ok"
    tokens.add("soon", "read", seconds=13 * 86400)
    found = checks(authority, tokens)[1]["tokens"]
    assert found.outcome == "warning"
    assert "soon" in found.message
    assert "later" not in found.message
    assert "gone" not in found.message


async def test_files_that_cannot_be_read_again_are_told_until_they_are_mended(authority, tokens, monkeypatch):
    made, _ = checks(authority, tokens)
    good = tokens.path.read_bytes()
    tokens.path.write_text("hush")
    (authority.folder / "server.key").write_text("hush")
    for _ in range(2):
        await made._look()
    found = {check.component: check for check in made.checks()}
    assert (found["tokens"].outcome, found["certificate"].outcome) == ("failed", "failed")
    assert "MINK_TOKENS_FILE" in found["tokens"].message
    assert "MINK_TLS_KEY_FILE" in found["certificate"].message
    assert "hush" not in str(found)
    (authority.folder / "server.key").unlink()
    tokens.path.write_bytes(good)
    authority.server_files()
    await made._look()
    assert {check.outcome for check in made.checks()} == {"ok"}


def test_a_certificate_that_expires_while_the_server_runs_is_a_failure(authority, tokens):
    made, found = checks(authority, tokens, 365)
    current = made._certificates.current
    later = current.ends + timedelta(seconds=1)
    assert findings.of_certificate(current, "", later)[0] == "failed"
    assert findings.of_certificate(current, "", current.begins - timedelta(seconds=1))[0] == "failed"
    assert found["certificate"].outcome == "ok"


def test_a_key_that_others_read_and_a_tokens_file_that_others_write_are_warnings(authority, tokens):
    checks(authority, tokens)
    cert, key = authority.folder / "server.pem", authority.folder / "server.key"
    key.chmod(0o644)
    tokens.path.chmod(0o666)
    with capture_logs() as logs:
        found = {check.component: check for check in Security(cert, key, None, tokens.path).checks()}
    assert {name: check.outcome for name, check in found.items()} == {"certificate": "warning", "tokens": "warning"}
    assert "MINK_TLS_KEY_FILE" in found["certificate"].message
    assert "others than its owner can read the private key" in [line["event"] for line in logs]


async def test_a_read_that_hangs_is_told_counted_once_and_passes(authority, tokens, monkeypatch):
    made, _ = checks(authority, tokens)
    monkeypatch.setattr(reloading, "_READ_SECONDS", 0.2)
    goes_on, real = threading.Event(), reloading.files.signature
    failed = metrics.RELOADS.labels("tokens", "failed")
    before, threads_before = failed._value.get(), threading.active_count()
    monkeypatch.setattr(reloading.files, "signature", lambda paths: goes_on.wait(60) and real(paths))
    try:
        for _ in range(3):
            await made._look()
        found = {check.component: check for check in made.checks()}
        assert {check.outcome for check in found.values()} == {"failed"}
        assert "MINK_TOKENS_FILE: cannot be read" in found["tokens"].message
        assert failed._value.get() == before + 1
        assert threading.active_count() <= threads_before + 2  # one for each kind of file, however often it looks
    finally:
        goes_on.set()

    async def well() -> bool:
        await made._look()
        return {check.outcome for check in made.checks()} == {"ok"}

    await until(well, "it never looked again")


def test_a_file_that_hangs_at_the_start_is_named(authority, tokens, monkeypatch):
    monkeypatch.setattr(reloading, "_READ_SECONDS", 0.2)
    goes_on = threading.Event()
    monkeypatch.setattr(reloading.files, "signature", lambda paths: goes_on.wait(60) and ())
    try:
        with pytest.raises(SecurityFileError, match=r"MINK_TOKENS_FILE: .*cannot be read"):
            Security(None, None, None, tokens.path)
    finally:
        goes_on.set()


async def test_what_nobody_expected_of_a_file_is_a_failed_reload(authority, tokens, monkeypatch):
    made, _ = checks(authority, tokens)
    monkeypatch.setattr(made._token_files, "_load", lambda: 1 // 0)
    tokens.add("a", "read")
    for _ in range(2):
        await made._look()
    found = {check.component: check for check in made.checks()}
    assert "ZeroDivisionError" in found["tokens"].message


def test_without_tls_and_tokens_there_is_nothing_to_say():
    made = Security(None, None, None, None)
    assert made.checks() == []
    assert made.credentials is None
    assert made.identities is None


async def test_whatever_goes_wrong_the_files_are_followed_on(authority, tokens, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_EVERY", 0.01)
    made, _ = checks(authority, tokens)
    looks = []

    async def look():
        looks.append(1)
        raise ZeroDivisionError

    monkeypatch.setattr(made, "_look", look)
    made.start()
    await until(lambda: len(looks) > 2, "it gave up")
    await made.stop()
