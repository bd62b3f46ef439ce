"""Frames of a CTI link that came before the session they are about; a pure core.

A session that is being opened, or is between two lives, has no name for a moment. What is about it
waits that long, in order, and only then is it about nothing. How many may wait is bounded by the
link's window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Hashable, Iterable

    from actors.cti_ways import Pending
    from supervision.eventloop.cell import LocalAddress

HOLD_S = 0.05
"""How long a frame waits for its session."""


class Held:
    """The frames of one link that wait.

    Attributes:
        frames: they, by the name of their session, each with when it came, monotonic seconds.
    """

    def __init__(self) -> None:
        self.frames: dict[Hashable, list[tuple[Pending, float]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self.frames.values()))

    def __bool__(self) -> bool:
        return bool(self.frames)

    def hold(self, name: Hashable, frame: Pending, now: float) -> None:
        """Keep a frame (``now``: monotonic seconds)."""
        self.frames.setdefault(name, []).append((frame, now))

    def release(self, name: Hashable) -> list[Pending]:
        """Take the frames of a session that has been found, in the order they came."""
        waiting = self.frames.pop(name, None)
        return [] if waiting is None else _in_order(frame for frame, _ in waiting)

    def found(
        self, whereis: Callable[[Hashable], LocalAddress | None]
    ) -> list[tuple[Pending, LocalAddress]]:
        """Take the frames whose sessions are there now.

        Returns:
            Each with its session, in the order they came, by whichever name.
        """
        taken: list[tuple[Pending, LocalAddress]] = []
        for name in tuple(self.frames):
            session = whereis(name)
            if session is not None:
                taken += [(frame, session) for frame in self.release(name)]
        return sorted(taken, key=_number)

    def overdue(self, now: float, opening: Container[Hashable]) -> list[Pending]:
        """Take the frames that have waited for ``HOLD_S``; their sessions do not exist.

        Args:
            now: monotonic seconds.
            opening: the names of sessions that are being opened.
        """
        gone: list[Pending] = []
        for name in tuple(self.frames):
            if name in opening:
                continue
            waiting = self.frames[name]
            late = [frame for frame, since in waiting if since + HOLD_S <= now]
            if late:
                gone += late
                self.frames[name] = waiting[len(late) :]
                if not self.frames[name]:
                    del self.frames[name]
        return gone

    def take_all(self) -> list[Pending]:
        """Take every frame, in the order they came."""
        frames = [frame for waiting in self.frames.values() for frame, _ in waiting]
        self.frames.clear()
        return _in_order(frames)


def _in_order(frames: Iterable[Pending]) -> list[Pending]:
    return sorted(frames, key=lambda frame: frame.message.i)


def _number(entry: tuple[Pending, LocalAddress]) -> int:
    return entry[0].message.i
