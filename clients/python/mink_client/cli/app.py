"""The application: which commands there are, and how a run of one ends."""

import logging
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from mink_client.cli import commands, plugins
from mink_client.cli.errors import ClickException, Failure
from mink_client.cli.text import clean
from mink_client.paths import without_secrets

app = typer.Typer(
    name="mink",
    cls=plugins.Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Mink, an event store. Commands speak to the server at MINK_SERVER (localhost:50051).",
)
commands.register(app)


def _version(asked: bool) -> None:
    if asked:
        commands.version.show()
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str]) -> int:
    """Runs a command.

    Args:
        arguments: What follows `mink` on the command line.

    Returns:
        The exit code.
    """
    _prepare_streams()
    _prepare_log()
    try:
        _check_text(arguments)
        result = typer.main.get_command(app).main(list(arguments), prog_name="mink", standalone_mode=False)
    except Failure as failure:
        return _say(failure.message, failure.code)
    except ClickException as error:
        return _wrong_call(error)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    return result if isinstance(result, int) else 0


def _prepare_streams() -> None:
    """What is written is UTF-8 when a program reads it; a terminal that cannot show a character gets its number."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"mink: {clean(record.getMessage())}"


def _prepare_log() -> None:
    """What the client logs, such as an interrupted subscription, is one line on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line())
    logger = logging.getLogger("mink_client")
    logger.handlers = [handler]
    logger.propagate = False


def _check_text(arguments: Sequence[str]) -> None:
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise Failure(f"an argument is not UTF-8: {clean(argument)}", code=2) from None


def _wrong_call(error: Exception) -> int:
    message = error.format_message() if isinstance(error, ClickException) else str(error)
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(message + "\n")
        return 2
    message = " ".join(message.split())
    if context is not None:
        end = "" if message.endswith(("?", ".")) else "."
        message = f"{message}{end} See: {context.command_path} --help"
    return _say(message, getattr(error, "exit_code", 2))


def _say(message: str, code: int) -> int:
    if message:
        sys.stderr.write(f"mink: {clean(without_secrets(message))}\n")
    return code
