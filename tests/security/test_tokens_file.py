"""The tokens file: what it may hold, how it is changed, and how a running server follows it."""

from __future__ import annotations

import hmac
import json
import multiprocessing
import os
import stat
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import msgspec
import pytest
from mink_server.core.access import Role
from mink_server.security import editing, identities
from mink_server.security.identities import EveryCertificate, KnownIdentities
from mink_server.security.tokens import Certificate, Token, Tokens, decode, digest, encode, id_of, new_token

from tests.security.conftest import address_of, reloads, replace, until

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def made(name="a", *, roles=(Role.READ,), prefixes=(), expires=None):
    return new_token(name, roles, prefixes, NOW, expires)


class TestTokens:
    def test_a_token_has_256_random_bits_and_the_file_has_its_hash_only(self):
        token, text = made()
        assert id_of(text) == token.id
        assert len(text.split("_")[2]) == 64
        assert text.split("_")[2] not in encode(Tokens((token,))).decode()
        assert made()[1] != text

    def test_comes_back_as_it_was_written(self):
        content = Tokens(
            (made()[0], made("b", prefixes=("A-", "ü"), expires=NOW + timedelta(days=1))[0]),
            (Certificate("c", "spiffe://x/y", (Role.ADMIN,)),),
        )
        assert decode(encode(content)) == content

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"id": "a_b"}, "tokens[0].id: must be"),
            ({"sha256": "A" * 64}, "tokens[0].sha256: must be"),
            ({"roles": []}, "tokens[0].roles: must have at least one of read, append, manage, admin"),
            ({"roles": ["reed"]}, "tokens[0].roles[0]: must be a list of read, append, manage, admin"),
            ({"roles": "read"}, "tokens[0].roles: must be a list of read, append, manage, admin"),
            ({"name": 7}, "tokens[0].name: must be a text"),
            ({"prefixes": []}, "tokens[0].prefixes: is empty; leave it out if all streams are meant"),
            ({"prefixes": None}, "tokens[0].prefixes: must be a list of texts"),
            ({"prefixes": [""]}, "tokens[0].prefixes[0]: must not be empty"),
            ({"prefixes": "Order-"}, "tokens[0].prefixes: must be a list of texts"),
            ({"prefixes": ["x"] * 101}, "tokens[0].prefixes: has 101 entries"),
            ({"prefixes": ["x" * 501]}, "tokens[0].prefixes[0]: has 501 characters"),
            ({"prefixs": ["Order-"]}, "tokens[0]: there is no field 'prefixs'"),  # ignored, it would give all streams
            ({"name": "a\nb"}, "tokens[0].name: must not have control characters"),
            ({"name": "\u202e"}, "tokens[0].name: must be printable"),
            ({"name": "x" * 101}, "tokens[0].name: has 101"),
            ({"expires_at": "2027-01-01T00:00:00"}, "tokens[0].expires_at: must be a time with its zone"),
        ],
    )
    def test_what_is_wrong_is_named(self, change, said):
        content = json.loads(encode(Tokens((made()[0],))))
        content["tokens"][0].update(change)
        with pytest.raises(ValueError) as wrong:  # noqa: PT011 - what it says is checked below
            decode(json.dumps(content).encode())
        assert said in str(wrong.value)
        assert content["tokens"][0]["sha256"] not in str(wrong.value)
        assert "$" not in str(wrong.value)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[]", "must be an object with the lists tokens and certificates"),
            ('{"tokens": {}}', "tokens: must be a list"),
            ('{"tokens": [7]}', "tokens[0]: must be an object"),
            ('{"tokens": [{}]}', "tokens[0]: the field id is missing"),
            ('{"tokens": [], "tokens": []}', "the field 'tokens' stands twice in one object"),
            ('{"tokens": [{"roles": ["read"], "roles": ["admin"]}]}', "the field 'roles' stands twice"),
            ('{"certificates": [{"name": "a", "prefixes": []}]}', "certificates[0].prefixes: is empty"),
            ('{"mink_abc_0123456789abcdef0123": 1}', "there is no field (not shown)"),
            ("[" * 100_000, "is nested too deep"),
            ("{", "is not JSON"),
        ],
    )
    def test_what_is_no_such_file_is_told_in_words(self, text, said):
        with pytest.raises(ValueError) as wrong:  # noqa: PT011 - what it says is checked below
            decode(text.encode())
        assert said in str(wrong.value)
        assert "0123456789abcdef" not in str(wrong.value)

    def test_who_reaches_all_streams_has_no_prefixes_in_the_file(self):
        assert b"prefixes" not in encode(Tokens((made()[0],)))

    def test_an_id_and_a_certificate_are_there_once(self):
        token = made()[0]
        with pytest.raises(ValueError, match=r"tokens\[1\].id: an entry before"):
            decode(encode(Tokens((token, token))))
        certificate = Certificate("c", "x", (Role.READ,))
        with pytest.raises(ValueError, match=r"certificates\[1\].identity: an entry before"):
            decode(encode(Tokens((), (certificate, certificate))))

    def test_entries_are_bounded(self):
        token = made()[0]
        many = tuple(msgspec.structs.replace(token, id=f"{i}") for i in range(10_001))
        with pytest.raises(ValueError, match="more than 10000 entries"):
            decode(encode(Tokens(many)))


