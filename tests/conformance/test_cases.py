"""The cases keep to their form, and leave nothing out that a client can meet."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from mink.v1 import errors_pb2

from clients.conformance.harness import cases
from clients.conformance.harness.fleet import PROFILES
from clients.conformance.harness.run import CANARIES, CASES, CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = json.loads((CLIENTS / "conformance" / "schema.json").read_text())
FILES = sorted([*CASES.glob("*.yaml"), *CANARIES.glob("*.yaml")])
# What no call of a client that appends, reads and subscribes is answered with.
OF_PROJECTIONS = {"PROJECTION_NOT_FOUND", "PROJECTION_IN_USE"}


def content(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a value, and itself if it is one."""
    if isinstance(value, dict):
        yield value
        for entry in value.values():
            yield from objects(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from objects(entry)


def wrong(file: dict[str, Any]) -> list[str]:
    """What is wrong with a file of cases."""
    found = jsonschema.Draft202012Validator(SCHEMA).iter_errors(file)
    errors = [jsonschema.exceptions.best_match([error]) for error in found]
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in errors]


@pytest.mark.parametrize("path", [path for path in FILES if path.parent == CASES], ids=lambda path: path.stem)
def test_a_file_of_cases_keeps_to_the_schema(path: Path) -> None:
    assert wrong(content(path)) == []


def test_the_canaries_keep_to_the_schema_but_for_the_operation_that_there_is_none_of() -> None:
    file = content(CANARIES / "wrong.yaml")
    file["cases"] = [case for case in file["cases"] if case["name"] != "nobody knows an operation"]
    assert wrong(file) == []


@pytest.mark.parametrize(
    "step",
    [
        {"apend": {"stream": "A", "expected": "ANY", "events": []}},
        {"append": {"stream": "A", "expected": "NONE", "events": []}},
        {"append": {"stream": "A", "expected": "ANY", "events": [{"type": "T"}]}},
        {"append": {"stream": "A", "expected": "ANY", "events": [{"type": "T", "json": "1", "binary": ""}]}},
        {"append": {"stream": "A", "expected": "ANY", "events": [], "replayed": True}},
        {"load": {"stream": "A"}, "get_stream": {"stream": "A"}},
        {"load": {"stream": "A"}, "returns": {}, "fails": {}},
        {"load": {"stream": "A"}, "returns": {"events": {"$abvoe": 1}}},
        {"load": {"stream": "A"}, "returns": {"events": {"$length": 1, "a": 1}}},
        {"load": {"stream": "A"}, "returns": {"events": {"$each": {"id": {"$save": "x"}}}}},
        {"server": {"do": "kick"}},
        {"server": {"do": "kill"}, "returns": {}},
        {"fault": {"do": "refuse", "method": "GetStream"}},
        {"fault": {"do": "silence", "method": "GetStream"}},
        {"fault": {"do": "cut_after", "after": 1, "reason": "OVERLOADED"}},
        {"ended": {"of": "s"}},
        {"by": "other"},
    ],
    ids=str,
)
def test_the_schema_finds_what_is_wrong(step: dict[str, Any]) -> None:
    assert wrong({"about": "It.", "cases": [{"name": "n", "promise": "3", "steps": [step]}]}) != []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_names_are_unique_in_a_file(path: Path) -> None:
    counted = Counter(case["name"] for case in content(path)["cases"])
    assert [name for name, count in counted.items() if count > 1] == []


def test_every_reason_that_a_client_can_meet_occurs_in_some_case() -> None:
    met = {
        reason
        for path in CASES.glob("*.yaml")
        for one in objects(content(path))
        if isinstance(reason := (one.get("fails") or {}).get("reason"), str)
    }
    reasons = set(errors_pb2.ErrorReason.keys()) - OF_PROJECTIONS - {"ERROR_REASON_UNSPECIFIED"}
    assert reasons - met == set()


def test_a_case_is_known_with_what_it_asks_of_the_harness() -> None:
    steps = [
        {"fault": {"do": "clear"}},
        {"repeat": {"times": 3, "steps": [{"seen": {}}]}},
        {"together": [[{"server": {"do": "kill"}}], [{"server": {"do": "start"}}, {"seen": {}}]]},
        {"append": {"stream": "fault", "expected": "ANY", "events": []}},
    ]
    found = cases._case("f", {"name": "n", "server": "faulty", "steps": steps})
    assert (found.title, found.server) == ("f: n", "faulty")
    assert found.asks == {"fault": 1, "seen": 2, "server": 2}


def test_only_chooses_by_file_and_name() -> None:
    files = cases.load(CANARIES)
    assert [case.name for case in cases.select(files, "wrong: a list is too ")] == ["a list is too short", "a list is too long"]
    assert len(cases.select(files, "")) == len(content(CANARIES / "wrong.yaml")["cases"])


def test_the_schema_knows_every_server() -> None:
    assert set(SCHEMA["$defs"]["case"]["properties"]["server"]["enum"]) == set(PROFILES)
