"""Asking before something is removed for good."""

import select
import signal
import sys
from typing import Final

from mink_client.cli.errors import Failure, wrong_call
from mink_client.cli.session import Session
from mink_client.cli.text import clean

_LOOK_UP: Final = 0.2


def may_ask(session: Session, *, yes: bool, what: str = "removes data for good") -> bool:
    """Whether to ask. To be called before anything else is done.

    Args:
        session: The run.
        yes: Whether `--yes` was said.
        what: What the command does.

    Raises:
        Failure: Nobody can be asked, and `--yes` was not said.
    """
    if yes:
        return False
    if session.non_interactive or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise wrong_call(f"this {what}, and there is nobody to ask: pass --yes")
    return True


def ask(question: str, *, otherwise: str = "nothing was removed") -> None:
    """Asks on the terminal; goes on only after a yes.

    Args:
        question: What to ask.
        otherwise: What to say after a no.

    Raises:
        Failure: The answer was no.
    """
    # asyncio's own handler would wait for the line to end. Before the question: whoever sees that may answer at once.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.stderr.write(f"{clean(question)} [y/N] ")
        sys.stderr.flush()
        # Ctrl-C may reach another thread of this process than the one that reads, which then would not wake: so it looks up.
        while not select.select([sys.stdin], [], [], _LOOK_UP)[0]:
            pass
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        raise
    finally:
        signal.signal(signal.SIGINT, before)
    if answer.strip().lower() not in {"y", "yes"}:
        raise Failure(otherwise)
