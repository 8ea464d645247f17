"""The runner's matcher, by the vectors that every language reads."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from conformance.braces import BracesError, replaced
from conformance.matching import Mismatch, match, saved
from conformance.scope import Scope

from clients.conformance.harness.run import CLIENTS

MATCHING = yaml.safe_load((CLIENTS / "conformance" / "matching.yaml").read_text())
BRACES = yaml.safe_load((CLIENTS / "conformance" / "braces.yaml").read_text())


def names(entries: list[dict[str, Any]]) -> list[str]:
    return [f"{number}: {entry}"[:80] for number, entry in enumerate(entries, 1)]


@pytest.mark.parametrize("vector", MATCHING, ids=names(MATCHING))
def test_what_matches(vector: dict[str, Any]) -> None:
    kept = saved(vector["says"], vector["came"])
    scope = Scope()
    scope.keep(**kept)
    if vector["matches"]:
        match(vector["says"], vector["came"], scope)
        assert kept == vector.get("saves", {})
    else:
        with pytest.raises((Mismatch, BracesError)):
            match(vector["says"], vector["came"], scope)


@pytest.mark.parametrize("vector", BRACES, ids=names(BRACES))
def test_what_words_in_braces_become(vector: dict[str, Any]) -> None:
    scope = Scope()
    scope.keep(**vector["with"])
    if vector.get("wrong"):
        with pytest.raises(BracesError):
            replaced(vector["value"], scope)
    else:
        became = replaced(vector["value"], scope)
        assert became == vector["becomes"]
        assert type(became) is type(vector["becomes"])


def test_a_word_that_nobody_can_match_with_is_an_error_and_no_mismatch() -> None:
    with pytest.raises(ValueError, match=r"\$abvoe"):
        match({"a": {"$abvoe": 3}}, {"a": 4}, Scope())


def test_a_mismatch_says_where_and_what_came() -> None:
    with pytest.raises(Mismatch, match=r"events\[1\]\.version: expected 3, came 2"):
        match({"events": [{"version": 1}, {"version": 3}]}, {"events": [{"version": 1}, {"version": 2}]}, Scope())


def test_in_each_the_entry_that_does_not_match_is_named() -> None:
    with pytest.raises(Mismatch, match=r"\[2\]\.a: expected 1, came 2"):
        match({"$each": {"a": 1}}, [{"a": 1}, {"a": 1}, {"a": 2}], Scope())


def test_a_uuid_is_the_same_wherever_it_is_named_and_another_in_the_next_case() -> None:
    one, two = Scope.of_case({}), Scope.of_case({})
    inner = Scope(one, 3)
    assert inner("uuid:a") == one("uuid:a") != one("uuid:b")
    assert one("uuid:a") != two("uuid:a")
    assert one("case") != two("case")


def test_the_number_of_a_repetition_is_that_of_the_innermost() -> None:
    outer = Scope(Scope.of_case({}), 7)
    assert Scope(outer)("i") == 7
    assert Scope(outer, 2)("i") == 2


def test_what_a_list_of_steps_keeps_is_there_after_it_has_ended() -> None:
    case = Scope.of_case({"tokens": {"reader": "r"}})
    inner = Scope(case)
    inner.keep(x=1)
    with pytest.raises(BracesError):
        case("x")
    inner.give_out()
    assert case("x") == 1
    assert case("token:reader") == "r"
