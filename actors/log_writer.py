"""logWriter: brings log records to the trace files through a thread of its own.

It never waits for the disk. A line is acknowledged by `Flush`: those cast before it are in the file
then (handed to the operating system, not forced to the disk) and outlive logWriter and the node.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from actors import log_records, metrics
from actors.log_records import Level, LogRecord
from actors.log_thread import LogThread
from actors.standby import Standby
from actors.trace_file import TraceFile
from supervision import NO_REPLY, GenServer, MailboxPolicy
from supervision.eventloop.calls import PendingCall
from supervision.reasons import Reason

NAME = "logWriter"
CLOSE_S = 2.0
"""How long its orderly end may wait for the disk, seconds."""


class LogSettings(Struct, frozen=True, kw_only=True):
    """What logSup is started with.

    Attributes:
        directory: Where the trace files are, `DATA/traces`.
        resource: What the process is, by OpenTelemetry's names: `service.name`, ...
        level: Less severe records are left out.
        max_bytes: Size above which a file is put away.
        keep: Files put away that are kept.
        queue_limit: Lines that may wait for the disk.
        standby: While it waits another process has the files; lines wait, too.
    """

    directory: Path
    resource: dict[str, Any]
    level: Level = "info"
    max_bytes: int = 67_108_864
    keep: int = 10
    queue_limit: int = 50_000
    standby: Standby = Standby()


class Flush(Struct, frozen=True):
    """Called: answered with True when every record cast before is in the file."""


class _Flushed(Struct, frozen=True):
    call: PendingCall


class _Changed(Struct, frozen=True):
    failing: str


class WriterState(Struct):
    """What logWriter knows; the counts are kept by the thread."""

    settings: LogSettings
    thread: LogThread


class LogWriter(GenServer):
    """The writer; its argument is a `LogSettings`."""

    mailbox = MailboxPolicy(limit=10_000, overflow="drop_oldest")
    state: WriterState

    def init(self, args: LogSettings) -> None:
        """Begin a thread, which ends with this actor however that ends."""
        thread = LogThread(
            TraceFile(args.directory, args.max_bytes, args.keep),
            args.queue_limit,
            self._notice,
            lambda failing: self._post(_Changed(failing)),
        )
        self.at_end(thread.stop)
        self.at_end(args.standby.when_open(thread.begin))
        self.state = WriterState(args, thread)
        self.register(NAME)

    def handle_cast(self, request: Any) -> None:
        """Have a record written."""
        if isinstance(request, LogRecord):
            if not self.state.thread.put(log_records.line(request)):
                metrics.LOG_DROPPED.inc()
        else:
            super().handle_cast(request)

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        """Answer a `Flush` once the thread has come so far."""
        if not isinstance(request, Flush):
            return super().handle_call(request, from_)
        self.state.thread.fence(lambda: self._post(_Flushed(from_)))
        return NO_REPLY

    def handle_info(self, message: Any, sender: Any) -> None:
        """Hear from the thread."""
        match message:
            case _Flushed(call):
                self.reply(call, True)
            case _Changed(failing):
                self._report(failing)
            case _:
                super().handle_info(message, sender)

    async def terminate(self, reason: Reason) -> None:
        """Have what waits written, within a bound."""
        thread = self.state.thread
        thread.stop()
        await asyncio.to_thread(thread.join, CLOSE_S)

    def format_status(self, state: WriterState) -> dict[str, Any]:
        """The file, what waits for it and what became of the rest."""
        return {
            "directory": str(state.settings.directory),
            "waiting": state.thread.waiting,
            **structs.asdict(state.thread.counts),
        }

    def _report(self, failing: str) -> None:
        kind = "degraded" if failing else "recovered"
        where = str(self.state.settings.directory)
        self.kernel.report(kind, self.address.path, part="trace files", why=failing, where=where)

    # On the thread

    def _notice(self, count: int) -> bytes:
        settings = self.state.settings
        return log_records.line(log_records.dropped(count, self.wall(), settings.resource))

    def _post(self, message: Any) -> None:
        try:
            self.kernel.post(self.address, message, self.address)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            return
