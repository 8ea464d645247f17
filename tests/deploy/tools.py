"""Tools and files that the tests of deploy/ share."""

from __future__ import annotations

import os
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus/rules/mink.yml"
DASHBOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))


def missing(what: str) -> None:
    """Skips the test for a tool that is not on this machine. Where everything must be checked (CI is set), that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}: not installed, and CI is set", pytrace=False)
    pytest.skip(f"{what}: not installed")


@cache
def _path(name: str) -> str | None:
    here = str(Path(sys.executable).parent)
    return shutil.which(name, path=f"{here}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


def tool(name: str, package: str, *, needed: bool = True) -> str:
    """The path of a program, or a skipped test.

    Args:
        name: The program.
        package: What would install it.
        needed: Whether the test cannot do without; if it can, the answer may be empty.
    """
    found = _path(name)
    if found is None and needed:
        missing(f"{name} ({package})")
    return found or ""


def documents(path: Path) -> list[dict[str, Any]]:
    """The YAML documents of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


def document(path: Path) -> dict[str, Any]:
    """The only YAML document of a file."""
    (only,) = documents(path)
    return only
