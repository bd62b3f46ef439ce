"""Who runs next: the ready queue, its turns on the asyncio loop, and the timers.

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

from supervision.eventloop.handler import HandlerTask
from supervision.eventloop.timers import DeadlineQueues, Expiring, Timer, TimerHeap

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from supervision._thespian import Actor
    from supervision.clock import Clock
    from supervision.eventloop.cell import Cell, Entry

SPARE_QUEUES = 4096
SAMPLE_MASK = 31  # every 32nd message


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


class Scheduler(ABC):
    """Runs actors on one asyncio loop; every method but ``post`` belongs to the loop's thread.

    Args:
        loop: the asyncio loop to live on.
        clock: what tells the time; a virtual one in tests.
        limits: the bounds of a turn.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, limits: SchedulerLimits
    ) -> None:
        self.loop = loop
        self.clock = clock
        self._clock = clock.monotonic
        self.limits = limits
        self.thread = get_ident()
        self.now = clock.monotonic()
        self.turns = 0
        self.total_handled = 0
        self.holds = 0
        self.late_replies = 0
        self.timers = TimerHeap()
        self.deadlines = DeadlineQueues()
        self._spare: deque[deque[Entry]] = deque(maxlen=SPARE_QUEUES)
        self._ready: deque[Cell] = deque()
        self._signals: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._inbox: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._awake = False
        self._armed: asyncio.TimerHandle | None = None
        self._armed_for = float("inf")

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

    @property
    def idle(self) -> bool:
        """Whether nothing is ready: what remains is timers, sockets and other threads."""
        return not (self._ready or self._signals or self._inbox)

    # Becoming ready

    def deliver(self, cell: Cell, message: Any, sender: Any) -> None:
        """Put a message at the end of a living cell's mailbox, or apply its overflow policy."""
        mailbox = cell.mailbox
        if mailbox is None:
            if cell.actor is None:
                self.dead_letter(cell.address, message, sender, "dead")
                return
            cell.mailbox = ((message, sender, self.now),)
            self._ready.append(cell)
            if not self._awake:
                self._wake()
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

    def signal(self, function: Callable[..., None], *args: Any) -> None:
        """Run ``function`` before any further message: exits and other system messages."""
        self._signals.append((function, args))
        if not self._awake:
            self._wake()

    def post_call(self, function: Callable[..., None], *args: Any) -> None:
        """Run ``function`` on the loop's thread; callable from every thread."""
        self._inbox.append((function, args))
        self.loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self.now = self.clock.monotonic()
        while self._inbox:
            function, args = self._inbox.popleft()
            function(*args)

    def _wake(self) -> None:
        self._awake = True
        self.loop.call_soon(self._turn)

    # A turn

    def _turn(self) -> None:
        self.thread = get_ident()
        self.turns += 1
        self.now = self._clock()
        try:
            self._run_ready(self.now + self.limits.turn_budget_s)
        finally:  # whatever got out, the other actors go on
            if self._ready or self._signals:
                self.loop.call_soon(self._turn)
            else:
                self._awake = False
        self.arm()

    def _run_ready(self, limit: float) -> None:  # noqa: C901, PLR0912 - the hot loop, see below
        """Run ready actors, a batch of messages each, until ``limit`` or until none is ready.

        Every message of the node passes here. What each one costs stands in this one function:
        the calls that shorter ones would make cost a third of all the time spent on a message.
        """
        ready, signals, special, clock = self._ready, self._signals, self.special, self._clock
        batch, hold, handled = self.limits.batch, self.limits.hold_limit_s, self.total_handled
        while self.now < limit:
            if signals:
                self._run_signals()
            if not ready:
                break
            cell = ready.popleft()
            if cell.task is not None and not self._resume(cell):
                continue
            actor, mailbox = cell.actor, cell.mailbox
            if mailbox is None or actor is None or cell.suspended:
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

    def _run_signals(self) -> None:
        signals = self._signals
        while signals:
            function, args = signals.popleft()
            function(*args)
        self.now = self._clock()  # their time is not the next handler's

    def _resume(self, cell: Cell) -> bool:
        """Let a waiting handler go on if it may; return whether to look at the mailbox now."""
        task = cell.task
        if task is None or not task.runnable:
            return False
        task.step()
        now = self._clock()
        if now - self.now > self.limits.hold_limit_s:
            self._held(cell, task.message, now - self.now)
        self.now = now
        if self._signals:  # it may have crashed or stopped: then it handles nothing more
            self._ready.append(cell)
            return False
        return cell.task is None

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

    def handler_ended(
        self, task: HandlerTask, _value: Any, exception: BaseException | None
    ) -> None:
        """An asynchronous handler came to its end: the cell takes messages again."""
        cell = task.cell
        # Whoever stepped the task looks at the mailbox next; queueing the cell here as well would
        # give it one more turn than the others for every message.
        if cell.task is task:
            cell.task = None
        if exception is not None:
            self.handler_failed(cell, task.message, task.sender, exception)

    # Time

    def _look_at(self, cell: Cell, actor: Actor, message: Any, seconds: float) -> None:
        if seconds > self.limits.hold_limit_s:
            self._held(cell, message, seconds)
        if not self.total_handled & SAMPLE_MASK:
            self.sample(cell, actor, seconds)

    def _held(self, cell: Cell, message: Any, seconds: float) -> None:
        self.holds += 1
        self.report_hold(cell, message, seconds)

    def set_timer(
        self, after_s: float, fire: Callable[[Timer], None], owner: Any, payload: Any
    ) -> Timer:
        """Have ``fire`` called with the timer in ``after_s`` seconds."""
        timer = Timer(self.clock.monotonic() + max(0.0, after_s), fire, owner, payload)
        self.timers.add(timer)
        if timer.when < self._armed_for and not self._awake:
            self.arm()
        return timer

    def set_deadline(self, seconds: float, entry: Expiring) -> None:
        """Have ``entry`` expire in ``seconds`` unless it is settled before."""
        if self.deadlines.add(self.now, seconds, entry) and not self._awake:
            self.arm()

    def arm(self) -> None:
        """Have the loop call at the earliest timer or deadline."""
        dues = [due for due in (self.timers.next_due, self.deadlines.next_due) if due is not None]
        due = min(dues, default=float("inf"))
        if due == self._armed_for:
            return
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None
        self._armed_for = due
        if dues:
            delay = max(0.0, due - self.clock.monotonic())
            self._armed = self.loop.call_later(delay, self._timers_due)

    def _timers_due(self) -> None:
        self._armed, self._armed_for = None, float("inf")
        self.now = self.clock.monotonic()
        self.deadlines.expire_due(self.now)
        for timer in self.timers.pop_due(self.now):
            fire, timer.fire = timer.fire, None
            if fire is not None:
                fire(timer)
        self.arm()

    # What the kernel decides

    special: frozenset[type]

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
