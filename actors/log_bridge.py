"""From `logging` to logHandler: what the node's own modules and libraries log, from any thread."""

from __future__ import annotations

import logging
from threading import get_ident
from typing import Any

from actors import log_records
from supervision import Cast
from supervision.eventloop.kernel import Kernel

MAX_ON_THE_WAY = 10_000
"""Records of other threads that may be on their way to the loop; more are dropped."""


class LogBridge(logging.Handler):
    """A handler that hands every record to the actor of a name; it never blocks and never fails.

    Args:
        kernel: The node.
        target: Registered name of the actor that is cast `LogRecord`s.
        resource: What the process is.

    Attributes:
        dropped: Records of other threads that were dropped, the loop being busy or closed.
    """

    def __init__(self, kernel: Kernel, target: str, resource: dict[str, Any]) -> None:
        super().__init__()
        self.dropped = 0
        self._kernel = kernel
        self._target = target
        self._resource = resource
        self._on_the_way = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record on."""
        try:
            translated = log_records.from_logging(record, self._resource)
        except Exception:  # noqa: BLE001 - logging's own rule: a call to log never raises
            self.handleError(record)
            return
        if get_ident() == self._kernel.thread:
            self._cast(translated)
        elif self._on_the_way < MAX_ON_THE_WAY:
            self._post(translated)
        else:
            self.dropped += 1

    def _post(self, record: log_records.LogRecord) -> None:
        self._on_the_way += 1
        try:
            self._kernel.post_call(self._arrived, record)
        except RuntimeError:  # the loop is closed: the node has ended
            self.dropped += 1

    def _arrived(self, record: log_records.LogRecord) -> None:
        self._on_the_way -= 1
        self._cast(record)

    def _cast(self, record: log_records.LogRecord) -> None:
        # While the actor restarts, each record would be a dead letter that nobody reads.
        if self._kernel.registry.whereis(self._target) is None:
            self.dropped += 1
        else:
            self._kernel.cast(self._target, Cast(record))
