"""logSup: the node's log. Its parts survive each other's restart; neither takes the node down."""

from __future__ import annotations

from actors.log_handler import LogHandler
from actors.log_writer import LogSettings, LogWriter
from supervision import ChildSpec, Supervisor, SupervisorFlags


class LogSup(Supervisor):
    """Supervisor of logWriter and logHandler; its argument is a `LogSettings`."""

    def init(self, args: LogSettings) -> tuple[SupervisorFlags, list[ChildSpec]]:
        """Start the writer first, so that the first record finds it."""
        return SupervisorFlags(strategy="one_for_one", intensity=10, period=10.0), [
            ChildSpec("logWriter", LogWriter, args),
            ChildSpec("logHandler", LogHandler, args),
        ]
