"""Structured logs on standard error: one line an event, for people on a terminal and as JSON elsewhere.

Nothing that a caller has sent gets into a line but names: an exception is told by its type and where it was raised, and not by its
text, which may quote a payload, a statement or a password.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

import structlog

from mink_server.core.errors import MinkError
from mink_server.telemetry.call import CURRENT

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    Line = MutableMapping[str, Any]

_LONGEST: Final = 2_000
_MOST_FRAMES: Final = 30
_MOST_CAUSES: Final = 5
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

log = structlog.get_logger(__name__)


def configure(level: str, log_format: str) -> None:
    """Sets up structlog, and lets libraries that use the standard logging through at warning.

    Args:
        level: debug, info, warning or error.
        log_format: console, json, or auto (console on a terminal).
    """
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if console else structlog.processors.JSONRenderer()
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _about_the_call,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _bounded,
        _exception,
    ]
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=processors))
    # What a handler raises is logged where it is turned into a status; gRPC would log once more that a client has left.
    logging.getLogger("grpc._cython.cygrpc").setLevel(logging.CRITICAL)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Logs what asyncio could tell nobody. Its own line would show the exception's text and what a task holds."""
    task = context.get("task") or context.get("future")
    name = task.get_name() if isinstance(task, asyncio.Task) else None
    # The part before a line break is asyncio's; behind it stands what others said.
    what = str(context.get("message", "")).partition("\n")[0]
    log.error("unhandled", what=what, exc_info=context.get("exception"), **({} if name is None else {"task": name}))


def _about_the_call(_logger: Any, _name: str, line: Line) -> Line:
    """Adds which call a line is about. Done only for lines that are written."""
    call = CURRENT.get()
    if call is not None:
        for key, value in call.about().items():
            line.setdefault(key, value)
    return line


def _bounded(_logger: Any, _name: str, line: Line) -> Line:
    """Keeps texts short, and each line a line: what is written for people escapes nothing by itself."""
    for key, value in line.items():
        if isinstance(value, str) and not key.startswith("_"):
            line[key] = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", value[:_LONGEST])
    return line


def _exception(_logger: Any, _name: str, line: Line) -> Line:
    """An exception as its type and where it was raised, and the same of its causes."""
    error = line.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        line["exception"] = "\n".join(_lines(error))
    return line


def _lines(error: BaseException) -> list[str]:
    lines: list[str] = []
    shown: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if shown is None:
            break
        if lines:
            lines.append("caused by")
        lines.append(_named(shown))
        frames = traceback.extract_tb(shown.__traceback__)[-_MOST_FRAMES:]
        lines += [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    return lines


def _named(error: BaseException) -> str:
    """An exception's type, and its text if that is known to quote nobody."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(error, MinkError):
        return f"{name}: {_CONTROL.sub(' ', str(error)[:_LONGEST])}"
    if isinstance(error, OSError) and error.strerror and isinstance(error.errno, int) and error.errno > 0:
        return f"{name}: {error.strerror}"
    return name
