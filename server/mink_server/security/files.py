"""Files that somebody else may replace at any time: read within bounds, and known by what `stat` says of them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mink_server.security.errors import SecurityFileError

if TYPE_CHECKING:
    from collections.abc import Iterable

_HOW: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WRITABLE_BY_OTHERS: Final = 0o022

# What tells a file from the one that stood there before; None: there is none.
Signature = tuple[tuple[int, ...] | None, ...]


class MissingFileError(SecurityFileError):
    """There is no such file."""


def read(setting: str, path: Path, most: int) -> bytes:
    """A whole file.

    Args:
        setting: The setting that names it.
        path: The file; links are followed.
        most: Bytes that it may have.

    Raises:
        SecurityFileError: It cannot be read, or is larger.
    """
    return read_with_mode(setting, path, most)[0]


def read_with_mode(setting: str, path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """A whole file, and what `stat` says of it. The same arguments and errors as `read`."""
    try:
        # Without waiting: to open a pipe in the place of a file would take until somebody writes into it.
        with open(os.open(path, _HOW), "rb") as file:  # noqa: PTH123 - it is a descriptor
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise SecurityFileError(setting, path, "is not a regular file")
            data = file.read(most + 1)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            # No folder has such a file. It may be a secret that stands where a path belongs: it is not shown.
            raise SecurityFileError(setting, Path("(not shown)"), "is too long for the path of a file") from None
        kind = MissingFileError if error.errno == errno.ENOENT else SecurityFileError
        raise kind(setting, path, error.strerror or type(error).__name__) from None
    if len(data) > most:
        raise SecurityFileError(setting, path, f"has more than {most} bytes")
    return data, about


def signature(paths: Iterable[Path]) -> Signature:
    """What `stat` says of files. Links are followed: Kubernetes swaps a link to replace what it mounts."""
    return tuple(map(_stat, paths))


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def writable_by_others(about: os.stat_result) -> bool:
    """Whether somebody beside its owner may change a file."""
    return bool(about.st_mode & _WRITABLE_BY_OTHERS)


def readable_by_others(about: os.stat_result) -> bool:
    """Whether somebody beside its owner may read or change a file.

    A group may read what belongs to somebody else than this process, as in a secret that Kubernetes mounts: how else could it.
    """
    others = 0o077 if about.st_uid == os.geteuid() else 0o037
    return bool(about.st_mode & others)
