"""Changes the tokens file: one process at a time, and whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from mink_server.security import tokens
from mink_server.security.files import read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK_SECONDS: Final = 10.0


class LockedError(Exception):
    """Somebody else changes the file."""


def load(setting: str, path: Path) -> tokens.Tokens:
    """What a tokens file holds.

    Raises:
        SecurityFileError: It cannot be read.
        ValueError: It is not a tokens file.
    """
    return tokens.decode(read(setting, path, tokens.MAX_FILE_BYTES))


def save(path: Path, content: tokens.Tokens) -> None:
    """Puts a new file in the place of the old one, or of none. Owner and mode stay; a first file is its owner's alone (0600).

    Raises:
        OSError: It cannot be written; the old one is as it was.
        ValueError: The content is not right, or too large.
    """
    tokens.check(content)
    data = tokens.encode(content)
    if len(data) > tokens.MAX_FILE_BYTES:
        raise ValueError(f"would have {len(data)} bytes, at most {tokens.MAX_FILE_BYTES} are allowed")
    path = path.resolve()  # what a link leads to is replaced, and not the link
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - it is a descriptor
            with contextlib.suppress(FileNotFoundError):
                before = path.stat()
                if (before.st_uid, before.st_gid) != (os.fstat(descriptor).st_uid, os.fstat(descriptor).st_gid):
                    os.fchown(descriptor, before.st_uid, before.st_gid)
                os.fchmod(descriptor, before.st_mode & 0o777)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, path)  # noqa: PTH105 - one name is a string
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - as above
        raise
    _sync(path.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps others that do the same from changing the file meanwhile. The lock is on its folder: the file itself is replaced.

    Raises:
        LockedError: Somebody else has held it for ten seconds.
        OSError: There is no such folder, or it cannot be read.
    """
    descriptor = os.open(path.resolve().parent, os.O_RDONLY)
    try:
        end = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise LockedError from None
                time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
