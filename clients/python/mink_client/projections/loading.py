"""Finding a projection by what is given on a command line."""

from __future__ import annotations

import importlib
import sys
from inspect import isfunction
from pathlib import Path

from mink_client.projections.definition import BATCH_MARK, TYPES_MARK, Definition, DefinitionError, Projection


def load(name: str) -> Definition:
    """The projection of a name. The working folder is among the places where modules are looked for.

    Args:
        name: `package.module:Name`, a class derived from `Projection`, or an object of one, in a module; or `package.module`, which
            is a projection itself, or has exactly one in it.

    Raises:
        DefinitionError: There is no such module, no such name in it, or it is no projection.
    """
    module_name, colon, path = name.partition(":")
    if not module_name or not all(part.isidentifier() for part in module_name.split(".")) or (colon and not path):
        raise DefinitionError("projection", f"package.module:Name is wanted, not {name!r:.200}{_suggested(module_name, path)}")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    module = _import(module_name, path)
    if not path:
        return Definition.of(module if _has_handlers(module) else _only_projection(module) or module)
    thing: object = module
    for part in path.split("."):
        if not hasattr(thing, part):
            raise DefinitionError("projection", f"{module_name} has no {path!r:.200}{_what_there_is(module)}")
        thing = getattr(thing, part)
    return Definition.of(thing)


def _suggested(module: str, path: str) -> str:
    """What was meant by the path of a file."""
    if not module.endswith(".py"):
        return ""
    parts = module.removesuffix(".py").removeprefix("./").replace("\\", ".").replace("/", ".").split(".")
    if not all(part.isidentifier() for part in parts):
        return ""
    return f"; did you mean {'.'.join(parts)}{':' if path else ''}{path}?"


def _import(name: str, path: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise DefinitionError(
                "projection", f"there is no module {missing} (looked for {name}){_suggested(name, path)}"
            ) from None
        raise DefinitionError("projection", f"{name} cannot be imported: there is no module {missing}") from error
    except DefinitionError:
        raise
    except Exception as error:  # whatever a user's module does
        raise DefinitionError("projection", f"{name} cannot be imported: {type(error).__name__}: {error}") from error


def _has_handlers(module: object) -> bool:
    functions = [value for value in vars(module).values() if isfunction(value)]
    return any(hasattr(function, mark) for function in functions for mark in (TYPES_MARK, BATCH_MARK))


def _projections(module: object) -> list[str]:
    own = getattr(module, "__name__", "")
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Projection) and value.__module__ == own and not name.startswith("_")
    ]


def _only_projection(module: object) -> object | None:
    names = _projections(module)
    found: object | None = getattr(module, names[0]) if len(names) == 1 else None
    return found


def _what_there_is(module: object) -> str:
    names = _projections(module)
    return f"; it has {', '.join(names[:10])}" if names else ""
