"""The judge of read models can fail: each kind of wrong history is found, and a right one is not."""

from __future__ import annotations

import pytest

from tests.reliability.projections.judge import (
    Applied,
    Line,
    Logged,
    Span,
    Sums,
    overlaps,
    partition_of,
    problems,
    sum_problems,
    sums_of,
)

ONE, TWO, THREE = 101, 102, 103
LOG = [
    Logged(1, "A", 1, "Opened", 5),
    Logged(2, "B", 1, "Opened", 7),
    Logged(3, "A", 2, "Changed", 11),
    Logged(4, "A", 3, "Closed", 13),
    Logged(5, "B", 2, "Closed", 17),
]


def by(worker: int, *positions: int) -> list[Applied]:
    return [Applied(LOG[position - 1], worker) for position in positions]


@pytest.mark.parametrize(
    "applied",
    [
        by(ONE, 1, 2, 3, 4, 5),
        by(ONE, 1, 3, 4, 2, 5),  # streams have no order among each other
        [*by(ONE, 1, 2), *by(TWO, 3, 4, 5)],
    ],
)
def test_a_right_history_is_right(applied: list[Applied]) -> None:
    assert problems(LOG, applied) == []


@pytest.mark.parametrize(
    ("applied", "complaint"),
    [
        (by(ONE, 1, 2, 3, 5), "never applied: 1"),
        (by(ONE), "never applied: 5"),
        (by(ONE, 1, 2, 3, 4, 5, 5), "applied more than once: 1"),
        ([*by(ONE, 1, 2, 3), *by(TWO, 3, 4, 5)], "applied more than once: 1"),
        (by(ONE, 1, 2, 4, 3, 5), "applied out of order: 2"),
        (by(ONE, 5, 1, 2, 3, 4), "applied out of order: 2"),
        (by(ONE, 1, 2, 4, 5), "applied out of order: 1"),
        ([*by(ONE, 1, 2, 3, 4, 5), Applied(Logged(6, "A", 4, "Opened", 1), ONE)], "otherwise than in the log: 1"),
        ([*by(ONE, 1, 2, 3, 4), Applied(LOG[4]._replace(amount=18), ONE)], "otherwise than in the log: 1"),
    ],
)
def test_a_gap_a_repeat_and_a_disorder_are_found(applied: list[Applied], complaint: str) -> None:
    assert complaint in "\n".join(problems(LOG, applied))


class TestWithKills:
    def test_what_the_killed_one_had_applied_may_come_once_more(self) -> None:
        assert problems(LOG, [*by(ONE, 1, 2, 3, 4), *by(TWO, 3, 4, 5)], killed={ONE}) == []
        assert problems(LOG, [*by(ONE, 1, 2, 3, 4), *by(TWO, 3, 4), *by(THREE, 3, 4, 5)], killed={ONE, TWO}) == []

    def test_but_not_by_one_that_lives(self) -> None:
        assert problems(LOG, [*by(ONE, 1, 2, 3, 4), *by(TWO, 3, 4, 5)], killed={TWO}) != []
        assert problems(LOG, [*by(ONE, 1, 2, 3, 3, 4, 5)], killed={ONE}) != []
        assert problems(LOG, [*by(ONE, 1, 2, 3, 4), *by(TWO, 3, 4), *by(THREE, 3, 4, 5)], killed={ONE}) != []

    def test_and_nothing_may_be_left_out(self) -> None:
        assert "never applied: 1" in "\n".join(problems(LOG, [*by(ONE, 1, 2, 3), *by(TWO, 5)], killed={ONE}))
        assert "out of order" in "\n".join(problems(LOG, [*by(ONE, 1), *by(TWO, 4, 1, 3, 4, 2, 5)], killed={ONE}))


def test_what_was_set_aside_may_come_late_and_must_come() -> None:
    late = by(ONE, 1, 2, 4, 5, 3)
    assert problems(LOG, late) != []
    assert problems(LOG, late, unordered={3}) == []
    assert problems(LOG, by(ONE, 1, 2, 4, 5), unordered={3}) != []


class TestSums:
    def test_right_ones(self) -> None:
        sums = sums_of(LOG)
        assert sums.by_stream == {"A": Line(3, 29, 3), "B": Line(2, 24, 2)}
        assert sums.by_type == {"Opened": Line(2, 12), "Changed": Line(1, 11), "Closed": Line(2, 30)}
        assert sum_problems(LOG, sums) == []

    @pytest.mark.parametrize("line", [Line(4, 29, 3), Line(3, 30, 3), Line(3, 29, 2), Line(3, 29, 3, disorders=1), None], ids=str)
    def test_wrong_ones(self, line: Line | None) -> None:
        by_stream, by_type = sums_of(LOG)
        if line is None:
            del by_stream["A"]
        else:
            by_stream["A"] = line
        assert "wrong sums by stream: 1" in sum_problems(LOG, Sums(by_stream, by_type))[0]

    def test_a_type_that_the_log_does_not_have(self) -> None:
        by_stream, by_type = sums_of(LOG)
        assert sum_problems(LOG, Sums(by_stream, {**by_type, "Other": Line(1, 1)})) != []


class TestOverlaps:
    def test_one_after_the_other_is_right(self) -> None:
        spans = [
            Span(ONE, 0, 0.0, 1.0, 1, 1),
            Span(TWO, 0, 1.0, 2.0, 2, 2),
            Span(ONE, 0, 2.5, 3.0, 3, 3),
            Span(TWO, 1, 0.0, 9.0, 1, 1),
        ]
        assert overlaps(spans) == []

    def test_one_process_may_overlap_with_itself(self) -> None:
        assert overlaps([Span(ONE, 0, 0.0, 2.0, 1, 1), Span(ONE, 0, 1.0, 3.0, 2, 2)]) == []

    def test_two_at_once_are_found(self) -> None:
        assert overlaps([Span(ONE, 0, 0.0, 2.0, 1, 1), Span(TWO, 0, 1.9, 3.0, 2, 2)]) != []
        # Also if another one ended in between.
        assert overlaps([Span(ONE, 0, 0.0, 5.0, 1, 1), Span(ONE, 0, 1.0, 2.0, 1, 1), Span(TWO, 0, 4.0, 6.0, 2, 2)]) != []

    def test_one_that_was_killed_at_it_is_over(self) -> None:
        assert overlaps([Span(ONE, 0, 0.0, None, 1, 1), Span(TWO, 0, 1.0, 2.0, 1, 1)]) == []


def test_partitions_are_by_the_hash_of_the_name() -> None:
    # echo -n Order-1 | sha256sum
    assert [partition_of("Order-1", n) for n in (1, 2, 3, 4, 256)] == [0, *(0x3C3592C2 % n for n in (2, 3, 4, 256))]
