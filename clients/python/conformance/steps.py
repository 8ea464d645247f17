"""Runs the steps of a case."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from conformance import operations, told
from conformance.braces import BracesError, replaced
from conformance.control import ControlError
from conformance.following import TooLate
from conformance.given import filters, text
from conformance.matching import Mismatch, match, saved
from conformance.scope import Scope
from conformance.world import CaseError, World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_BESIDE: Final = ("by", "returns", "fails")
# What goes wrong beside the client: no `fails` can describe it.
_OURS: Final = (BracesError, CaseError, ControlError, TooLate, KeyError, AssertionError)


class StepError(Exception):
    """A step did not go as the case says. The text has its number."""


async def run_all(steps: list[dict[str, Any]], world: World, scope: Scope, before: str = "") -> None:
    """Runs steps one after the other.

    Args:
        steps: The steps, as the case says them.
        world: What the case has.
        scope: What names stand for.
        before: The number of the step that these are part of, with a dot.

    Raises:
        StepError: One of them did not go as the case says.
    """
    for number, step in enumerate(steps, 1):
        await _run(step, world, scope, f"{before}{number}")


async def _run(step: dict[str, Any], world: World, scope: Scope, number: str) -> None:
    (operation,) = (key for key in step if key not in _BESIDE)
    here = f"step {number} ({operation})"
    try:
        if operation == "repeat":
            await _repeat(step[operation], world, scope, number)
        elif operation == "together":
            await _together(step[operation], world, scope, number)
        else:
            await _one(operation, step, world, scope)
    except StepError:
        raise
    except (Mismatch, *_OURS) as error:
        kind = "" if isinstance(error, Mismatch | TooLate | StepError) else f"{type(error).__name__}: "
        raise StepError(f"{here}: {kind}{error}") from error


async def _repeat(arguments: dict[str, Any], world: World, scope: Scope, number: str) -> None:
    times, at_once = replaced(arguments["times"], scope), replaced(arguments.get("at_once", 1), scope)
    free = asyncio.Semaphore(at_once)

    async def once(i: int) -> None:
        async with free:
            inner = Scope(scope, i)
            await run_all(arguments["steps"], world, inner, f"{number}.")
            inner.give_out()

    await _all_of([once(i) for i in range(1, times + 1)])


async def _together(lists: list[list[dict[str, Any]]], world: World, scope: Scope, number: str) -> None:
    inner = [Scope(scope) for _ in lists]
    await _all_of([run_all(steps, world, inner[i], f"{number}.{i + 1}.") for i, steps in enumerate(lists)])
    for one in inner:
        one.give_out()


async def _all_of(works: list[Any]) -> None:
    """Waits for all; the first failure ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _one(operation: str, step: dict[str, Any], world: World, scope: Scope) -> None:
    try:
        came = await _do(operation, step, world, scope)
    except _OURS:
        raise
    except Exception as error:
        if "fails" not in step:
            raise Mismatch(f"expected that it succeeds, came {_shown(error)}") from error
        _compare(step["fails"], told.error(error), scope, f"; the error is {type(error).__name__}: {error}")
        return
    if "fails" in step:
        raise Mismatch(f"expected that it fails with {json.dumps(step['fails'])}, came {json.dumps(came)[:1000]}")
    if "returns" in step:
        _compare(step["returns"], came, scope)


def _compare(says: Any, came: Any, scope: Scope, about: str = "") -> None:
    scope.keep(**saved(says, came))
    try:
        match(says, came, scope)
    except Mismatch as mismatch:
        raise Mismatch(f"{mismatch}{about}") from None


def _shown(error: Exception) -> str:
    return f"{json.dumps(told.error(error))}: {type(error).__name__}: {error}"


async def _do(operation: str, step: dict[str, Any], world: World, scope: Scope) -> Any:
    said, by = step[operation], text(replaced(step.get("by", "main"), scope))
    if operation == "append":
        # Events of which there are many have words in braces of their own.
        arguments = {"events": said["events"], **{key: replaced(said[key], scope) for key in said if key != "events"}}
        return await operations.append(await world.client(by), arguments, scope)
    if operation == "append_many":
        return await operations.append_many(await world.client(by), said, scope)
    arguments = replaced(said, scope)
    if operation in operations.ON_CLIENT:
        return await operations.ON_CLIENT[operation](await world.client(by), arguments)
    if operation == "subscribe":
        options = {**filters(arguments), **{name: arguments[name] for name in _OF_SUBSCRIPTIONS if name in arguments}}
        await world.subscribe(arguments["as"], (await world.client(by)).subscribe_all(**options))
        return {}
    if operation in _OTHERS:
        return await _OTHERS[operation](world, arguments)
    raise CaseError(f"there is no operation {operation!r}")


_OF_SUBSCRIPTIONS: Final = ("after", "from_end", "log_id", "silence_timeout")


async def _client(world: World, arguments: dict[str, Any]) -> Any:
    await world.new_client(arguments.get("as", "main"), arguments)
    return {}


async def _unsubscribe(world: World, arguments: dict[str, Any]) -> Any:
    await world.subscription(arguments["of"]).close()
    return {}


async def _write_file(world: World, arguments: dict[str, Any]) -> Any:
    world.write_file(arguments["name"], text(arguments["text"]))
    return {}


async def _pause(_world: World, arguments: dict[str, Any]) -> Any:
    await asyncio.sleep(arguments["seconds"])
    return {}


_OTHERS: Final[dict[str, Callable[[World, dict[str, Any]], Awaitable[Any]]]] = {
    "client": _client,
    "write_file": _write_file,
    "pause": _pause,
    "next": lambda world, arguments: world.subscription(arguments["of"]).next(arguments["count"]),
    "caught_up": lambda world, arguments: world.subscription(arguments["of"]).caught_up(),
    "quiet": lambda world, arguments: world.subscription(arguments["of"]).quiet(arguments["for"]),
    "ended": lambda world, arguments: world.subscription(arguments["of"]).ended(),
    "unsubscribe": _unsubscribe,
    "server": lambda world, arguments: world.control.ask("server", arguments),
    "database": lambda world, arguments: world.control.ask("database", arguments),
    "fault": lambda world, arguments: world.control.ask("fault", arguments),
    "seen": lambda world, arguments: world.control.ask("seen", arguments),
}
