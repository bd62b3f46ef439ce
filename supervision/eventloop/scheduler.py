"""Who runs next: the ready queue and its turns on the asyncio loop.

A turn takes ready actors one after the other, at most a batch of messages each, and ends when its
time budget is spent; then the loop serves sockets before the next turn. An actor with a full
mailbox goes to the back of the queue after its batch, so nobody waits for it longer than a batch,
and nobody outside the actors longer than a turn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from threading import get_ident
from types import CoroutineType
from typing import TYPE_CHECKING, Any

import msgspec

from supervision.eventloop import urgent
from supervision.eventloop.handler import HandlerTask
from supervision.eventloop.standstill import Resting
from supervision.eventloop.timekeeping import SchedulerLimits

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from supervision._thespian import Actor
    from supervision.clock import Clock
    from supervision.eventloop.cell import Cell, Entry, Handling

SPARE_QUEUES = 4096
AT_ONCE_S = 0.001
"""Seconds that a handler may take to run signals itself."""
SAMPLE_MASK = 31  # every 32nd message


class SchedulerStatistics(msgspec.Struct, frozen=True):
    """What a scheduler has done.

    Attributes:
        turns: turns taken.
        handled: messages handled.
        holds: handlers that held the loop past the limit.
        ready: actors that are ready now.
        timers: timers that are pending now.
        late_replies: answers that came after their caller had given up.
    """

    turns: int
    handled: int
    holds: int
    ready: int
    timers: int
    late_replies: int


class Scheduler(Resting, ABC):
    """Runs actors on one asyncio loop; every method but ``post`` belongs to the loop's thread.

    Args:
        loop: the asyncio loop to live on.
        clock: what tells the time; a virtual one in tests.
        limits: the bounds of a turn.
    """

    __slots__ = (
        "_spare",
        "holds",
        "late_replies",
        "thread",
        "total_handled",
        "turns",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, limits: SchedulerLimits
    ) -> None:
        super().__init__(loop, clock, limits)
        self.thread = get_ident()
        self.turns = 0
        self.total_handled = 0
        self.holds = 0
        self.late_replies = 0
        self._spare: deque[deque[Entry]] = deque(maxlen=SPARE_QUEUES)

    def statistics(self) -> SchedulerStatistics:
        """A snapshot of the counters."""
        return SchedulerStatistics(
            self.turns,
            self.total_handled,
            self.holds,
            len(self._ready),
            len(self.timers),
            self.late_replies,
        )

    def next_wait_s(self, now: float) -> float:
        """How long the message that is served next has waited by ``now``, seconds.

        That is what every message waits for the loop; 0 where none is there.
        """
        if not self._ready:
            return 0.0
        mailbox = self._ready[0].mailbox
        return max(0.0, now - mailbox[0][2]) if mailbox else 0.0

    # Becoming ready

    def deliver(self, cell: Cell, message: Any, sender: Any) -> None:
        """Put a message at the end of a living cell's mailbox, or apply its overflow policy.

        What is urgent gets through to an actor that waits in a handler or is suspended.
        """
        mailbox = cell.mailbox
        if mailbox is None:
            if cell.actor is None:
                self.dead_letter(cell.address, message, sender, "dead")
                return
            if not self._awake:
                self._wake()  # first, for it sets the time
            cell.mailbox = ((message, sender, self.now),)
            self._ready.append(cell)
            return
        if (cell.task is not None or cell.suspended) and type(message) in self.urgent:
            self.signal(self.receive_special, cell, message, sender)
            return
        if isinstance(mailbox, tuple):
            cell.mailbox = mailbox = self._queue_of(mailbox)
        policy = cell.policy
        if policy is not None and len(mailbox) >= policy.limit > 0:
            self.overflow(cell, message, sender)
            return
        mailbox.append((message, sender, self.now))

    def _queue_of(self, mailbox: tuple[Entry]) -> deque[Entry]:
        queue = self._spare.pop() if self._spare else deque()
        queue.append(mailbox[0])
        return queue

    def deliver_first(self, cell: Cell, message: Any, sender: Any) -> None:
        """Put a message before those that wait."""
        mailbox = cell.mailbox
        if mailbox is None:
            self.deliver(cell, message, sender)
            return
        if isinstance(mailbox, tuple):
            cell.mailbox = mailbox = self._queue_of(mailbox)
        mailbox.appendleft((message, sender, self.now))

    def flush(self, cell: Cell) -> None:
        """Have an actor of the system itself handle all its messages now, out of turn."""
        while cell.mailbox and cell.actor is not None:
            waiting, cell.mailbox = cell.mailbox, None
            for message, sender, _ in waiting:
                cell.actor.receiveMessage(message, sender)

    def make_ready(self, cell: Cell) -> None:
        """Have the next turn look at a cell: its handler may go on or its mailbox be served."""
        self._ready.append(cell)
        if not self._awake:
            self._wake()

    def resume(self, cell: Cell) -> None:
        """Have a suspended actor take messages again; of others nothing changes."""
        if cell.suspended:
            cell.suspended = False
            if cell not in self._ready:  # twice there would be twice its share
                self.make_ready(cell)

    def signal(self, function: Callable[..., object], *args: Any) -> None:
        """Run ``function`` before any further message: exits and other system messages."""
        self._signals.append((function, args))
        if not self._awake:
            self._wake()

    def at_once(self, function: Callable[..., None], *args: Any) -> bool:
        """Run ``function`` now where a signal would be the next thing to run, after the handler.

        A supervisor that stops any number of children spares a signal and a turn for each; it
        makes way for others as soon as it has taken ``AT_ONCE_S``.

        Returns:
            False where it did not run and is to be a signal.
        """
        if self._signals or not self._in_turn or self._clock() - self.now > AT_ONCE_S:
            return False
        function(*args)
        return True

    def post_call(self, function: Callable[..., object], *args: Any) -> None:
        """Run ``function`` on the loop's thread; callable from every thread."""
        self._inbox.append((function, args))
        self.loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self.now = self._clock()
        slept, self._awake = not self._awake, True
        try:
            while self._inbox:
                function, args = self._inbox.popleft()
                function(*args)
        finally:
            if slept:
                self._turn()  # for what they have made ready the loop need not go round once more

    def _wake(self) -> None:
        self._awake = True
        self.now = self._clock()
        self.loop.call_soon(self._turn)

    # A turn

    def _turn(self) -> None:
        if self._frozen:
            self._turn_to_come = False
            return
        self.thread = get_ident()
        self.turns += 1
        self.now = self._clock()
        self._in_turn = True
        try:
            self._run_ready(self.now + self.limits.turn_budget_s)
        finally:  # whatever got out, the other actors go on
            self._in_turn = False
            if self._ready or self._signals:
                self.loop.call_soon(self._turn)
            else:
                self._awake = False
            if self._late:
                self.arm()
            while self._after_turn:
                self._after_turn.popleft()()

    def _run_ready(self, limit: float) -> None:  # noqa: C901, PLR0912 - the hot loop, see below
        """Run ready actors, a batch of messages each, until ``limit`` or until none is ready.

        Every message of the node passes here. What each one costs stands in this one function:
        the calls that shorter ones would make cost a third of all the time spent on a message.
        """
        ready, signals, special, clock = self._ready, self._signals, self.special, self._clock
        batch, hold, handled = self.limits.batch, self.limits.hold_limit_s, self.total_handled
        while self.now < limit:
            if signals and not self._run_signals(limit):
                break  # no message before the end that its actor was told to come to
            if not ready:
                break
            cell = ready.popleft()
            if cell.task is not None and not self._resume(cell):
                continue
            actor, mailbox = cell.actor, cell.mailbox
            if mailbox is None or actor is None:
                continue
            if cell.suspended:
                self._let_through(cell)
                continue
            if isinstance(mailbox, tuple):  # as a rule: one message, and nothing left behind it
                cell.mailbox, queue, left = None, None, 1
                ((message, sender, _),) = mailbox
            else:
                queue, left = mailbox, batch
                message, sender, _ = queue.popleft()
            while True:
                try:
                    if type(message) in special:
                        self.receive_special(cell, message, sender)
                    else:
                        result = actor.receiveMessage(message, sender)
                        if result is not None and type(result) is CoroutineType:
                            self.begin(cell, result, message, sender)
                except BaseException as exception:  # noqa: BLE001 - the actor's end, told to whoever supervises it
                    self.handler_failed(cell, message, sender, exception)
                cell.handled += 1
                self.total_handled = handled = handled + 1
                left -= 1
                now = clock()
                if now - self.now > hold or not handled & SAMPLE_MASK:
                    self._look_at(cell, actor, message, now - self.now)
                self.now = now
                if not (queue and left) or signals or now >= limit or cell.task is not None:
                    break
                message, sender, _ = queue.popleft()
            if queue is not None:
                self._batch_done(cell, queue)

    def _run_signals(self, limit: float) -> bool:
        """Run signals until ``limit``; return whether none is left."""
        signals = self._signals
        while signals:
            function, args = signals.popleft()
            function(*args)
            self.now = self._clock()  # their time is not the next handler's
            if self.now >= limit:
                break
        return not signals

    def _resume(self, cell: Cell) -> bool:
        """Let a waiting handler go on if it may; return whether to look at the mailbox now."""
        task = cell.task
        if task is None or not task.runnable:
            self._let_through(cell)
            return False
        task.step()
        now = self._clock()
        if now - self.now > self.limits.hold_limit_s:
            self._held(cell, task.message, now - self.now)
        self.now = now
        if self._signals:  # it may have crashed or stopped: then it handles nothing more
            self.make_ready(cell)
            return False
        return cell.task is None

    def _let_through(self, cell: Cell) -> None:
        """Handle what is urgent of the mailbox of an actor that takes no messages now."""
        lifted = urgent.lift(cell, self.urgent)
        for message, sender in lifted:
            self.receive_special(cell, message, sender)
        if lifted and cell.waiters and cell.actor is not None:
            self.admit(cell)

    def _batch_done(self, cell: Cell, queue: deque[Entry]) -> None:
        if cell.mailbox is not queue:
            return  # the actor ended meanwhile and its mailbox went with it
        if cell.waiters:
            self.admit(cell)
        if not queue:
            cell.mailbox = None
            self._spare.append(queue)
        elif cell.task is None:
            self._ready.append(cell)

    def begin(self, cell: Cell, coro: Any, message: Any, sender: Any) -> None:
        """Drive the coroutine of an asynchronous handler."""
        cell.task = task = HandlerTask(cell, coro, self.handler_ended, message, sender)
        task.step()
        if cell.task is task:
            self.under_way.add(task)
            if cell.mailbox and urgent.waits(cell, self.urgent):
                self.signal(self._let_through, cell)

    def handler_ended(self, task: Handling, _value: Any, exception: BaseException | None) -> None:
        """An asynchronous handler came to its end: the cell takes messages again."""
        cell = task.cell
        self.under_way.discard(task)
        # Whoever stepped the task looks at the mailbox next; queueing the cell here as well would
        # give it one more turn than the others for every message.
        if cell.task is task:
            cell.task = None
        if exception is not None:
            self.handler_failed(cell, task.message, task.sender, exception)

    # Looking at what handlers do

    def _look_at(self, cell: Cell, actor: Actor, message: Any, seconds: float) -> None:
        if seconds > self.limits.hold_limit_s:
            self._held(cell, message, seconds)
        if not self.total_handled & SAMPLE_MASK:
            self.sample(cell, actor, seconds)

    def _held(self, cell: Cell, message: Any, seconds: float) -> None:
        self.holds += 1
        self.report_hold(cell, message, seconds)

    # What the kernel decides

    special: frozenset[type]
    urgent: frozenset[type]

    @abstractmethod
    def receive_special(self, cell: Cell, message: Any, sender: Any) -> None:
        """Handle a message that is the system's business before it is the actor's."""

    @abstractmethod
    def handler_failed(
        self, cell: Cell, message: Any, sender: Any, exception: BaseException
    ) -> None:
        """Decide what an exception in a handler means."""

    @abstractmethod
    def overflow(self, cell: Cell, message: Any, sender: Any) -> None:
        """Apply the policy of a full mailbox."""

    @abstractmethod
    def admit(self, cell: Cell) -> None:
        """Let waiting senders in where there is room again."""

    @abstractmethod
    def dead_letter(self, address: Any, message: Any, sender: Any, reason: str) -> None:
        """Account for a message that found nobody."""

    @abstractmethod
    def sample(self, cell: Cell, actor: Actor, seconds: float) -> None:
        """Note how long a handler took; called for every 32nd message."""

    @abstractmethod
    def report_hold(self, cell: Cell, message: Any, seconds: float) -> None:
        """Tell operators which handler held the loop."""
