"""What the docs say in tables is what the server has."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

import mink_server.rpc.interceptors  # noqa: F401 - registers the metrics of calls
import pytest
import typer
from mink.v1 import errors_pb2
from mink_client import ProjectionState
from mink_client.cli.app import app
from mink_client.projections import Projection, RestartPolicy, RetryPolicy
from mink_client.worker.metrics import worker_registry
from mink_server.core import limits
from mink_server.settings import Settings
from mink_server.telemetry.metrics import REGISTRY
from mink_server.telemetry.projections import PROJECTIONS

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
    assert PROJECTIONS.observed == ()  # imported, its metrics are there
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


def rows(page: str, head: str) -> list[list[str]]:
    """A table of a page, by its first line."""
    text = (DOCS / page).read_text()
    assert text.count(head) == 1
    body = text.split(head, 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in body.strip().splitlines()[1:]]


def test_the_page_of_projections_has_every_attribute_with_its_default() -> None:
    told = {}
    for names, default, _ in rows("projections.md", "| attribute | default | what it is |"):
        told |= {name.strip("`"): default for name in names.split(", ")}
    attributes = {name for name in vars(Projection) if not name.startswith("_")} | {"name"}
    assert set(told) == attributes
    plain = {name for name in attributes - {"name"} if isinstance(getattr(Projection, name), int | str)}
    assert {name: told[name].strip('`"') for name in plain} == {name: str(getattr(Projection, name)) for name in plain}


def test_the_page_of_projections_has_the_policies_as_they_are() -> None:
    text = " ".join((DOCS / "projections.md").read_text().split())
    for policy in (RetryPolicy(), RestartPolicy()):
        told = re.search(rf"= {type(policy).__name__}\((.*?)\)`", text).group(1)
        assert dict(part.split("=") for part in told.split(", ")) == {
            field.name: repr(getattr(policy, field.name)) for field in fields(policy) if field.name != "transient"
        }


def test_the_page_of_projections_has_every_state() -> None:
    told = {state.strip("`") for state, _ in rows("projections.md", "| state | means |")}
    assert told == {state.value for state in ProjectionState} - {"unknown"}


def test_the_page_of_projections_has_every_metric_of_a_worker() -> None:
    told = set()
    for names, _ in rows("projections.md", "| metric | what it is |"):
        told |= {name.strip("`") for name in names.split(", ")}
    there = {family.name + ("_total" if family.type == "counter" else "") for family in worker_registry(list).collect()}
    assert told == there


def test_the_page_of_projections_has_the_limits_as_they_are() -> None:
    told = dict(rows("projections.md", "| what | at most |"))
    assert told == {
        "projections of a log": f"{limits.MAX_PROJECTIONS:,}",
        "partitions of a projection": f"{limits.MAX_PARTITIONS}",
        "workers of a projection": f"{limits.MAX_WORKERS:,}",
        "parked events of a build": f"{limits.MAX_PARKED:,}",
        "messages with events that a partition has under way": "4",
        "entries of a filter": f"{limits.MAX_FILTER_ENTRIES:,}",
        "name of a projection, of a worker": f"{limits.MAX_PROJECTION_NAME} characters",
        "what is kept of an error's text": f"{limits.MAX_ERROR_TEXT:,} characters",
    }
    assert limits.MAX_PROJECTION_NAME == limits.MAX_WORKER_NAME


def command_of(words: list[str]) -> tuple[typer.core.TyperCommand, list[str]]:
    """The command that words call, and its arguments."""
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    return command, words


def printed_commands() -> list[str]:
    """Every `mink …` that is printed in a block of commands, and that this distribution has."""
    found = []
    for page in (*DOCS.glob("*.md"), *DOCS.parent.glob("examples/*/*.md"), DOCS.parent / "README.md"):
        for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
            found += re.findall(r"^(?:\.venv/bin/)?(mink (?:projection|worker) .*)$", block, re.MULTILINE)
    return sorted(set(found))


def test_commands_of_projections_are_printed() -> None:
    assert len(printed_commands()) > 10


@pytest.mark.parametrize("line", printed_commands())
def test_a_printed_command_can_be_typed(line: str) -> None:
    command, arguments = command_of(shlex.split(line, comments=True)[1:])
    assert not hasattr(command, "commands")
    command.make_context("mink", arguments)


def test_the_page_of_projections_has_every_option_of_a_worker() -> None:
    command, _ = command_of(["worker", "run"])
    shared, _ = command_of(["projection", "list"])
    own = {parameter.opts[0] for parameter in command.params if parameter.name not in {p.name for p in shared.params}}
    told = {re.match(r"`(--[\w-]+)", option).group(1) for option, _, _ in rows("projections.md", "| option | default | means |")}
    assert told - {"--server"} == own - {"projections", "--verbose"}
