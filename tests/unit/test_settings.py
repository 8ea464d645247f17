"""Settings: defaults, checks, one line that names what is wrong, and a table in the documentation that is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mink_server.settings import Settings, SettingsError, is_loopback, load

DOCS = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os  # noqa: PLC0415

    for name in list(os.environ):
        if name.startswith("MINK_") or name in ("DATABASE_URL", "DATABASE_SCHEMA"):
            monkeypatch.delenv(name)


def refusal(**flags: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load(**flags)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = load()
    assert (settings.listen, settings.http_listen, settings.metrics_listen) == (
        "127.0.0.1:50051",
        "127.0.0.1:8080",
        "127.0.0.1:9090",
    )
    assert settings.database_url is None
    assert (settings.database_schema, settings.insecure, settings.migrate) == ("mink", False, False)


def shown(default: object) -> str:
    if default is None:
        return "not set"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def test_the_documentation_has_every_setting_with_its_default_and_words() -> None:
    text = DOCS.read_text(encoding="utf-8")
    table = text[text.index("<!-- settings: begin") : text.index("<!-- settings: end")]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE))
    wanted = {
        str(field.validation_alias): f"{shown(field.default)} | {field.description}" for field in Settings.model_fields.values()
    }
    assert rows == wanted


def test_the_environment_sets_and_flags_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINK_LISTEN", "127.0.0.1:1")
    monkeypatch.setenv("MINK_DATABASE_POOL", "3")
    monkeypatch.setenv("DATABASE_SCHEMA", "other_1")
    settings = load(listen="127.0.0.1:2")
    assert (settings.listen, settings.database_pool, settings.database_schema) == ("127.0.0.1:2", 3, "other_1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MINK_LISTEN", ""),
        ("MINK_LISTEN", "localhost"),
        ("MINK_LISTEN", ":1"),
        ("MINK_LISTEN", "127.0.0.1:x"),
        ("MINK_LISTEN", "127.0.0.1:65536"),
        ("MINK_LISTEN", "127.0.0.1:-1"),
        ("MINK_LISTEN", "127.0.0.1:²"),
        ("MINK_DATABASE_POOL", "0"),
        ("MINK_DATABASE_POOL", "501"),
        ("MINK_DATABASE_POOL", "1.5"),
        ("MINK_DATABASE_TIMEOUT", "0"),
        ("MINK_DATABASE_TIMEOUT", "nan"),
        ("MINK_DATABASE_TIMEOUT", "301"),
        ("MINK_MAX_EVENT_BYTES", "1"),
        ("MINK_MAX_EVENT_BYTES", "99999999999"),
        ("MINK_MAX_WAITING_APPENDS", "0"),
        ("MINK_TAIL_BYTES", "-1"),
        ("MINK_CHECKPOINT_SECONDS", "61"),
        ("MINK_DRAIN_SECONDS", "-1"),
        ("MINK_REFLECTION", "maybe"),
        ("MINK_LOG_LEVEL", "LOUD"),
        ("MINK_LOG_FORMAT", "xml"),
        ("MINK_INSECURE", ""),
        ("DATABASE_SCHEMA", "pg_x"),
        ("DATABASE_SCHEMA", "A"),
        ("DATABASE_SCHEMA", ""),
        ("DATABASE_SCHEMA", "x" * 51),
        ("DATABASE_SCHEMA", "a-b"),
        ("DATABASE_SCHEMA", "a\n"),
        ("DATABASE_SCHEMA", "ä"),
        ("MINK_MAX_SUBSCRIPTIONS", "0"),
        ("MINK_NO_SUCH", "1"),
        ("MINK_LISTENS", "127.0.0.1:1"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert name in refusal()


def test_limits_that_contradict_each_other_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINK_MAX_REQUEST_BYTES", "2048")
    assert "MINK_MAX_REQUEST_BYTES" in refusal()
    monkeypatch.setenv("MINK_MAX_EVENT_BYTES", "2048")
    assert load().max_event_bytes == 2048


@pytest.mark.parametrize(
    "name", ["MINK_SERVER", "MINK_SERVICE_HOST", "MINK_SERVICE_PORT_GRPC", "MINK_PORT", "MINK_PORT_50051_TCP_ADDR"]
)
def test_what_others_put_into_the_environment_is_let_be(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "tcp://10.0.0.1:50051")
    load()


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.9.8.7:1", "localhost:1", "[::1]:1", "::1:1"])
def test_loopback(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0:1",
        "[::]:1",
        "192.0.2.1:1",
        "10.0.0.1:1",
        "example.org:1",
        "127.example.org:1",
        "127.0.0.1.example.org:1",
        "localhost.example.org:1",
        "128.0.0.1:1",
        "[::2]:1",
        "*:1",
    ],
)
def test_what_is_not_loopback_needs_a_word(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    assert not is_loopback(address)
    for name in ("MINK_LISTEN", "MINK_HTTP_LISTEN", "MINK_METRICS_LISTEN"):
        monkeypatch.setenv(name, address)
        line = refusal()
        assert name in line
        assert "--insecure" in line
        monkeypatch.setenv("MINK_INSECURE", "true")
        load()
        monkeypatch.delenv(name)
        monkeypatch.delenv("MINK_INSECURE")


@pytest.mark.parametrize("name", ["MINK_TLS_CERT_FILE", "MINK_TLS_KEY_FILE", "MINK_TLS_CLIENT_CA_FILE", "MINK_TOKENS_FILE"])
@pytest.mark.parametrize(
    "content", ["-----BEGIN hush", "hush\nhush", '{"hush": 1}', "hush" * 251, "mink_ab12_hush" + "0" * 60, "/run/hush\u2028"]
)
def test_a_file_that_is_given_instead_of_its_path_is_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, content: str) -> None:
    monkeypatch.setenv(name, content)
    assert refusal() == f"{name}: holds the content, not the path of a file"


def test_usual_paths_are_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("tokens.json", "/etc/mink_prod/mink_tokens_file.json", "/run/secrets/Schlüssel {1}"):
        monkeypatch.setenv("MINK_TOKENS_FILE", path)
        assert str(load().tokens_file) == path


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://mink:s3cr3t@db/mink")
    assert "s3cr3t" not in repr(load()) + str(load())
    monkeypatch.setenv("MINK_DATABASE_POOL", "none")
    assert "s3cr3t" not in refusal()
