"""What `mink diagnose` is told of certificates and tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from mink_server.security import security as module
from mink_server.security.security import Security

from tests.security.conftest import until


def checks(authority, tokens, days=365.0, *, client_ca=False):
    cert, key = authority.server_files(not_after=datetime.now(UTC) + timedelta(days=days))
    made = Security(cert, key, authority.ca_file if client_ca else None, tokens.path)
    return made, {check.component: check for check in made.checks()}


@pytest.mark.parametrize(("days", "outcome"), [(365, "ok"), (22, "ok"), (20, "warning"), (-1, "failed")])
def test_a_certificate_is_a_warning_before_it_expires_and_a_failure_after(authority, tokens, days, outcome):
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
    assert (found["tokens"].outcome, found["certificate"].outcome) == ("failed", "warning")
    assert "MINK_TOKENS_FILE" in found["tokens"].message
    assert "MINK_TLS_KEY_FILE" in found["certificate"].message
    assert "hush" not in str(found)
    tokens.path.write_bytes(good)
    authority.server_files()
    await made._look()
    assert {check.outcome for check in made.checks()} == {"ok"}


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
