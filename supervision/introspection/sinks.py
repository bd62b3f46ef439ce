"""What an actor can be watched for: statistics, a log, a log file, a probe (sys(3))."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Any

from supervision.introspection.events import DONE, Sink
from supervision.introspection.system_records import StatisticsRow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from supervision.clock import Clock
    from supervision.introspection.events import Seen, SystemEvent

_IN = frozenset({"in", "timeout"})
_OUT = frozenset({"out", "reply"})


class Statistics(Sink):
    """Counts what an actor does (``sys:statistics/2``).

    Args:
        clock: what tells the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = clock.wall()
        self._in = self._out = self._handled = 0
        self._busy_s = 0.0

    def take(self, seen: Seen) -> bool:
        """Count an event."""
        if seen.kind in _IN:
            self._in += 1
        elif seen.kind in _OUT:
            self._out += 1
        return False

    def spent(self, message: Any, seconds: float) -> None:
        """Count a message that was handled."""
        self._handled += 1
        self._busy_s += seconds

    def row(self, path: str) -> StatisticsRow:
        """The counts until now."""
        return StatisticsRow(
            path=path,
            on=True,
            start_time=self._start,
            current_time=self._clock.wall(),
            reductions=self._handled,
            busy_s=round(self._busy_s, 6),
            messages_in=self._in,
            messages_out=self._out,
        )


class Log(Sink):
    """Keeps the latest events (``sys:log/2``).

    Args:
        size: how many.
    """

    def __init__(self, size: int) -> None:
        self.events: deque[SystemEvent] = deque(maxlen=size)

    @property
    def size(self) -> int:
        """How many events are kept."""
        return self.events.maxlen or 0

    def resize(self, size: int) -> None:
        """Keep another number of events; the latest stay."""
        self.events = deque(self.events, maxlen=size)

    def take(self, seen: Seen) -> bool:
        """Keep an event."""
        self.events.append(seen.shown)
        return False


class LogFile(Sink):
    """Writes the events to a file of bounded size (``sys:log_to_file/2``).

    Args:
        path: of the file; it is begun anew, for its owner alone to read.
        most_bytes: size at which it ends.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        self.path = path
        self._file = os.open(path, flags, 0o600)
        self._left = most_bytes

    def take(self, seen: Seen) -> bool:
        """Write a line; the file ends before the one that would not fit."""
        line = f"{seen.shown.at:.6f} {seen.shown.line()}\n".encode(errors="backslashreplace")
        self._left -= len(line)
        if self._left < 0:
            return True
        os.write(self._file, line)
        return False

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Probe(Sink):
    """A function in the path of an actor's messages (``sys:install/2``).

    Args:
        function: given its state and an event; returns its new state, or DONE to be removed.
        state: what it begins with.
    """

    def __init__(self, function: Callable[[Any, Seen], Any], state: Any) -> None:
        self._function = function
        self.state = state

    def take(self, seen: Seen) -> bool:
        """Have the function see an event."""
        state = self._function(self.state, seen)
        if state is DONE:
            return True
        self.state = state
        return False
