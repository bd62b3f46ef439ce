"""Reports and dead letters: what a node tells of itself, as data first and text second."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable


_log = logging.getLogger("supervision")


class Report(msgspec.Struct, frozen=True):
    """Something an operator may want to know.

    Attributes:
        kind: ``crash``, ``supervisor``, ``progress``, ``hold``, ``overflow``, ``unexpected``.
        path: of the actor it is about.
        at: seconds since the epoch.
        data: the particulars; plain data, scrubbed by ``format_status`` where state is shown.
    """

    kind: str
    path: str
    at: float
    data: dict[str, Any]


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that found nobody.

    Attributes:
        at: seconds since the epoch.
        to: the path it was sent to.
        sender: the path of who sent it, where known.
        message: its type; its content may hold secrets and is not kept.
        reason: ``dead``, ``exited``, ``drop_oldest``, ``drop_newest`` or ``rejected``.
    """

    at: float
    to: str
    sender: str
    message: str
    reason: str


class DeadLetters:
    """Every dead letter is counted; the last ones are kept to be looked at."""

    def __init__(self, keep: int = 1000) -> None:
        self.total = 0
        self.recent: deque[DeadLetter] = deque(maxlen=keep)

    def add(self, letter: DeadLetter) -> None:
        """Count a letter and keep it until ``keep`` newer ones have come."""
        self.total += 1
        self.recent.append(letter)


class Reports:
    """The places that hear reports; without one a report costs a check of an empty list.

    Attributes:
        counts: reports of each kind.
        overflows: messages that found a full mailbox; not each of them is reported.
        progress: whether supervisors report each start of a child, as OTP's progress reports.
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[Report], None]] = []
        self.counts: dict[str, int] = {}
        self.overflows = 0
        self.progress = False

    def subscribe(self, listener: Callable[[Report], None]) -> Callable[[], None]:
        """Have ``listener`` called with every report; return what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def publish(self, report: Report) -> None:
        """Count a report and hand it to every listener, in the order they came."""
        self.counts[report.kind] = self.counts.get(report.kind, 0) + 1
        for listener in tuple(self._listeners):
            try:
                listener(report)
            except Exception:  # noqa: BLE001 - reports are made amid what has to be finished
                _log.exception("a listener failed on a report of kind %s", report.kind)
