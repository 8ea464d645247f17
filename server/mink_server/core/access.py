"""Who calls, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class Role(StrEnum):
    """What somebody may do. A role says nothing of the others, except that admin includes all."""

    READ = "read"
    APPEND = "append"
    MANAGE = "manage"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who calls.

    Attributes:
        name: For logs and limits. Example: billing.
        roles: What they may do.
        prefixes: How the names of the streams begin that they may do it with; empty: all streams.
    """

    name: str
    roles: frozenset[Role]
    prefixes: tuple[str, ...] = ()

    def has(self, role: Role) -> bool:
        """Whether they have a role."""
        return role in self.roles or Role.ADMIN in self.roles

    def reaches(self, stream: str) -> bool:
        """Whether a stream is one of theirs."""
        return not self.prefixes or stream.startswith(self.prefixes)


# Who calls a server that asks nobody who they are.
ANYBODY: Final = Identity("anybody", frozenset(Role))


class Identities(Protocol):
    """Knows who has which token and which certificate.

    `generation` changes whenever somebody was added, changed or removed; what was found before is then to be asked again.
    """

    generation: int

    def by_token(self, token: str) -> Identity | None:
        """Who has this token; None if nobody has, or not any more."""

    def by_certificate(self, names: Sequence[str]) -> Identity | None:
        """Who has a verified certificate with these names (its common name and alternative names)."""
