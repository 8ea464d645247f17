"""What the docs say in tables is what the server has."""

from __future__ import annotations

import re
from pathlib import Path

import mink_server.rpc.interceptors  # noqa: F401 - registers the metrics of calls
from mink.v1 import errors_pb2
from mink_server.settings import Settings
from mink_server.telemetry.metrics import REGISTRY

DOCS = Path(__file__).parents[2] / "docs"


def table(page: str, name: str) -> list[list[str]]:
    text = (DOCS / page).read_text()
    body = re.search(rf"<!-- {name}: begin.*?-->\n(.*?)<!-- {name}: end -->", text, re.DOTALL).group(1)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.strip().splitlines()]
    return rows[2:]


def shown(default: object) -> str:
    if default is None:
        return "not set"
    return f"`{str(default).lower() if isinstance(default, bool) else f'{default:g}' if isinstance(default, float) else default}`"


def test_the_page_of_settings_has_every_setting_with_its_default() -> None:
    expected = [[f"`{f.validation_alias}`", shown(f.default), f.description] for f in Settings.model_fields.values()]
    assert table("configuration.md", "settings") == expected


def test_the_page_of_metrics_has_every_metric() -> None:
    there = {}
    for family in REGISTRY.collect():
        if family.name.startswith(("mink_", "grpc_")):
            name = family.name + ("_total" if family.type == "counter" else "")
            there[name] = (family.type, family.documentation)
    assert {row[0].strip("`"): (row[1], row[3]) for row in table("metrics.md", "metrics")} == there


def test_the_page_of_errors_names_every_reason() -> None:
    text = (DOCS / "errors.md").read_text()
    reasons = set(errors_pb2.ErrorReason.DESCRIPTOR.values_by_name) - {"ERROR_REASON_UNSPECIFIED"}
    assert {reason for reason in reasons if f"`{reason}`" not in text} == set()
