"""The time of a node: what is now, which timers and deadlines are due, when the loop has to call.

What is due at one instant may be any number of timers: they are fired within a budget, and the
loop serves sockets before the others.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from supervision.eventloop.timers import NEVER, DeadlineQueues, Expiring, Timer, TimerHeap

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from supervision.clock import Clock


class SchedulerLimits(msgspec.Struct, frozen=True):
    """The bounds of a turn.

    Attributes:
        turn_budget_s: seconds after which a turn lets the loop serve sockets.
        batch: messages an actor may handle before the next ready actor runs.
        hold_limit_s: seconds a handler may hold the loop before a report names it.
    """

    turn_budget_s: float = 0.005
    batch: int = 64
    hold_limit_s: float = 0.05


class Timekeeper:
    """Timers and deadlines on one asyncio loop; everything belongs to the loop's thread.

    Args:
        loop: the asyncio loop to live on.
        clock: what tells the time; a virtual one in tests.
        limits: the bounds of a turn, of which firing what is due is one.

    Attributes:
        now: monotonic seconds of the message that is handled now; outside of a turn it is what
            the last turn left, and ``present`` reads it anew.
        monotonic: the clock's reading, as all actors of the node share it.
        wall: likewise.
    """

    # Slots: an object with many attributes in a dictionary is slow to read, and every message
    # reads some of these.
    __slots__ = (
        "_after_turn",
        "_armed",
        "_armed_for",
        "_awake",
        "_clock",
        "_frozen",
        "_in_turn",
        "_late",
        "_timers_held",
        "clock",
        "deadlines",
        "limits",
        "loop",
        "monotonic",
        "now",
        "timers",
        "wall",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, limits: SchedulerLimits
    ) -> None:
        self.loop = loop
        self.clock = clock
        self.limits = limits
        self.now = clock.monotonic()
        self.timers = TimerHeap()
        self.deadlines = DeadlineQueues()
        self.monotonic = self._clock = clock.monotonic
        self.wall = clock.wall
        self._in_turn = False
        self._after_turn: deque[Callable[[], object]] = deque()
        self._awake = False  # a turn runs or is to come; it arms when it ends
        self._armed: asyncio.TimerHandle | None = None
        self._armed_for = NEVER
        self._late = False  # something is due before the loop will call; the turn's end sees to it
        self._frozen = False
        self._timers_held = False

    def after_turn(self, function: Callable[[], object]) -> None:
        """Run ``function`` at the end of this turn, or soon where there is none."""
        if self._in_turn:
            self._after_turn.append(function)
        else:
            self.loop.call_soon(function)

    def present(self) -> float:
        """Monotonic seconds: the turn's, or outside of a turn what the clock says."""
        if not self._in_turn:
            self.now = self._clock()
        return self.now

    def set_timer(
        self, after_s: float, fire: Callable[[Timer], None], owner: Any, payload: Any
    ) -> Timer:
        """Have ``fire`` called with the timer in ``after_s`` seconds."""
        when = self._clock() + after_s if after_s > 0.0 else self._clock()
        timer = self.timers.set(when, fire, owner, payload)
        if when < self._armed_for:
            self._come_sooner()
        return timer

    def set_timer_at(
        self, when: float, fire: Callable[[Timer], None], owner: Any, payload: Any
    ) -> Timer:
        """Have ``fire`` called with the timer at ``when``, monotonic seconds."""
        timer = self.timers.set(when, fire, owner, payload)
        if when < self._armed_for and not self._timers_held:
            self._come_sooner()
        return timer

    def set_deadline(self, seconds: float, entry: Expiring) -> None:
        """Have ``entry`` expire ``seconds`` after ``now`` unless it is settled before.

        Who made the entry has asked ``present`` for its deadline just before.
        """
        self.deadlines.add(self.now, seconds, entry)
        if self.now + seconds < self._armed_for:
            self._come_sooner()

    def set_deadline_at(self, due: float, entry: Expiring) -> None:
        """Have ``entry`` expire at ``due``, another's deadline, unless it is settled before."""
        self.deadlines.add_at(due, entry)
        if due < self._armed_for:
            self._come_sooner()

    def _come_sooner(self) -> None:
        """Something is due before the loop will call: arm, at the end of the turn in one."""
        if self._awake:
            self._late = True
        else:
            self.arm()

    def hold_timers(self) -> None:
        """Have no timer fire until ``release_timers``; deadlines of calls pass as ever.

        For a node that takes over from another, whose timers are the other's until it serves.
        """
        self._timers_held = True
        self.arm()

    def release_timers(self) -> None:
        """Have timers fire again; those that are overdue do so soon."""
        self._timers_held = False
        self.arm()

    def arm(self) -> None:
        """Have the loop call at the earliest timer or deadline; not while nothing may run."""
        if self._frozen:
            self._disarm()
            self._late = True
            return
        self._late = False
        due = NEVER if self._timers_held else self.timers.next_due
        deadline = self.deadlines.next_due
        due = min(due, deadline)
        if due >= self._armed_for:
            return  # one that comes too early costs less than one that is set anew each turn
        if self._armed is not None:
            self._armed.cancel()
        self._armed_for = due
        self._armed = self.loop.call_later(max(0.0, due - self._clock()), self._timers_due)

    def _disarm(self) -> None:
        if self._armed is not None:
            self._armed.cancel()
        self._armed, self._armed_for = None, NEVER

    def _timers_due(self) -> None:
        self._armed, self._armed_for = None, NEVER
        self.now = self._clock()
        try:
            self._fire(self.now, self.now + self.limits.turn_budget_s)
        finally:  # whatever got out of one, the others come; what is left is due at once
            self.arm()

    def _fire(self, due: float, limit: float) -> None:
        for entry in self.deadlines.pop_due(due):
            entry.expire()
            if self._clock() >= limit:
                return
        if self._timers_held:
            return
        for timer in self.timers.pop_due(due):
            fire, timer.fire = timer.fire, None
            if fire is not None:
                fire(timer)
            if self._clock() >= limit:
                return
