"""The judge itself: it lets good histories pass, and none of the bad ones."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.history import Attempt, Deliveries, History, Seen


@dataclass
class New:
    id: str
    type: str


@dataclass
class Placed:
    version: int
    first_position: int
    last_position: int


LOG = [
    Seen(1, 1, "a", "S", "Odd"),
    Seen(2, 2, "b", "S", "Even"),
    Seen(3, 1, "c", "T", "Odd"),
    Seen(4, 3, "d", "S", "Even"),
    Seen(5, 2, "e", "T", "Odd"),
]


@pytest.fixture
def history() -> History:
    """Of the log above: three appends, of which the last was never answered, and two subscribers."""
    history = History()
    history.acknowledge(history.attempt("S", [New("a", "Odd"), New("b", "Even")]), Placed(2, 1, 2))
    history.acknowledge(history.attempt("T", [New("c", "Odd")]), Placed(1, 3, 3))
    history.acknowledge(history.attempt("S", [New("d", "Even")]), Placed(3, 4, 4))
    history.attempt("T", [New("e", "Odd")])
    history.subscriber("all").seen += LOG
    history.subscriber("odd", lambda event: event.type == "Odd").seen += [LOG[0], LOG[2], LOG[4]]
    return history


def complaint(history: History, log: list[Seen] = LOG) -> str:
    with pytest.raises(AssertionError) as caught:
        history.check(log)
    return str(caught.value)


def everything(history: History) -> Deliveries:
    return history.deliveries[0]


def last_attempt(history: History) -> Attempt:
    return history.attempts[-1]


def test_a_good_history_passes_also_with_an_append_that_was_made_and_not_acknowledged(history: History) -> None:
    history.check(LOG)


def test_an_append_that_was_never_made_passes_if_it_was_not_acknowledged(history: History) -> None:
    for deliveries in history.deliveries:
        del deliveries.seen[-1]
    history.check(LOG[:-1])


def test_an_event_that_was_skipped(history: History) -> None:
    del everything(history).seen[2]
    assert "all: never delivered: 1" in complaint(history)


def test_an_event_that_was_skipped_at_the_end(history: History) -> None:
    del history.deliveries[1].seen[-1]
    assert "odd: never delivered: 1" in complaint(history)


def test_an_event_that_came_twice(history: History) -> None:
    everything(history).seen.insert(3, LOG[2])
    assert "all: delivered more than once: 1" in complaint(history)


def test_an_event_that_came_again_at_the_end(history: History) -> None:
    everything(history).seen.append(LOG[0])
    assert "all: delivered more than once: 1" in complaint(history)


def test_events_in_another_order(history: History) -> None:
    seen = everything(history).seen
    seen[1], seen[2] = seen[2], seen[1]
    assert "all: delivered out of order: 1" in complaint(history)


def test_an_event_that_is_not_in_the_log(history: History) -> None:
    everything(history).seen.append(Seen(6, 3, "f", "T", "Odd"))
    assert "all: delivered, and not in the log: 1" in complaint(history)


def test_an_event_that_came_with_another_version(history: History) -> None:
    everything(history).seen[3] = LOG[3]._replace(version=4)
    assert "all: delivered, and not in the log: 1" in complaint(history)


def test_an_event_that_the_filter_leaves_out(history: History) -> None:
    history.deliveries[1].seen.insert(1, LOG[1])
    assert "odd: delivered, and not asked for: 1" in complaint(history)


def test_a_hole_in_the_positions(history: History) -> None:
    log = [*LOG[:4], LOG[4]._replace(position=6)]
    for deliveries in history.deliveries:
        deliveries.seen[-1] = log[-1]
    assert "log: a hole or a wrong order" in complaint(history, log)


def test_a_hole_in_the_versions_of_a_stream(history: History) -> None:
    log = [*LOG[:4], LOG[4]._replace(version=3)]
    for deliveries in history.deliveries:
        deliveries.seen[-1] = log[-1]
    assert "log: versions with a hole or in a wrong order: 1" in complaint(history, log)


def test_an_event_that_is_in_the_log_twice(history: History) -> None:
    log = [*LOG, Seen(6, 3, "e", "T", "Odd")]
    for deliveries in history.deliveries:
        deliveries.seen.append(log[-1])
    assert "log: an event id twice: 1" in complaint(history, log)


def test_an_acknowledged_event_that_is_lost(history: History) -> None:
    log = LOG[:3]
    assert "acknowledged and not in the log: 1" in complaint(history, log)


def test_an_acknowledged_event_that_was_renumbered(history: History) -> None:
    log = [*LOG[:2], LOG[3]._replace(position=3), LOG[2]._replace(position=4), LOG[4]]
    assert "acknowledged otherwise than it is in the log: 2" in complaint(history, log)


def test_an_append_of_which_a_part_is_there(history: History) -> None:
    attempt = last_attempt(history)
    attempt.ids.append("f")
    attempt.types.append("Odd")
    assert "of an append of 2 events, 1 are in the log" in complaint(history)


def test_an_append_whose_events_stand_apart(history: History) -> None:
    attempt = last_attempt(history)
    attempt.ids.insert(0, "c")
    attempt.types.insert(0, "Odd")
    assert "the events of one append do not follow each other" in complaint(history)


def test_an_append_to_another_stream(history: History) -> None:
    last_attempt(history).stream = "U"
    assert "another stream or type" in complaint(history)


def test_an_append_that_was_refused_and_made(history: History) -> None:
    history.refuse(last_attempt(history))
    assert "an append that was refused is in the log" in complaint(history)


def test_an_answer_with_fewer_positions_than_events(history: History) -> None:
    history.acknowledge(history.attempts[0], Placed(2, 1, 1))
    assert "an append of 2 events to S was told positions 1 to 1" in complaint(history)
