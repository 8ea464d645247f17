"""The operations of the cases on a client: each takes its arguments as the case says them, and gives what the client gives."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING, Any, Final

from mink_client import RawJson
from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from conformance import given, told
from conformance.given import expected, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from mink_client import Mink, RecordedEvent

    from conformance.scope import Scope

Arguments = dict[str, Any]


async def append(mink: Mink, arguments: Arguments, scope: Scope) -> Any:
    """Appends; the events still have their words in braces."""
    with _traced(arguments.get("trace")):
        events = given.events(arguments["events"], scope)
        return told.appended(await mink.append(text(arguments["stream"]), events, expected=expected(arguments["expected"])))


async def append_many(mink: Mink, arguments: Arguments, scope: Scope) -> Any:
    """Appends to several streams; the parts still have their words in braces."""
    return told.appended_many(await mink.append_many(given.parts(arguments["appends"], scope)))


async def _read_stream(mink: Mink, arguments: Arguments) -> Any:
    options = _some(arguments, "from_version", "backwards", "limit")
    return {"events": await _all(mink.read_stream(text(arguments["stream"]), **options))}


async def _read_all(mink: Mink, arguments: Arguments) -> Any:
    options = {**_some(arguments, "after", "before", "backwards", "limit"), **given.filters(arguments)}
    return {"events": await _all(mink.read_all(**options))}


async def _load(mink: Mink, arguments: Arguments) -> Any:
    snapshot, events = await mink.load(text(arguments["stream"]))
    return {"snapshot": told.snapshot(snapshot), "events": list(map(told.event, events))}


async def _get_stream(mink: Mink, arguments: Arguments) -> Any:
    return told.stream(await mink.get_stream(text(arguments["stream"])))


async def _list_streams(mink: Mink, arguments: Arguments) -> Any:
    options = _some(arguments, "include_deleted", "page_size")
    found = mink.list_streams(text(arguments.get("prefix", "")), **options)
    return {"streams": [told.stream(stream) async for stream in found]}


async def _truncate_stream(mink: Mink, arguments: Arguments) -> Any:
    return told.removed(await mink.truncate_stream(text(arguments["stream"]), before_version=arguments["before_version"]))


async def _delete_stream(mink: Mink, arguments: Arguments) -> Any:
    options = _some(arguments, "tombstone")
    found = await mink.delete_stream(text(arguments["stream"]), expected=expected(arguments["expected"]), **options)
    return told.removed(found)


async def _save_snapshot(mink: Mink, arguments: Arguments) -> Any:
    state = base64.b64decode(arguments["binary"], validate=True) if "binary" in arguments else RawJson(text(arguments["json"]))
    about = given.metadata(arguments.get("metadata"))
    stream, version = text(arguments["stream"]), arguments["version"]
    return told.snapshot_saved(await mink.save_snapshot(stream, version=version, state=state, metadata=about))


async def _load_snapshot(mink: Mink, arguments: Arguments) -> Any:
    return {"snapshot": told.snapshot(await mink.load_snapshot(text(arguments["stream"])))}


async def _delete_snapshot(mink: Mink, arguments: Arguments) -> Any:
    return {"version": await mink.delete_snapshot(text(arguments["stream"]))}


async def _close(mink: Mink, _arguments: Arguments) -> Any:
    await mink.close()
    return {}


ON_CLIENT: Final[dict[str, Callable[[Mink, Arguments], Awaitable[Any]]]] = {
    "read_stream": _read_stream,
    "read_all": _read_all,
    "load": _load,
    "get_stream": _get_stream,
    "list_streams": _list_streams,
    "truncate_stream": _truncate_stream,
    "delete_stream": _delete_stream,
    "save_snapshot": _save_snapshot,
    "load_snapshot": _load_snapshot,
    "delete_snapshot": _delete_snapshot,
    "close": _close,
}
"""The operations whose arguments have no words in braces any more, by name."""


def _some(arguments: Arguments, *names: str) -> Arguments:
    """Those of the arguments that the case says."""
    return {name: arguments[name] for name in names if name in arguments}


async def _all(events: AsyncIterator[RecordedEvent]) -> list[dict[str, Any]]:
    return [told.event(event) async for event in events]


@contextlib.contextmanager
def _traced(traceparent: str | None) -> Iterator[None]:
    """Within the trace that a `traceparent` names, if there is one."""
    if traceparent is None:
        yield
        return
    found = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    if not trace.get_current_span(found).get_span_context().is_valid:
        raise ValueError(f"{traceparent!r} names no trace")
    token = context.attach(found)
    try:
        yield
    finally:
        context.detach(token)
