"""What the Dockerfile promises and no other check would miss. `tools/check-image` carries it out."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_image_is_built_with_the_same_uv_as_the_environment() -> None:
    bootstrap = (ROOT / "tools/bootstrap").read_text()
    assert re.findall(r"uv==([\d.]+)", DOCKERFILE) == re.findall(r"^uv_version=(.+)$", bootstrap, re.MULTILINE)


def test_the_image_does_not_run_as_root() -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == ["mink"]


def test_the_image_starts_the_server() -> None:
    assert json.loads(re.findall(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.MULTILINE)[-1]) == ["mink"]
    assert json.loads(re.findall(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)[-1]) == ["serve"]


def test_the_image_opens_nothing_beyond_loopback_by_itself() -> None:
    assert "MINK_INSECURE" not in re.sub(r"^#.*$", "", DOCKERFILE, flags=re.MULTILINE)
