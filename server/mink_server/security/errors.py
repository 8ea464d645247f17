"""What is wrong with a file of certificates or tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mink_server.core.errors import MinkError
from mink_server.core.paths import HOLDS_CONTENT, is_content

if TYPE_CHECKING:
    from pathlib import Path


class SecurityFileError(MinkError):
    """A file cannot be used. The text is one line that names the setting and the file, and holds nothing of what is in it.

    Args:
        setting: The setting that names the file.
        path: The file; not shown if it looks like a file's content.
        why: What is wrong with it.
    """

    def __init__(self, setting: str, path: Path, why: str) -> None:
        super().__init__(f"{setting}: {HOLDS_CONTENT}" if is_content(str(path)) else f"{setting}: {path}: {why}")