class TestIdentities:
    def test_finds_who_has_a_token_and_nobody_for_another(self):
        token, text = made(prefixes=("A-", "A-b", "A-"))
        known = KnownIdentities(Tokens((token,)))
        found = known.by_token(text)
        assert found is not None
        assert (found.name, found.roles, found.prefixes) == ("a", {Role.READ}, ("A-",))
        for other in (
            "",
            "mink_",
            text[:-1],
            text + " ",
            made()[1],
            "mink_" + token.id + "_",
            "x" * 10_000,
            text.upper(),
            "\udcff",
        ):
            assert known.by_token(other) is None, other

    def test_the_secret_is_compared_in_constant_time_also_for_an_id_that_nobody_has(self, monkeypatch):
        token, text = made()
        compared = []

        real = hmac.compare_digest
        monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or real(a, b))
        known = KnownIdentities(Tokens((token,)))
        for given in (text, text[:-1], made()[1], "nonsense"):
            known.by_token(given)
        assert compared == [(32, 32)] * 4

    def test_nothing_hashes_to_what_an_unknown_id_is_compared_with(self):
        assert identities._NOBODY.identity is None
        assert identities._NOBODY.expires < 0

    def test_expired_is_unknown_and_a_tick_says_that_something_has_changed(self):
        soon = datetime.now(UTC) + timedelta(seconds=0.3)
        token, text = made(expires=soon)
        known = KnownIdentities(Tokens((token,)))
        known.tick()
        assert known.generation == 0
        assert known.by_token(text) is not None
        end = time.monotonic() + 10
        while known.by_token(text) is not None:
            assert time.monotonic() < end
            time.sleep(0.01)
        known.tick()
        assert known.generation == 1
        known.tick()
        assert known.generation == 1

    def test_of_a_certificates_names_the_first_that_is_known_counts(self):
        known = KnownIdentities(
            Tokens((), (Certificate("dns", "a.internal", (Role.READ,)), Certificate("uri", "spiffe://x", (Role.APPEND,))))
        )
        found = known.by_certificate(["spiffe://x", "a.internal"])
        assert found is not None
        assert found.name == "uri"
        assert known.by_certificate(["b.internal"]) is None
        assert known.by_certificate([]) is None

    def test_a_certificate_without_a_name_is_nobody(self):
        assert EveryCertificate().by_certificate([]) is None
        assert EveryCertificate().by_token(made()[1]) is None


