"""Checks of single fields. They name every field that is wrong, so that a caller mends them all at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from mink.v1 import expectation_pb2

from mink_server.core import limits
from mink_server.core.errors import FieldViolation, InvalidRequestError
from mink_server.core.expectations import ANY, NO_STREAM, STREAM_EXISTS

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_STATES: Final = {
    expectation_pb2.ANY: ANY,
    expectation_pb2.NO_STREAM: NO_STREAM,
    expectation_pb2.STREAM_EXISTS: STREAM_EXISTS,
}
_STATE_OF: Final = {expected: state for state, expected in _STATES.items()}
_EXPECTATION_CHOICES: Final = "say what you expect: exact_version (0: not there), or state ANY, NO_STREAM or STREAM_EXISTS"


class Problems:
    """Collects what is wrong with a request."""

    def __init__(self) -> None:
        self.violations: list[FieldViolation] = []

    def add(self, field: str, description: str) -> None:
        """Notes a field that is wrong."""
        if len(self.violations) < 100:
            self.violations.append(FieldViolation(field, description))

    def check(self) -> None:
        """Ends the request if something is wrong.

        Raises:
            InvalidRequestError: With all that was noted.
        """
        if self.violations:
            raise InvalidRequestError(self.violations)


def check_name(problems: Problems, field: str, name: str, longest: int) -> None:
    """Notes what is wrong with a name: it is empty, too long, or has control characters."""
    if not name:
        problems.add(field, "must not be empty")
    elif len(name) > longest:
        problems.add(field, f"has {len(name)} characters, at most {longest} are allowed")
    elif _CONTROL.search(name):
        problems.add(field, "must not have control characters")


def stream_name(request: Any) -> str:
    """The `stream` of a request.

    Raises:
        InvalidRequestError: It is no stream name.
    """
    problems = Problems()
    check_name(problems, "stream", request.stream, limits.MAX_STREAM_NAME)
    problems.check()
    return str(request.stream)


def expectation(request: Any, problems: Problems, path: str = "", choices: str = _EXPECTATION_CHOICES) -> int:
    """What a request expects of its stream; `choices` are told to one who says nothing."""
    kind = request.WhichOneof("expectation")
    if kind == "exact_version":
        if request.exact_version < 0:
            problems.add(path + "exact_version", "must not be negative")
        return int(request.exact_version)
    if kind == "state" and request.state in _STATES:
        return _STATES[request.state]
    problems.add(path + "expectation", choices)
    return ANY


def expected_in(message: Any, expected: int) -> None:
    """Puts an expectation into a message that has the fields of one."""
    if expected in _STATE_OF:
        message.state = _STATE_OF[expected]
    else:
        message.exact_version = expected


def count(problems: Problems, field: str, value: int, most: int = limits.MAX_BIGINT) -> int:
    """A number that must not be negative, nor more than `most`."""
    if value < 0:
        problems.add(field, "must not be negative")
    elif value > most:
        problems.add(field, f"must be at most {most}")
    return value


def metadata_of(problems: Problems, path: str, given: Mapping[str, str]) -> tuple[dict[str, str] | None, int]:
    """Metadata (None if there is none) and its bytes."""
    if not given:
        return None, 0
    metadata = dict(given)
    if len(metadata) > limits.MAX_METADATA_ENTRIES:
        problems.add(path, f"has {len(metadata)} entries, at most {limits.MAX_METADATA_ENTRIES} are allowed")
    size = 0
    for key, value in metadata.items():
        if not key or len(key) > limits.MAX_METADATA_KEY or _CONTROL.search(key):
            problems.add(path, f"a key must have 1 to {limits.MAX_METADATA_KEY} characters and no control characters")
        if "\x00" in value:
            problems.add(path, "a value must not have the character U+0000")
        size += len(key.encode()) + len(value.encode())
    return metadata, size
