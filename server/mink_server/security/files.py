"""Files that somebody else may replace at any time: read within bounds, and known by what `stat` says of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from mink_server.security.errors import SecurityFileError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_WRITABLE_BY_OTHERS: Final = 0o022

# What tells a file from the one that stood there before; None: there is none.
Signature = tuple[tuple[int, ...] | None, ...]


def read(setting: str, path: Path, most: int) -> bytes:
    """A whole file.

    Args:
        setting: The setting that names it.
        path: The file; links are followed.
        most: Bytes that it may have.

    Raises:
        SecurityFileError: It cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise SecurityFileError(setting, path, error.strerror or type(error).__name__) from None
    if len(data) > most:
        raise SecurityFileError(setting, path, f"has more than {most} bytes")
    return data


def signature(paths: Iterable[Path]) -> Signature:
    """What `stat` says of files. Links are followed: Kubernetes swaps a link to replace what it mounts."""
    return tuple(map(_stat, paths))


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def writable_by_others(path: Path) -> bool:
    """Whether somebody beside its owner may change a file."""
    try:
        return os.name == "posix" and bool(path.stat().st_mode & _WRITABLE_BY_OTHERS)
    except OSError:
        return False
