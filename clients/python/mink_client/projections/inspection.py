"""From what a user wrote to a definition: every attribute is checked, once, and a wrong one is named."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mink_client.projection_status import RebuildMode
from mink_client.projections.definition import BATCH_MARK, TYPES_MARK, Definition, Projection, Start
from mink_client.projections.handlers import Function, Handlers, Hooks
from mink_client.projections.mistyped import mistyped
from mink_client.projections.policies import Faults, OnPoison, RestartPolicy, RetryPolicy
from mink_client.projections.problems import DefinitionError
from mink_client.projections.targets.outside import NoTransaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from enum import StrEnum

    from mink_client.projections.target import Target

T = TypeVar("T")
E = TypeVar("E", bound="StrEnum")

_LONGEST_NAME: Final = 200
_MOST_PARTITIONS: Final = 256
_GREATEST_REVISION: Final = 2**31 - 1
_GREATEST_POSITION: Final = 2**63 - 1
_FILTER: Final = ("categories", "types", "streams", "stream_prefixes")
_TARGET: Final = ("refuses", "serve", "open", "close", "claim", "transaction", "move", "clear", "switch")


def inspect_projection(thing: object) -> Definition:
    """What a projection is, checked.

    Args:
        thing: A class derived from `Projection`, an object of one, or a module.

    Raises:
        DefinitionError: It is no projection, or a wrong one.
    """
    if isinstance(thing, type):
        where = f"{thing.__module__}:{thing.__qualname__}"
        if not issubclass(thing, Projection) or thing is Projection:
            raise DefinitionError("projection", "a class derived from Projection is wanted", where)
        try:
            thing = thing()
        except TypeError as error:
            raise DefinitionError("__init__", f"takes arguments; give an object instead of the class ({error})", where) from error
    if isinstance(thing, ModuleType):
        return _Inspection(thing, thing.__name__, thing.__name__.rpartition(".")[2]).definition()
    if isinstance(thing, Projection):
        kind = type(thing)
        return _Inspection(thing, f"{kind.__module__}:{kind.__qualname__}", kind.__name__).definition()
    raise DefinitionError(
        "projection", f"a class derived from Projection, an object of one, or a module, not {type(thing).__name__}"
    )


class _Inspection:
    def __init__(self, thing: object, where: str, name: str) -> None:
        self._thing = thing
        self._where = where
        self._default_name = name

    def definition(self) -> Definition:
        if found := mistyped(self._thing):
            raise self._wrong(found[0], f"is not known; did you mean {found[1]}?")
        target = self._target()
        handlers = self._handlers(target)
        hooks = Hooks(*(self._hook(name, target) for name in ("setup", "clear", "switch")))
        filters = {name: self._texts(name) for name in _FILTER}
        filters["types"] = self._types(filters["types"], handlers)
        restart = self._instance("restart", RestartPolicy)
        can_switch = hooks.switch is not None or target.can_switch
        definition = Definition(
            name=self._name(),
            **filters,
            revision=self._integer("revision", 1, 1, _GREATEST_REVISION),
            partitions=self._integer("partitions", 1, 1, _MOST_PARTITIONS),
            start=self._start(),
            on_new_revision=self._mode(can_switch),
            on_poison=self._choice("on_poison", OnPoison, OnPoison.STOP),
            retry=self._instance("retry", RetryPolicy),
            restart=restart,
            target=target,
            handlers=handlers,
            hooks=hooks,
            faults=Faults(restart),
        )
        target.serve(definition.name, definition.partitions)
        return definition

    def _wrong(self, attribute: str, problem: str) -> DefinitionError:
        return DefinitionError(attribute, problem, self._where)

    def _get(self, name: str, default: Any) -> Any:
        value = getattr(self._thing, name, default)
        return default if isinstance(value, ModuleType) else value  # `import types` in a module that is a projection

    # Attributes.

    def _name(self) -> str:
        name = self._get("name", self._default_name)
        if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
            raise self._wrong("name", f"text of 1 to {_LONGEST_NAME} characters without control characters")
        return name

    def _texts(self, name: str) -> tuple[str, ...]:
        value = self._get(name, ())
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise self._wrong(name, f"a list of text, not {value!r:.100}")
        texts = list(value)
        for text in texts:
            if not isinstance(text, str) or not text:
                raise self._wrong(name, f"a list of text that is not empty, not of {text!r:.100}")
        # Sorted: the same revision must always have the same filter.
        return tuple(sorted(set(texts)))

    def _types(self, given: tuple[str, ...], handlers: Handlers) -> tuple[str, ...]:
        if handlers.batch is not None:
            return given
        handled = tuple(sorted(handlers.by_type))
        if given and given != handled:
            odd = sorted(set(given) ^ set(handled))[0]
            problem = "has no handler" if odd in given else "has a handler, but is not named here, and would never come"
            raise self._wrong("types", f"{odd} {problem}; without `types`, those are handled that have handlers")
        return handled

    def _integer(self, name: str, default: int, least: int, most: int) -> int:
        value = self._get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self._wrong(name, f"a number from {least} to {most}, not {value!r:.100}")
        return value

    def _start(self) -> Start:
        value = self._get("start", "beginning")
        if value == "beginning":
            return "beginning"
        if value == "end":
            return "end"
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _GREATEST_POSITION:
            raise self._wrong("start", f"'beginning', 'end' or a position, not {value!r:.100}")
        return value

    def _choice(self, name: str, kind: type[E], default: E) -> E:
        value = self._get(name, default)
        try:
            return kind(value)
        except ValueError:
            choices = " or ".join(repr(choice.value) for choice in kind if choice is not RebuildMode.UNKNOWN)
            raise self._wrong(name, f"{choices}, not {value!r:.100}") from None

    def _mode(self, can_switch: bool) -> RebuildMode:
        possible = RebuildMode.SIDE_BY_SIDE if can_switch else RebuildMode.IN_PLACE
        if self._get("on_new_revision", None) is None:
            return possible
        mode = self._choice("on_new_revision", RebuildMode, possible)
        if mode is RebuildMode.UNKNOWN:
            raise self._wrong("on_new_revision", "'in_place' or 'side_by_side'")
        if mode is RebuildMode.SIDE_BY_SIDE and not can_switch:
            raise self._wrong("on_new_revision", "'side_by_side' needs Postgres(..., side_by_side=True), or a `switch` hook")
        return mode

    def _instance(self, name: str, kind: type[T]) -> T:
        value = self._get(name, None)
        if value is None:
            return kind()
        if not isinstance(value, kind):
            raise self._wrong(name, f"a {kind.__name__}, not {value!r:.100}")
        return value

    def _target(self) -> Target:
        target: Any = self._get("target", None)
        if target is None:
            return NoTransaction()
        if isinstance(target, type):
            raise self._wrong("target", f"an object, not the class: {target.__name__}(...)")
        missing = [name for name in _TARGET if not callable(getattr(target, name, None))]
        if missing:
            raise self._wrong("target", f"Postgres(...), SQLite(...) or another target; {missing[0]} is missing")
        found: Target = target
        return found

    # Functions.

    def _handlers(self, target: Target) -> Handlers:
        by_type: dict[str, Function] = {}
        batch: Function | None = None
        for name, types, is_batch in self._marked():
            if is_batch and (types or batch is not None):
                raise self._wrong(name, f"handles batches, as {batch.name} does" if batch else "handles either types or batches")
            function = self._function(name, target, 1, 2)
            if is_batch:
                batch = function
            for event_type in types:
                if event_type in by_type:
                    raise self._wrong(name, f"handles {event_type}, as {by_type[event_type].name} does")
                by_type[event_type] = function
        if batch is not None and by_type:
            other = next(iter(by_type.values())).name
            raise self._wrong(batch.name, f"handles batches, {other} a type: a projection has either the one or the other")
        if batch is None and not by_type:
            raise self._wrong("handlers", f"there is none; decorate one with @handles(...) or @handles_batch{self._hint()}")
        return Handlers(batch, by_type)

    def _marked(self) -> Iterator[tuple[str, tuple[str, ...], bool]]:
        """Names of handlers; a method that overrides one is one, too, and None in its place is none."""
        if isinstance(self._thing, ModuleType):
            namespaces: list[Mapping[str, Any]] = [vars(self._thing)]
        else:
            namespaces = [vars(kind) for kind in reversed(type(self._thing).__mro__)]
        found: dict[str, tuple[tuple[str, ...], bool]] = {}
        for namespace in namespaces:
            for name, value in namespace.items():
                types, is_batch = getattr(value, TYPES_MARK, ()), getattr(value, BATCH_MARK, False)
                if isinstance(types, tuple) and (types or is_batch is True):
                    found[name] = (types, is_batch is True)
                elif value is None:
                    found.pop(name, None)
        for name, (types, is_batch) in found.items():
            yield name, types, is_batch

    def _hint(self) -> str:
        if not isinstance(self._thing, ModuleType):
            return ""
        there = [
            name
            for name, value in vars(self._thing).items()
            if isinstance(value, type) and issubclass(value, Projection) and value.__module__ == self._thing.__name__
        ]
        return f"; or say which one: {self._thing.__name__}:{there[0]}" if there else ""

    def _hook(self, name: str, target: Target) -> Function | None:
        return None if self._get(name, None) is None else self._function(name, target, 0, 1)

    def _function(self, name: str, target: Target, least: int, most: int) -> Function:
        function = self._get(name, None)
        if not callable(function):
            raise self._wrong(name, f"a function, not {type(function).__name__}")
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            raise self._wrong(name, "has a `yield` in it, and would never run")
        taken = self._taken(name, function, least, most)
        if problem := target.refuses(function, takes_transaction=taken == most):
            raise self._wrong(name, problem)
        call: Callable[..., Any] = function
        if taken < most:
            call = (lambda first, _: function(first)) if most == 2 else (lambda _: function())
        return Function(name, call, plain=not inspect.iscoroutinefunction(function))

    def _taken(self, name: str, function: Callable[..., Any], least: int, most: int) -> int:
        """How many arguments to give it."""
        needed = possible = 0
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                needed += parameter.default is parameter.empty
                possible += 1
            elif parameter.kind is parameter.VAR_POSITIONAL:
                possible = most
            elif parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
                needed = most + 1
        if needed > most or possible < least:
            wanted = "(event) or (event, tx), with `self` in a class" if most == 2 else "() or (tx), with `self` in a class"
            raise self._wrong(name, f"takes {wanted}, not {inspect.signature(function)}")
        return min(possible, most)
