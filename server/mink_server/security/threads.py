"""Work in a thread that may hang, as on a network file system that is away, without keeping the process from ending."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def begin(work: Callable[[], T]) -> Future[T]:
    """Begins to do something in a thread of its own, which ends with the process if it does not before.

    asyncio's own threads are waited for when a process ends, which then never ends.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # so that nobody who stops waiting takes it from the thread

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name="mink-files", daemon=True).start()
    return future
