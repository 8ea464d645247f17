"""Which events pass a filter, in memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mink_server.core.filters import EventFilter, Partition, category_of

some_names = st.text(alphabet="ab-%_😀", max_size=5)
sets = st.frozensets(some_names, max_size=2)


@pytest.mark.parametrize(
    ("stream", "category"),
    [
        ("Order-1", "Order"),
        ("Order", "Order"),
        ("Order-1-2", "Order"),
        ("-1", ""),
        ("-", ""),
        ("Order_1", "Order_1"),
        ("Ünï-1", "Ünï"),
        ("a\u2010b", "a\u2010b"),
    ],
)
def test_the_category_is_what_stands_before_the_first_hyphen(stream: str, category: str) -> None:
    assert category_of(stream) == category


def test_an_empty_filter_lets_everything_through() -> None:
    assert EventFilter().matches("A", "T")
    assert not EventFilter().chooses_streams
    assert not EventFilter(types=frozenset("T")).chooses_streams


def test_any_of_the_stream_choices_is_enough_and_the_type_is_needed_besides() -> None:
    where = EventFilter(frozenset(["A"]), ("B", "C_"), frozenset(["D"]), frozenset(["T", "U"]))
    for stream in ("A", "B", "Bx", "C_1", "D", "D-1"):
        assert where.matches(stream, "T")
        assert where.matches(stream, "U")
        assert not where.matches(stream, "V")
    for stream in ("A1", "a", "C1", "D1", "xB", "Dx-1"):
        assert not where.matches(stream, "T")


@given(
    stream=some_names,
    kind=some_names,
    streams=sets,
    prefixes=st.lists(some_names.filter(bool), max_size=2),
    categories=sets,
    types=sets,
)
def test_it_is_what_the_proto_says(
    stream: str, kind: str, streams: frozenset[str], prefixes: list[str], categories: frozenset[str], types: frozenset[str]
) -> None:
    chosen = not (streams or prefixes or categories) or any(
        [stream in streams, any(stream[: len(p)] == p for p in prefixes), stream.split("-", 1)[0] in categories]
    )
    assert EventFilter(streams, tuple(prefixes), categories, types).matches(stream, kind) == (
        chosen and (not types or kind in types)
    )


@pytest.mark.parametrize(("stream", "number"), [("Order-1", 2), ("Order-2", 1), ("Ünï-1", 6), ("😀", 4)])
def test_the_partition_of_a_stream_never_changes(stream: str, number: int) -> None:
    # Made with another program: printf %s NAME | sha256sum | cut -c1-8, modulo 8. Checkpoints depend on it.
    assert [n for n in range(8) if Partition(n, 8).has(stream)] == [number]