class TestEditing:
    def test_a_new_file_is_its_owners_alone_and_a_rewrite_keeps_the_mode(self, tmp_path):
        path = tmp_path / "tokens.json"
        editing.save(path, Tokens())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o640)
        editing.save(path, Tokens((made()[0],)))
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
    def test_a_rewrite_keeps_the_owner(self, tmp_path):
        path = tmp_path / "tokens.json"
        editing.save(path, Tokens())
        os.chown(path, 12345, 23456)
        editing.save(path, Tokens((made()[0],)))
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)

    def test_what_a_link_leads_to_is_replaced_and_the_link_stays(self, tmp_path):
        (tmp_path / "real").mkdir()
        editing.save(tmp_path / "real" / "t.json", Tokens())
        (tmp_path / "link.json").symlink_to("real/t.json")
        editing.save(tmp_path / "link.json", Tokens((made()[0],)))
        assert (tmp_path / "link.json").is_symlink()
        assert len(editing.load("X", tmp_path / "real" / "t.json").tokens) == 1

    def test_what_is_wrong_is_not_written(self, tmp_path):
        path = tmp_path / "t.json"
        editing.save(path, Tokens((made()[0],)))
        before = path.read_bytes()
        token = made()[0]
        with pytest.raises(ValueError, match="an entry before"):
            editing.save(path, Tokens((token, token)))
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_two_who_change_it_at_once_lose_nothing(self, tmp_path):
        path = tmp_path / "t.json"
        editing.save(path, Tokens())
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=add_tokens, args=(path, 10)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
            assert worker.exitcode == 0
        assert len(editing.load("X", path).tokens) == 30


def add_tokens(path: Path, count: int) -> None:
    """Adds tokens, one by one."""
    for _ in range(count):
        with editing.locked(path):
            content = editing.load("X", path)
            time.sleep(0.005)
            editing.save(path, Tokens((*content.tokens, made()[0])))


async def test_a_broken_file_keeps_what_was_known_and_is_said_once(secured, authority, tokens, connect):
    text = tokens.add("a", "read")
    client = connect(address_of(secured), authority.roots, text)

    async def known() -> bool:
        return await client.statistics_code() is grpc.StatusCode.NOT_FOUND

    await until(known, "the token was not read")
    good = tokens.path.read_bytes()
    replace(tokens.path, b'{"tokens": "hush')
    await until(lambda: reloads(secured, "tokens", "failed") == 1, "it was not noticed")
    assert await known()
    said = [line for line in secured.output.splitlines() if "reload failed" in line]
    assert len(said) == 1
    assert "MINK_TOKENS_FILE" in said[0]
    assert "hush" not in secured.output
    tokens.path.unlink()
    await until(lambda: reloads(secured, "tokens", "failed") == 2, "it was not noticed that the file is gone")
    assert await known()
    before = reloads(secured, "tokens", "ok")
    replace(tokens.path, good)
    await until(lambda: reloads(secured, "tokens", "ok") == before + 1, "the mended file was not read")
    assert await known()


async def test_a_pipe_in_the_place_of_the_file_stops_neither_the_reloading_nor_the_end(secured, authority, tokens, connect):
    text = tokens.add("a", "read")
    good = tokens.path.read_bytes()
    client = connect(address_of(secured), authority.roots, text)

    async def known() -> bool:
        return await client.statistics_code() is grpc.StatusCode.NOT_FOUND

    await until(known, "the token was not read")
    tokens.path.unlink()
    os.mkfifo(tokens.path)
    await until(lambda: reloads(secured, "tokens", "failed") == 1, "it was not noticed")
    assert "is not a regular file" in secured.output
    before = reloads(secured, "tokens", "ok")
    replace(tokens.path, good)
    await until(lambda: reloads(secured, "tokens", "ok") == before + 1, "the mended file was not read")
    key = authority.folder / "server.key"
    key.unlink()
    os.mkfifo(key)
    await until(lambda: reloads(secured, "certificate", "failed") == 1, "it was not noticed")
    secured.terminate()
    assert secured.wait() == 0


def test_a_file_that_others_may_write_is_warned_of(start_secured, tokens):
    tokens.path.chmod(0o666)
    assert "others than its owner can write the tokens file" in start_secured().output


def test_a_kept_hash_is_of_the_whole_token():
    token, text = made()
    assert isinstance(token, Token)
    assert bytes.fromhex(token.sha256) == digest(text)
