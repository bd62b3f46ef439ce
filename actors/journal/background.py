"""Work in threads of its own that never keeps the process from ending.

A thread pool's threads are waited for when Python ends. A disk that does not answer, or a journal
that takes minutes to be read, must not hold up a node that was told to stop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def in_thread(function: Callable[P, T], *args: P.args, **named: P.kwargs) -> Future[T]:
    """Run a function in a thread of its own.

    Args:
        function: what is run.
        args: for it.
        named: for it.

    Returns:
        What becomes of it.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(function(*args, **named))
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            future.set_exception(error)

    threading.Thread(target=run, name="vigie-journal-work", daemon=True).start()
    return future
