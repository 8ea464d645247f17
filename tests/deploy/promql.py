"""What a PromQL expression asks for: metrics, and their labels."""

from __future__ import annotations

from collections import defaultdict
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tests.deploy.tools import missing

if TYPE_CHECKING:
    from collections.abc import Iterator


def asked(expression: str) -> dict[str, set[str]]:
    """The metrics of an expression, each with the labels by which they are chosen or grouped."""
    if find_spec("promql_parser") is None:
        missing("promql-parser (PyPI)")
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, labels in _selectors(import_module("promql_parser").parse(expression), frozenset()):
        found[name] |= labels
    return dict(found)


def _selectors(node: Any, outer: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    match type(node).__name__:
        case "VectorSelector":
            assert node.name, node
            yield node.name, outer | {matcher.name for matcher in node.matchers.matchers}
        case "MatrixSelector":
            yield from _selectors(node.vector_selector, outer)
        case "AggregateExpr":
            # Grouping labels are those of everything inside, as far as nothing in between takes them away.
            yield from _selectors(node.expr, frozenset(node.modifier.labels) if node.modifier else frozenset())
        case "BinaryExpr":
            matching = frozenset(node.modifier.matching.labels) if node.modifier and node.modifier.matching else frozenset()
            for side in (node.lhs, node.rhs):
                yield from _selectors(side, outer | matching)
        case "Call":
            for argument in node.args:
                yield from _selectors(argument, outer)
        case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
            yield from _selectors(node.expr, outer)
        case "NumberLiteral" | "StringLiteral":
            pass
        case other:
            raise AssertionError(f"unknown part of PromQL: {other}")
