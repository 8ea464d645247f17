"""What clients saw of a log, and a judge of whether Mink kept its promises to them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_EXAMPLES = 5


class Seen(NamedTuple):
    """An event as somebody saw it."""

    position: int
    version: int
    id: str
    stream: str
    type: str

    @classmethod
    def of(cls, event: _Event) -> Seen:
        """What was seen of an event that the client library or a stub gave."""
        return cls(event.position, event.version, event.id, event.stream, event.type)


class _Event(Protocol):
    @property
    def position(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def stream(self) -> str: ...
    @property
    def type(self) -> str: ...


class _NewEvent(Protocol):
    id: str
    type: str


class _Placed(Protocol):
    version: int
    first_position: int
    last_position: int


class Attempt:
    """One logical append, however often it was sent. What becomes of it is known, or it is not."""

    def __init__(self, stream: str, events: Sequence[_NewEvent]) -> None:
        self.stream = stream
        self.ids = [event.id for event in events]
        self.types = [event.type for event in events]
        self.refused = False
        self.acknowledged: list[Seen] | None = None


class Deliveries:
    """What one subscriber got, in the order in which it got it."""

    def __init__(self, name: str, wants: Callable[[Seen], bool] | None) -> None:
        self.name = name
        self.wants = wants or (lambda _: True)
        self.seen: list[Seen] = []


class History:
    """Appends and deliveries, as the clients saw them."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.deliveries: list[Deliveries] = []
        self._wrong_answers: list[str] = []

    # What clients tell.

    def attempt(self, stream: str, events: Sequence[_NewEvent]) -> Attempt:
        """An append is about to be sent."""
        made = Attempt(stream, events)
        self.attempts.append(made)
        return made

    def acknowledge(self, attempt: Attempt, answer: _Placed) -> None:
        """It was acknowledged."""
        count = len(attempt.ids)
        if answer.last_position - answer.first_position != count - 1:
            self._wrong_answers.append(
                f"an append of {count} events to {attempt.stream} was told positions "
                f"{answer.first_position} to {answer.last_position}"
            )
        attempt.acknowledged = [
            Seen(answer.first_position + i, answer.version - count + 1 + i, attempt.ids[i], attempt.stream, attempt.types[i])
            for i in range(count)
        ]

    def refuse(self, attempt: Attempt) -> None:
        """It was refused for good: nothing of it may be in the log."""
        attempt.refused = True

    def subscriber(self, name: str, wants: Callable[[Seen], bool] | None = None) -> Deliveries:
        """Somebody subscribes from the first event on.

        Args:
            name: Who, for messages.
            wants: Its filter; None: it wants everything.
        """
        made = Deliveries(name, wants)
        self.deliveries.append(made)
        return made

    # The judge.

    def check(self, log: Sequence[Seen]) -> None:
        """Fails with everything that is wrong.

        Args:
            log: The log, as ReadAll gave it when all was quiet.
        """
        found = self.problems(log)
        assert not found, "\n".join(["the history breaks the contract:", *found])

    def problems(self, log: Sequence[Seen]) -> list[str]:
        """Everything that is wrong, one line each; empty: Mink kept its promises."""
        found = [*self._wrong_answers, *_judge_log(log)]
        found += self._judge_appends(log)
        for deliveries in self.deliveries:
            expected = [event for event in log if deliveries.wants(event)]
            found += [f"{deliveries.name}: {problem}" for problem in _judge_deliveries(deliveries.seen, expected, log)]
        return found

    def _judge_appends(self, log: Sequence[Seen]) -> list[str]:
        found: list[str] = []
        by_id = {event.id: event for event in log}
        lost: list[Seen] = []
        moved: list[tuple[Seen, Seen]] = []
        for attempt in self.attempts:
            there = [by_id[i] for i in attempt.ids if i in by_id]
            if attempt.refused and there:
                found.append(f"an append that was refused is in the log: {there[0]}")
            if there and len(there) != len(attempt.ids):
                found.append(f"of an append of {len(attempt.ids)} events, {len(there)} are in the log, the first is {there[0]}")
            elif any(b.position != a.position + 1 or b.version != a.version + 1 for a, b in pairwise(there)):
                found.append(f"the events of one append do not follow each other: {there}")
            elif [(e.stream, e.type) for e in there] != [(attempt.stream, t) for t in attempt.types[: len(there)]]:
                found.append(f"an append is in the log with another stream or type: {there}")
            for told in attempt.acknowledged or ():
                if told.id not in by_id:
                    lost.append(told)
                elif by_id[told.id] != told:
                    moved.append((told, by_id[told.id]))
        found += _some("acknowledged and not in the log", lost)
        found += _some("acknowledged otherwise than it is in the log", moved)
        return found


def _judge_log(log: Sequence[Seen]) -> list[str]:
    found: list[str] = []
    if wrong := next((i for i, event in enumerate(log, 1) if event.position != i), 0):
        found.append(f"log: a hole or a wrong order: {log[wrong - 1]} where position {wrong} should be")
    versions: Counter[str] = Counter()
    bad: list[Seen] = []
    for event in log:
        versions[event.stream] += 1
        if event.version != versions[event.stream]:
            bad.append(event)
            versions[event.stream] = event.version
    found += _some("log: versions with a hole or in a wrong order", bad)
    found += _some("log: an event id twice", [i for i, count in Counter(event.id for event in log).items() if count > 1])
    return found


def _judge_deliveries(seen: Sequence[Seen], expected: Sequence[Seen], log: Sequence[Seen]) -> list[str]:
    if list(seen) == list(expected):
        return []
    in_log, wanted = set(log), set(expected)
    counts = Counter(seen)
    found = [
        *_some("delivered, and not in the log", [event for event in counts if event not in in_log]),
        *_some("delivered, and not asked for", [event for event in counts if event in in_log and event not in wanted]),
        *_some("delivered more than once", [event for event, count in counts.items() if count > 1]),
        *_some("never delivered", [event for event in expected if event not in counts]),
        *_some("delivered out of order", [(a, b) for a, b in pairwise(seen) if b.position <= a.position]),
    ]
    return found or [f"the deliveries differ from the log: {len(seen)} for {len(expected)}"]


def _some(what: str, which: Iterable[object]) -> list[str]:
    them = list(which)
    if not them:
        return []
    more = f" and {len(them) - _EXAMPLES} more" if len(them) > _EXAMPLES else ""
    return [f"{what}: {len(them)}: " + ", ".join(str(one) for one in them[:_EXAMPLES]) + more]
