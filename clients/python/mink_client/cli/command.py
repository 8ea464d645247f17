"""Makes commands out of coroutines: the options that all have, the event loop, and how it ends."""

import asyncio
import inspect
import os
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeAlias

import typer

from mink_client import MinkError
from mink_client.cli import options
from mink_client.cli.errors import Failure, explain, wrong_call
from mink_client.cli.output import Format, flush
from mink_client.cli.session import Session
from mink_client.client import DEFAULT_SERVER

P = ParamSpec("P")
Work: TypeAlias = Callable[Concatenate[Session, P], Coroutine[Any, Any, None]]


def command(
    app: typer.Typer, name: str, *, timeout: float = 10.0, formats: bool = True
) -> Callable[[Work[P]], Callable[Concatenate[Session, P], Coroutine[Any, Any, None]]]:
    """Registers a coroutine as a command. Its first parameter is the session; the others are its own arguments and options.

    Args:
        app: Where the command belongs.
        name: What the command is called.
        timeout: The default of `--timeout`, in seconds.
        formats: Whether it has `--output table|json`.
    """
    shared: dict[str, tuple[Any, Any]] = {
        "server": (options.Server, DEFAULT_SERVER),
        "tls": (options.Tls, None),
        "ca_file": (options.CaFile, None),
        "client_cert_file": (options.CertFile, None),
        "client_key_file": (options.KeyFile, None),
        "token_file": (options.TokenFile, None),
        "output": (options.Output, Format.TABLE),
        "non_interactive": (options.NonInteractive, False),
        "timeout": (options.Timeout, timeout),
    }
    if not formats:
        del shared["output"]

    def register(work: Work[P]) -> Work[P]:
        def run(**given: Any) -> None:
            session = Session(**{key: given.pop(key) for key in shared})
            if any(isinstance(value, int) and value > options.MOST for value in given.values()):
                raise wrong_call(f"a number is too large; {options.MOST} is the largest")
            _finish(partial(work, session, **given), session)

        own = list(inspect.signature(work, eval_str=True).parameters.values())[1:]
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [parameter.replace(kind=keyword) for parameter in own]
        parameters += [inspect.Parameter(key, keyword, annotation=kind, default=default) for key, (kind, default) in shared.items()]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__doc__ = work.__doc__
        app.command(name)(run)
        return work

    return register


def _finish(work: Callable[[], Coroutine[Any, Any, None]], session: Session) -> None:
    try:
        asyncio.run(work())
        flush()
    except MinkError as error:
        raise explain(error, session.server) from error
    except BrokenPipeError:
        _drop_output()  # the reader has what it wanted
        raise typer.Exit(0) from None
    except OSError as error:
        _drop_output()
        raise Failure(f"cannot write the output: {error.strerror or error}") from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _drop_output() -> None:
    """What is left in the buffer must not fail once more when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
