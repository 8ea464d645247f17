"""Files that come into being whole or not at all."""

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mink_client.cli.errors import Failure, wrong_call


@contextmanager
def writing(name: str) -> Iterator[BinaryIO]:
    """Where to write: standard output for `-`; otherwise a file beside the one named, which takes its place when all is written.

    What is not an ordinary file (a pipe, /dev/null) is written to directly.

    Raises:
        Failure: The file cannot be written.
    """
    if name == "-":
        sys.stdout.flush()
        yield sys.stdout.buffer
        return
    target = Path(name)
    if target.is_dir():
        raise wrong_call(f"{name} is a folder; name a file")
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as file:
                yield file
        else:
            with _replacing(target.resolve()) as file:
                yield file
    except OSError as error:
        raise Failure(f"cannot write {name}: {error.strerror or error}") from error


@contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    part = target.with_name(f".mink-{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
