"""Reads the tokens file as a server does, and says what is doubtful about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from mink_server.security import files, tokens
from mink_server.security.errors import SecurityFileError

if TYPE_CHECKING:
    from pathlib import Path

log = structlog.get_logger(__name__)

SETTING: Final = "MINK_TOKENS_FILE"


@dataclass(frozen=True, slots=True)
class TokensFile:
    """What was read.

    Attributes:
        content: Who is known.
        open: Whether others than its owner can write it.
    """

    content: tokens.Tokens
    open: bool


def load(path: Path) -> TokensFile:
    """Reads and checks the file.

    Raises:
        SecurityFileError: It cannot be used.
    """
    try:
        data, about = files.read_with_mode(SETTING, path, tokens.MAX_FILE_BYTES)
    except files.MissingFileError:
        raise SecurityFileError(SETTING, path, "there is no such file; `mink token create NAME --role ROLE` makes it") from None
    try:
        content = tokens.decode(data)
    except ValueError as error:
        raise SecurityFileError(SETTING, path, str(error)) from None
    open_to_others = files.writable_by_others(about)
    if open_to_others:
        log.warning("others than its owner can write the tokens file: they can give themselves any role", path=str(path))
    if not content.tokens and not content.certificates:
        log.warning("the tokens file names nobody: every call will be refused", path=str(path))
    return TokensFile(content, open_to_others)
