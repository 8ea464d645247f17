"""What can be wrong with a projection's definition."""

from __future__ import annotations

from mink_client.errors import MinkError


class DefinitionError(MinkError, ValueError):
    """Something is no projection, or a wrong one. Raised before anything is handled.

    Attributes:
        attribute: What is wrong: the name of an attribute, a handler or an argument. Example: `partitions`.
        problem: What is wrong with it.
    """

    def __init__(self, attribute: str, problem: str, where: str = "") -> None:
        super().__init__("DEFINITION", f"{where}: {attribute}: {problem}" if where else f"{attribute}: {problem}")
        self.attribute = attribute
        self.problem = problem
