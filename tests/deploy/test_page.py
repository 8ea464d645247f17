"""docs/deployment.md names what there is, and its commands work as far as they can without an engine."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.deploy.tools import DEPLOY, ROOT, document, documents, tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import MinkProcess

PAGE = (ROOT / "docs/deployment.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, block in BLOCKS if not language for line in block.splitlines()]


def test_every_file_that_it_names_is_there() -> None:
    named = set(re.findall(r"\bdeploy/[\w./-]*\w", PAGE)) - {"deploy/compose/.env", "deploy/compose/secrets"}
    assert len(named) > 10
    for path in named:
        assert (ROOT / path).exists(), path


def test_every_service_that_it_names_is_there() -> None:
    services = document(DEPLOY / "compose/compose.yaml")["services"]
    named = re.findall(r"compose\.yaml (?:exec|run --rm) (\S+)", PAGE)
    assert named
    assert set(named) <= set(services)


def test_its_passwords_are_those_that_are_asked_for() -> None:
    exported = {line.removeprefix("export ").partition("=")[0] for line in COMMANDS if line.startswith("export ")}
    assert exported == {"POSTGRES_PASSWORD", "GRAFANA_PASSWORD", "PUBLISH_ON"}


def test_its_secrets_are_those_that_the_manifests_want() -> None:
    made: dict[str, set[str]] = {}
    for line in COMMANDS:
        if match := re.fullmatch(r"kubectl -n mink create secret (generic|tls) (\S+) (.+)", line):
            keys = {"tls.crt", "tls.key"} if match[1] == "tls" else set(re.findall(r"--from-file=([^=\s]+)", match[3]))
            made[match[2]] = keys
    example = documents(DEPLOY / "kubernetes/secrets.example.yaml")
    assert made == {item["metadata"]["name"]: set(item["stringData"]) for item in example}


def test_its_certificate_and_token_are_what_server_and_client_take(
    start_server: Callable[..., MinkProcess], tmp_path: Path
) -> None:
    def run(*command: str | Path, **env: str) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **env}
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    mink = Path(sys.executable).with_name("mink")
    (make_certificate,) = [shlex.split(line) for line in COMMANDS if line.startswith("openssl ")]
    (make_token,) = [shlex.split(line) for line in COMMANDS if line.startswith("mink token ")]
    run(tool("openssl", "openssl"), *make_certificate[1:])
    token = run(mink, *make_token[1:]).strip()
    process = start_server(
        MINK_TLS_CERT_FILE=str(tmp_path / "tls.crt"),
        MINK_TLS_KEY_FILE=str(tmp_path / "tls.key"),
        MINK_TOKENS_FILE=str(tmp_path / "tokens"),
    )
    server = "localhost:" + process.grpc_address.rpartition(":")[2]
    settings = {"MINK_SERVER": server, "MINK_CA_FILE": str(tmp_path / "tls.crt"), "MINK_TOKEN": token}
    run(mink, "append", "Order-1", "OrderPlaced", "{}", **settings)
    assert "OrderPlaced" in run(mink, "stream", "events", "Order-1", **settings)
