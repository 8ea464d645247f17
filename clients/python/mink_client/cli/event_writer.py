"""Writes events as they come: rows of one table, or one JSON object a line."""

from collections.abc import Iterable
from typing import Self

from mink_client import RecordedEvent
from mink_client.cli import output
from mink_client.cli.output import Column, Rows
from mink_client.cli.payload import event_json, shown
from mink_client.cli.session import Session
from mink_client.cli.text import moment

_COLUMNS = (
    Column("POSITION", right=True),
    Column("STREAM"),
    Column("VERSION", right=True),
    Column("TYPE"),
    Column("RECORDED AT"),
    Column("PAYLOAD"),
)


class EventWriter:
    """Use it with `with`.

    Attributes:
        count: How many events were written.
        last: The position of the last one; 0 before the first.
    """

    def __init__(self, session: Session) -> None:
        self.count = 0
        self.last = 0
        self._rows = None if session.json else Rows(*_COLUMNS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or (self.count and kind is not BrokenPipeError):
            self.flush()

    def add(self, events: Iterable[RecordedEvent]) -> None:
        """Takes events."""
        for event in events:
            if self._rows is None:
                output.write_json(event_json(event))
            else:
                recorded_at = moment(event.recorded_at)
                self._rows.add(event.position, event.stream, event.version, event.type, recorded_at, shown(event))
            self.count += 1
            self.last = event.position

    def flush(self) -> None:
        """Writes what was taken, so that a reader has it now."""
        if self._rows is None:
            output.flush()
        else:
            self._rows.flush()
