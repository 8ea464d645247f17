"""The path of a file with a secret in it, told from the secret itself, which must not be shown."""

import os
import re
from typing import Final

from mink_client.errors import CredentialsError

_LONGEST: Final = 1000
_PEM: Final = "-----BEGIN"
_TOKEN: Final = re.compile(r"mink_[0-9a-f]{12}_")
_SECRET: Final = re.compile(r"(mink_[0-9a-f]{12}_)[0-9A-Za-z]+|-----BEGIN.*?(?:-----END[^-]*-----|$)", re.DOTALL)


def check_path(argument: str, name: object) -> None:
    """Checks that what should be a path is no content of a file.

    Args:
        argument: What the caller calls it. Example: `token_file`.
        name: What was given; None: nothing.

    Raises:
        CredentialsError: It is no path. What was given is not in the error.
    """
    if name is None:
        return
    path = os.fspath(name) if isinstance(name, str | os.PathLike) else name
    if not isinstance(path, str):
        raise CredentialsError(argument, f"the path of a file (str or Path), not {type(path).__name__}")
    if not path:
        raise CredentialsError(argument, "the path of a file, not empty text")
    if len(path) > _LONGEST or any(character in path for character in "\r\n\0") or _PEM in path or _TOKEN.search(path):
        raise CredentialsError(argument, "holds the content, not the path of a file")


def without_secrets(text: str) -> str:
    """Text in which tokens of Mink and what is in PEM form are left out."""
    return _SECRET.sub(lambda found: f"{found[1] or '-----BEGIN'}…", text)
