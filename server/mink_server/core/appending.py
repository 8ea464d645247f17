"""Making one append and waiting for its outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mink_server.core.events import Append, AppendResult

if TYPE_CHECKING:
    from mink_server.core.events import StreamWrite
    from mink_server.core.log import Writes

# Seconds that an append may wait for its turn if its caller sets no bound.
LONGEST_WAIT = 30.0


async def append(log: Writes, writes: list[StreamWrite], timeout: float | None) -> AppendResult:
    """Makes an append.

    Args:
        log: Where to.
        writes: What to append.
        timeout: Seconds that it may wait for its turn; None: 30.

    Raises:
        MinkError: It was not made, or (DatabaseUnavailableError) it is not known whether.
    """
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[None] = loop.create_future()

    def done(_: Append) -> None:
        if not finished.done():
            finished.set_result(None)

    made = Append(writes, done, loop.time() + (LONGEST_WAIT if timeout is None else min(timeout, LONGEST_WAIT)))
    log.submit(made)
    try:
        await finished
    except asyncio.CancelledError:
        made.abandoned = True
        raise
    if isinstance(made.outcome, AppendResult):
        return made.outcome
    assert made.outcome is not None
    raise made.outcome
