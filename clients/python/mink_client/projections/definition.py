"""What a projection is: the class that users derive from, the decorators, and what the worker needs to know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, TypeVar

from mink_client.projections.policies import Faults, OnPoison, RestartPolicy, RetryPolicy
from mink_client.projections.problems import DefinitionError

if TYPE_CHECKING:
    from mink_client.projection_status import RebuildMode
    from mink_client.projections.handlers import Handlers, Hooks
    from mink_client.projections.target import Target

__all__ = ["BATCH_MARK", "TYPES_MARK", "Definition", "DefinitionError", "Projection", "Start", "handles", "handles_batch"]

Start: TypeAlias = Literal["beginning", "end"] | int
"""Where a projection begins that was not there before: at the first event, after the newest one, or after a position."""

F = TypeVar("F", bound=Callable[..., Any])

TYPES_MARK = "_mink_event_types"
BATCH_MARK = "_mink_batch"


class Projection:
    """A read model, and how events change it. Derive from it, say which events, and write handlers.

    ```python
    class OrderSummary(Projection):
        categories = ["Order"]
        target = Postgres(env="READ_MODEL_URL", schema="order_summary")

        async def setup(self, tx):
            await tx.execute("create table if not exists orders (id text primary key, qty int not null)")

        @handles("OrderPlaced")
        async def placed(self, event, tx):
            await tx.execute("insert into orders values ($1, $2)", event.stream, event.json()["qty"])
    ```

    Handlers take the event (or, with `handles_batch`, a list of events), and the target's transaction if they want it. `async def`
    runs in the event loop, which it must not block; `def` in a thread. A module with the same names in it is a projection as well.

    Three hooks may be written; each takes the transaction if it wants it:

    - `setup`: makes the tables, if they are not there. Runs whenever a partition is taken over, and after a clear.
    - `clear`: empties the read model. Without it, only a target that can do that by itself is rebuilt in place.
    - `switch`: makes the build of `current_lease()` the one that readers see. Without it, only a target that can do that by
      itself is rebuilt side by side.

    Attributes:
        name: The projection's name, 1 to 200 characters; not given: that of the class.
        categories: Handle events of streams of these categories, and of those that `streams` or `stream_prefixes` choose.
        types: Of those, handle events of these types; not given: those that have handlers, or all with a handler for batches.
        streams: Handle events of these streams.
        stream_prefixes: Handle events of streams whose names begin so.
        revision: The revision of the code: 1 or more. Another filter, number of partitions, or read model takes a higher one.
        partitions: How many partitions, 1 to 256. Events of a stream are in one partition.
        start: Where it begins when it is new: `beginning`, `end`, or after a position.
        on_new_revision: How the build of a higher revision is made; not given: side by side if that is possible.
        on_poison: What becomes of an event that cannot be handled: `stop`, `skip` or `park`.
        retry: How often handlers are tried again after failures that pass, and how long they may take.
        restart: How often a faulted partition is handled again by itself.
        target: Where the read model is; not given: somewhere that Mink knows nothing of, and each event is handled at least once.
    """

    name: ClassVar[str]
    categories: ClassVar[Sequence[str]] = ()
    types: ClassVar[Sequence[str]] = ()
    streams: ClassVar[Sequence[str]] = ()
    stream_prefixes: ClassVar[Sequence[str]] = ()
    revision: ClassVar[int] = 1
    partitions: ClassVar[int] = 1
    start: ClassVar[Start] = "beginning"
    on_new_revision: ClassVar[RebuildMode | str | None] = None
    on_poison: ClassVar[OnPoison | str] = OnPoison.STOP
    retry: ClassVar[RetryPolicy] = RetryPolicy()
    restart: ClassVar[RestartPolicy] = RestartPolicy()
    target: ClassVar[Target | None] = None


def handles(*types: str) -> Callable[[F], F]:
    """Makes a function the handler of events of some types: `handler(event)` or `handler(event, tx)`.

    Args:
        types: The event types; at least one.

    Raises:
        DefinitionError: There is none, or something is no event type.
    """
    if not types or not all(isinstance(name, str) and name for name in types):
        # Without the parentheses, the function itself is what was given.
        name = getattr(types[0], "__qualname__", "") if types else ""
        at = f" (at {name})" if name else ""
        raise DefinitionError("handles", f'takes event types: @handles("OrderPlaced"){at}')

    def mark(function: F) -> F:
        setattr(function, TYPES_MARK, (*getattr(function, TYPES_MARK, ()), *types))
        return function

    return mark


def handles_batch(function: F) -> F:
    """Makes a function the handler of all events, many at a time: `handler(events)` or `handler(events, tx)`.

    Args:
        function: The function. It gets a list of events, in order, at least one.
    """
    setattr(function, BATCH_MARK, True)
    return function


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """A projection as the worker knows it, checked. Made by `Definition.of`.

    Attributes:
        name: The projection's name.
        categories: Categories that are handled, sorted; empty: all. So are the next three.
        types: Event types.
        streams: Streams.
        stream_prefixes: How streams' names begin.
        revision: The revision of the code.
        partitions: How many partitions.
        start: Where it begins when it is new.
        on_new_revision: How the build of a higher revision is made.
        on_poison: What becomes of an event that cannot be handled.
        retry: How often handlers are tried again.
        restart: How often a faulted partition is handled again by itself.
        target: Where the read model is.
        handlers: The handlers.
        hooks: The hooks.
        faults: The faults of its partitions in this process.
    """

    name: str
    categories: tuple[str, ...]
    types: tuple[str, ...]
    streams: tuple[str, ...]
    stream_prefixes: tuple[str, ...]
    revision: int
    partitions: int
    start: Start
    on_new_revision: RebuildMode
    on_poison: OnPoison
    retry: RetryPolicy
    restart: RestartPolicy
    target: Target
    handlers: Handlers = field(repr=False)
    hooks: Hooks = field(repr=False)
    faults: Faults = field(repr=False)

    @classmethod
    def of(cls, thing: object) -> Definition:
        """What a projection is, checked.

        Args:
            thing: A class derived from `Projection`, an object of one, a module, or a definition.

        Raises:
            DefinitionError: It is no projection, or a wrong one; the error names the attribute.
        """
        from mink_client.projections.inspection import inspect_projection  # noqa: PLC0415 - it needs the class above

        return thing if isinstance(thing, Definition) else inspect_projection(thing)

    @property
    def can_clear(self) -> bool:
        """Whether its read model can be cleared, so that it can be rebuilt in place."""
        return self.hooks.clear is not None or self.target.can_clear

    @property
    def can_switch(self) -> bool:
        """Whether it can keep two builds, and switch, so that it can be rebuilt side by side."""
        return self.hooks.switch is not None or self.target.can_switch

    def restart_after(self, faults: int) -> float | None:
        """Seconds after which a partition that was faulted is handled again; None: when an operator restarts it.

        Args:
            faults: How many faults there were within the policy's time, this one included.
        """
        return self.restart.after(faults)
