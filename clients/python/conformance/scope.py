"""What the names in braces stand for, within one case."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from conformance.braces import BracesError


class Scope:
    """Names and values of a case, or of one of several lists of its steps that run at the same time.

    Args:
        outer: The scope around it, whose names count here too.
        number: What `${i}` is; None: what it is in the scope around.
    """

    def __init__(self, outer: Scope | None = None, number: int | None = None) -> None:
        self._outer = outer
        self._number = number
        self._names: dict[str, Any] = {}

    @classmethod
    def of_case(cls, told: dict[str, Any]) -> Scope:
        """The scope of a case.

        Args:
            told: What the harness has told of the case's server.
        """
        scope = cls()
        scope.keep(case=secrets.token_hex(5))
        for name, value in told.items():
            if name == "tokens":
                scope._names.update({f"token:{who}": token for who, token in value.items()})
            else:
                scope._names[name] = value
        return scope

    def keep(self, **values: Any) -> None:
        """Keeps values by name."""
        self._names.update(values)

    def keep_file(self, name: str, path: str) -> None:
        """Keeps the path of a file that the case has written."""
        self._root()._names[f"file:{name}"] = path

    def give_out(self) -> None:
        """Gives what was kept here to the scope around."""
        if self._outer is not None:
            self._outer.keep(**self._names)

    def __call__(self, name: str) -> Any:
        """What a name stands for.

        Raises:
            BracesError: Nobody knows it.
        """
        if name == "i" and self._number is not None:
            return self._number
        if name in self._names:
            return self._names[name]
        if self._outer is not None:
            return self._outer(name)
        if name.startswith("uuid:"):
            return self._names.setdefault(name, str(uuid.uuid4()))
        raise BracesError(f"nothing is known by the name {name!r}")

    def _root(self) -> Scope:
        return self if self._outer is None else self._outer._root()
