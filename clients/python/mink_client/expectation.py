"""What a caller can expect of a stream."""

from enum import Enum
from typing import Final, Literal, Protocol, TypeAlias

from mink.v1 import expectation_pb2


class ExpectedState(Enum):
    """A state that a stream can be expected to be in, without naming a version."""

    ANY = expectation_pb2.ANY
    """Whatever the stream is."""
    NO_STREAM = expectation_pb2.NO_STREAM
    """The stream does not exist: nothing was ever appended to it, or it was deleted."""
    STREAM_EXISTS = expectation_pb2.STREAM_EXISTS
    """The stream exists, at whatever version."""

    def __repr__(self) -> str:
        return self.name

    __str__ = __repr__


ANY: Final = ExpectedState.ANY
NO_STREAM: Final = ExpectedState.NO_STREAM
STREAM_EXISTS: Final = ExpectedState.STREAM_EXISTS

Expected: TypeAlias = int | ExpectedState
"""A version that the stream has (0: it does not exist), or `ANY`, `NO_STREAM`, `STREAM_EXISTS`."""

_NUMBER_OF_STATE: Final = {state: state.value for state in ExpectedState}
_STATE_OF_NUMBER: Final = {state.value: state for state in ExpectedState}


class _Expecting(Protocol):
    state: expectation_pb2.ExpectedState.ValueType
    exact_version: int

    def WhichOneof(self, oneof_group: Literal["expectation"], /) -> Literal["state", "exact_version"] | None: ...  # noqa: N802


def write_expectation(message: _Expecting, expected: Expected) -> None:
    """Puts an expectation into a request.

    Args:
        message: A request with the oneof `expectation`.
        expected: What the caller expects.

    Raises:
        TypeError: `expected` is neither a version nor a state.
        ValueError: The version is negative, or larger than any.
    """
    state = _NUMBER_OF_STATE.get(expected) if isinstance(expected, ExpectedState) else None
    if state is not None:
        message.state = state
    elif isinstance(expected, int) and not isinstance(expected, bool):
        if expected < 0:
            raise ValueError(f"expected: a version is 0 or more, not {expected}")
        try:
            message.exact_version = expected
        except ValueError:
            raise ValueError(f"expected: a version is less than 2**63, not {expected}") from None
    else:
        raise TypeError(f"expected: a version (int), ANY, NO_STREAM or STREAM_EXISTS, not {expected!r}")


def read_expectation(message: _Expecting) -> Expected:
    """The expectation that an error names: a version or a state."""
    if message.WhichOneof("expectation") == "exact_version":
        return message.exact_version
    return _STATE_OF_NUMBER.get(message.state, ExpectedState.ANY)
