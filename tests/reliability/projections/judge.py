"""A judge of read models: whether all of the log was applied, nothing twice, and in order; and whether two were ever at it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_EXAMPLES = 5


class Logged(NamedTuple):
    """An event as the log has it."""

    position: int
    stream: str
    version: int
    type: str
    amount: int


class Applied(NamedTuple):
    """An event as a read model has it, and the process that applied it. They are judged in the order in which they were applied."""

    event: Logged
    worker: int


class Line(NamedTuple):
    """A line of a read model's sums: how many events a stream or a type had, and what they come to.

    `version` is the last one that was seen, and `disorders` how often one did not follow the one before; 0 for types.
    """

    events: int
    amount: int
    version: int = 0
    disorders: int = 0


class Sums(NamedTuple):
    """A read model's sums."""

    by_stream: dict[str, Line]
    by_type: dict[str, Line]


class Span(NamedTuple):
    """When a handler was at a partition, in seconds of the machine's clock; `ended` is None if it never came to its end."""

    worker: int
    partition: int
    began: float
    ended: float | None
    first: int
    last: int


def sums_of(log: Iterable[Logged]) -> Sums:
    """What a read model should say."""
    streams: dict[str, Line] = {}
    types: dict[str, Line] = {}
    for event in log:
        line = streams.get(event.stream, Line(0, 0))
        streams[event.stream] = Line(line.events + 1, line.amount + event.amount, event.version)
        line = types.get(event.type, Line(0, 0))
        types[event.type] = Line(line.events + 1, line.amount + event.amount)
    return Sums(streams, types)


def problems(
    log: Sequence[Logged], applied: Sequence[Applied], *, killed: Collection[int] = (), unordered: Collection[int] = ()
) -> list[str]:
    """Everything that is wrong with what was applied, one line each; empty: nothing.

    Args:
        log: The events that should have been applied.
        applied: What was, in order.
        killed: Processes that were killed: what one of them has applied may be applied once more, by another.
        unordered: Positions that were set aside and applied later.
    """
    known = {event.position: event for event in log}
    times = Counter(one.event.position for one in applied)
    foreign = [one.event for one in applied if known.get(one.event.position) != one.event]
    return [
        *_some("in the read model otherwise than in the log", foreign),
        *_some("never applied", [event for event in log if event.position not in times]),
        *_some("applied more than once", _repeats(applied, killed)),
        *_some("applied out of order", _disorders(log, applied, killed, unordered)),
    ]


def sum_problems(log: Iterable[Logged], sums: Sums) -> list[str]:
    """Where a read model's sums are not what the log comes to."""
    expected = sums_of(log)
    found: list[str] = []
    for what, is_so, should in (("stream", sums.by_stream, expected.by_stream), ("type", sums.by_type, expected.by_type)):
        wrong = [
            f"{name}: {is_so.get(name)} instead of {should.get(name)}"
            for name in sorted({*is_so, *should})
            if is_so.get(name) != should.get(name)
        ]
        found += _some(f"wrong sums by {what}", wrong)
    return found


def overlaps(spans: Iterable[Span]) -> list[str]:
    """Where two processes were at one partition at the same time. A handler that never ended counts at its beginning."""
    by_partition: dict[int, list[Span]] = defaultdict(list)
    for span in spans:
        by_partition[span.partition].append(span)
    found: list[tuple[Span, Span]] = []
    for them in by_partition.values():
        last: dict[int, Span] = {}  # of each process, the span that ends last
        for span in sorted(them, key=lambda one: one.began):
            found += [(other, span) for worker, other in last.items() if worker != span.worker and _end(other) > span.began]
            if span.worker not in last or _end(last[span.worker]) < _end(span):
                last[span.worker] = span
    return _some("two workers at one partition at once", found)


def partition_of(stream: str, partitions: int) -> int:
    """The partition that a stream belongs to."""
    return int.from_bytes(hashlib.sha256(stream.encode()).digest()[:4], "big") % partitions


def _end(span: Span) -> float:
    return span.began if span.ended is None else span.ended


def _repeats(applied: Sequence[Applied], killed: Collection[int]) -> list[Applied]:
    """Those that were applied before, by somebody who was not killed."""
    before: dict[int, int] = {}
    found = []
    for one in applied:
        by = before.get(one.event.position)
        if by is not None and (by not in killed or by == one.worker):
            found.append(one)
        before[one.event.position] = one.worker
    return found


def _disorders(
    log: Sequence[Logged], applied: Sequence[Applied], killed: Collection[int], unordered: Collection[int]
) -> list[tuple[Applied, Applied]]:
    """Two events of a stream that follow each other in the read model and not in the log.

    One that was killed may have come further than the checkpoint: whoever goes on may go back, and not beyond where that one was.
    """
    place: dict[int, int] = {}
    lengths: Counter[str] = Counter()
    for event in log:
        if event.position not in unordered:
            place[event.position] = lengths[event.stream]
            lengths[event.stream] += 1
    by_stream: dict[str, list[Applied]] = defaultdict(list)
    for one in applied:
        if one.event.position in place:
            by_stream[one.event.stream].append(one)
    found: list[tuple[Applied, Applied]] = []
    for them in by_stream.values():
        if place[them[0].event.position] != 0:
            found.append((them[0], them[0]))
        for one, other in pairwise(them):
            follows = place[other.event.position] == place[one.event.position] + 1
            back = place[other.event.position] <= place[one.event.position] and one.worker in killed and one.worker != other.worker
            if not (follows or back):
                found.append((one, other))
    return found


def _some(what: str, which: Iterable[object]) -> list[str]:
    them = list(which)
    if not them:
        return []
    more = f" and {len(them) - _EXAMPLES} more" if len(them) > _EXAMPLES else ""
    return [f"{what}: {len(them)}: " + ", ".join(str(one) for one in them[:_EXAMPLES]) + more]
