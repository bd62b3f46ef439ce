"""logHandler: the event manager that every log record of the node passes.

It has one handler to begin with, which forwards to logWriter; others may be added and taken away
while the node runs (`AddHandler`). Records come from `logging` and from the node's own reports.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from actors import log_records
from actors.log_bridge import LogBridge
from actors.log_records import SEVERITY_NUMBER, LogRecord
from actors.log_writer import NAME as WRITER
from actors.log_writer import LogSettings
from supervision import EventHandler, EventManager, MailboxPolicy, Report

NAME = "logHandler"
FORWARD = "logWriter"
"""Id of the handler that forwards to logWriter."""


class Forward(EventHandler):
    """Hands every record to logWriter."""

    def __init__(self, manager: EventManager) -> None:
        self._manager = manager
        self._forwarded = 0

    def handle_event(self, event: Any) -> None:
        """Forward a record; other events are other handlers' business."""
        if isinstance(event, LogRecord):
            self._forwarded += 1
            self._manager.cast(WRITER, event)

    def status(self) -> dict[str, int]:
        """How many it has forwarded."""
        return {"forwarded": self._forwarded}


class LogHandler(EventManager):
    """The event manager; its argument is a `LogSettings`."""

    mailbox = MailboxPolicy(limit=10_000, overflow="drop_oldest")

    def init(self, args: LogSettings) -> None:
        """Take the records of `logging` and the node's reports from now on."""
        super().init([(FORWARD, Forward(self))])
        self.register(NAME)
        self._take_logging(args)
        self._take_reports(args)

    def _take_logging(self, settings: LogSettings) -> None:
        bridge = LogBridge(self.kernel, NAME, settings.resource)
        root = logging.getLogger()
        self.at_end(partial(root.setLevel, root.level))
        self.at_end(partial(root.removeHandler, bridge))
        root.setLevel(settings.level.upper())
        root.addHandler(bridge)

    def _take_reports(self, settings: LogSettings) -> None:
        lowest = SEVERITY_NUMBER[log_records.LEVEL_SEVERITY[settings.level]]

        def take(report: Report) -> None:
            record = log_records.from_report(report, settings.resource)
            if record.severity_number >= lowest:
                self.cast(NAME, record)

        self.at_end(self.kernel.reports.subscribe(take))
