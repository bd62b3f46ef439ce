"""How far the frames of a link run ahead of what is durable, session by session; a pure core.

A session knows the latest ``FRAMES_KEPT`` frames of each link session that it has applied. Frames
above the number that the journal has of the link session may come to it again, after a crash of
whomever: so no more of them than it knows are under way to one session. Others wait, in order.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct, field

from actors.session_data import FRAMES_KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.routing import Decision
    from protocols.cti.messages import Message
    from supervision.eventloop.cell import LocalAddress

AHEAD = FRAMES_KEPT - 4
"""Frames that are under way to a session and not durable; one more waits."""

FIRST_AHEAD = FRAMES_KEPT - 2
"""The same for the frame that all others wait for: it may have come after some of them."""


class Pending(Struct):
    """A frame of the peer whose effect is not known to be durable.

    Attributes:
        message: as it came.
        at: when its bytes were read, monotonic seconds.
        taken: whether it has been carried out, but for what others have to do.
        handed: when it was handed to its session, monotonic seconds; 0 while it waits for one.
        tries: how often it has been handed over again.
        hurried: whether it was handed over again because its session had been restarted.
        way: to its session, while it waits for others to be durable.
        guarded: the routing point and the decision, where the link has answered in the place of
            the session.
        told: whether the session has been told of that.
    """

    message: Message
    at: float
    taken: bool = False
    handed: float = 0.0
    tries: int = 0
    hurried: bool = False
    way: Way | None = None
    guarded: tuple[str, Decision] | None = None
    told: bool = False


class Way(Struct, eq=False):
    """From a link to a session.

    Attributes:
        session: where it leads.
        life: the session's incarnation when a frame was handed to it, or is about to be; 0 where
            all is handed anew.
        count: frames that were handed to the session and may be handed to it again.
        waiting: frames that wait for those to be durable.
    """

    session: LocalAddress
    life: int = 0
    count: int = 0
    waiting: list[Pending] = field(default_factory=list)


class Ways:
    """Those of one link session; they outlive its actor.

    Attributes:
        waiting: the ways that frames wait for.
        ready: those of them by which frames can be handed over now.
    """

    def __init__(self) -> None:
        self._handed: dict[int, Way] = {}
        self._ways: dict[LocalAddress, Way] = {}
        self.waiting: set[Way] = set()
        self._released = 0
        self.ready: deque[Way] = deque()

    def __len__(self) -> int:
        return sum(len(way.waiting) for way in self.waiting)

    def to(self, session: LocalAddress) -> Way:
        """The way to a session."""
        way = self._ways.get(session)
        if way is None:
            way = self._ways[session] = Way(session, session.incarnation)
        return way

    def admit(self, way: Way, pending: Pending, first: int) -> bool:
        """Note that a frame is handed over, or have it wait.

        Args:
            way: to its session.
            pending: the frame.
            first: the number of the frame that all others wait for.

        Returns:
            Whether it may be handed over.
        """
        i = pending.message.i
        before = self._handed.get(i)
        if before is way:
            return True
        if (way.count >= AHEAD or way.waiting) and (i != first or way.count >= FIRST_AHEAD):
            self._wait(way, pending)
            return False
        if before is not None:
            self._let_go(before)
        self._handed[i] = way
        way.count += 1
        return True

    def note(self, i: int, way: Way) -> None:
        """Note that a frame is handed over."""
        before = self._handed.get(i)
        if before is not None:
            self._let_go(before)
        self._handed[i] = way
        way.count += 1

    def _wait(self, way: Way, pending: Pending) -> None:
        pending.handed, pending.way = 0.0, way
        way.waiting.append(pending)
        self.waiting.add(way)

    def durable(self, last_in: int, first: Pending | None) -> bool:
        """Note that the journal has the link session up to a number.

        Args:
            last_in: the number.
            first: the frame that all others wait for.

        Returns:
            Whether frames that have waited can be handed over; ``ready`` has their ways.
        """
        handed = self._handed
        for i in range(self._released + 1, last_in + 1):
            way = handed.pop(i, None)
            if way is not None:
                self._let_go(way)
        self._released = max(self._released, last_in)
        if self.waiting and first is not None and first.way is not None:
            self.ready.append(first.way)
        return bool(self.ready)

    def _let_go(self, way: Way) -> None:
        way.count -= 1
        if way.waiting:
            self.ready.append(way)
        elif not way.count:
            self._ways.pop(way.session, None)

    def next_of(self, way: Way, first: Pending | None) -> Pending | None:
        """Take the next frame that can be handed over by a way; None where none can.

        Args:
            way: its way.
            first: the frame that all others wait for; it goes before those of its session.
        """
        pending = None
        if first is not None and first.way is way and way.count < FIRST_AHEAD:
            way.waiting.remove(first)
            pending = first
        elif way.waiting and way.count < AHEAD:
            pending = way.waiting.pop(0)
        if pending is None:
            self._tidy(way)
            return None
        pending.way = None
        if not way.waiting:
            self.waiting.discard(way)
        return pending

    def take_waiting(self, way: Way) -> list[Pending]:
        """Take all frames that wait for a way."""
        taken = list(way.waiting)
        for pending in taken:
            pending.way = None
        way.waiting.clear()
        self.waiting.discard(way)
        self._tidy(way)
        return taken

    def _tidy(self, way: Way) -> None:
        if not way.count and not way.waiting:
            self._ways.pop(way.session, None)

    def is_by(self, way: Way, i: int) -> bool:
        """Whether a frame was handed over by a way."""
        return self._handed.get(i) is way

    def restarted(self) -> list[Way]:
        """The ways to sessions that have been restarted since frames were handed to them."""
        return [way for way in self._ways.values() if way.life not in (0, way.session.incarnation)]

    def carried(self) -> tuple[int, list[tuple[int, str]]]:
        """What another process needs to go on.

        Returns:
            The number up to which all is durable; the frames that may be handed over again, each
            with the name of its session.
        """
        return self._released, [(i, str(way.session.name)) for i, way in self._handed.items()]

    def carry(self, released: int, handed: Iterable[tuple[int, LocalAddress]] = ()) -> None:
        """Begin where another process was.

        Args:
            released: the number up to which all is durable.
            handed: the frames that may be handed over again, each with where its session lives.
        """
        self._released = released
        for i, session in handed:
            self.note(i, self.to(session))

    def begin_anew(self) -> None:
        """Everything is handed over again: nothing waits."""
        self.ready.clear()
        for way in tuple(self._ways.values()):
            way.life = 0
            self.take_waiting(way)
