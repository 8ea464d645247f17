"""UUIDv7 as text (RFC 9562, section 5.7, method 3), made fast: an event needs one before it can be sent."""

import os
import time

_BULK = 4096
_NANOSECONDS_A_MILLISECOND = 1_000_000
_FRACTION_BITS = 12


class _Generator:
    """Makes UUIDs whose first 60 bits of time only ever grow within this process."""

    __slots__ = ("_last", "_random", "_used")

    def __init__(self) -> None:
        self._last = 0
        self.forget()

    def forget(self) -> None:
        """Throws the random bits away, so that a forked child does not use its parent's."""
        self._random = b""
        self._used = 0

    def next(self) -> str:
        """One UUID in the canonical form: lower case, with hyphens."""
        milliseconds, rest = divmod(time.time_ns(), _NANOSECONDS_A_MILLISECOND)
        moment = (milliseconds << _FRACTION_BITS) | (rest << _FRACTION_BITS) // _NANOSECONDS_A_MILLISECOND
        if moment <= self._last:
            moment = self._last + 1
        self._last = moment
        used = self._used
        if used == len(self._random):
            self._random = os.urandom(_BULK)  # one system call for 512 ids
            used = 0
        self._used = used + 8
        noise = int.from_bytes(self._random[used : used + 8], "big") & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        text = f"{moment:015x}{noise:016x}"
        return f"{text[:8]}-{text[8:12]}-7{text[12:15]}-{text[15:19]}-{text[19:]}"


_generator = _Generator()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_generator.forget)

uuid7 = _generator.next
"""Makes a UUIDv7. Ids that one thread makes sort in the order in which they were made; all are unique."""
