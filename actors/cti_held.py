"""Frames of a CTI link that came before the session they are about; a pure core.

A session that is being opened, or is between two lives, has no name for a moment. What is about it
waits that long, in order, and only then is it about nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Hashable

    from protocols.cti.messages import Message

HOLD_S = 0.05
"""How long a frame waits for its session."""

MAX_HELD = 1_000
"""Frames of one link that may wait; one more is refused."""


class HeldFrame(Struct, frozen=True):
    """A frame, and when its bytes were read (monotonic seconds)."""

    message: Message
    at: float


class Held:
    """The frames of one link that wait, by the name of their session."""

    def __init__(self) -> None:
        self._frames: dict[Hashable, list[HeldFrame]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, name: Hashable) -> bool:
        return name in self._frames

    @property
    def names(self) -> tuple[Hashable, ...]:
        """The names of the sessions that are waited for."""
        return tuple(self._frames)

    def hold(self, name: Hashable, frame: HeldFrame) -> bool:
        """Keep a frame; False where as many wait as may."""
        if self._count >= MAX_HELD:
            return False
        self._frames.setdefault(name, []).append(frame)
        self._count += 1
        return True

    def release(self, name: Hashable) -> list[HeldFrame]:
        """Take the frames of a session that has been found, in the order they came."""
        frames = self._frames.pop(name, [])
        self._count -= len(frames)
        return frames

    def overdue(self, now: float) -> list[HeldFrame]:
        """Take the frames that have waited for ``HOLD_S``; their sessions do not exist."""
        gone: list[HeldFrame] = []
        for name in self.names:
            waiting = self._frames[name]
            late = [frame for frame in waiting if frame.at + HOLD_S <= now]
            if late:
                gone += late
                self._frames[name] = waiting[len(late) :]
                if not self._frames[name]:
                    del self._frames[name]
        self._count -= len(gone)
        return gone
