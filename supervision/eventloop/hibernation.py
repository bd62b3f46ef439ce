"""Hibernation: actors that have had nothing to do for long keep their state packed.

Whoever uses it pays for it, and not by the message: an actor is looked at once in a while, and one
that has handled something since the last look is left alone until the next.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from supervision.eventloop.managed import ManagedActor
from supervision.reasons import crashed

if TYPE_CHECKING:
    from supervision.eventloop.cell import Cell, Node
    from supervision.eventloop.timers import Timer

LOOK_AT = 64
"""Actors that are looked at before the clock is."""
LOOK_FROM = 1024
"""Actors of one patience from which those that have ended are looked for."""


class Asleep:
    """In the place of a hibernating actor's ``receiveMessage``: wakes it for what comes.

    Attributes:
        swept: whether the sweeper has let go of the actor until it wakes.
    """

    __slots__ = ("_cell", "swept")

    def __init__(self, cell: Cell, swept: bool) -> None:
        self._cell = cell
        self.swept = swept

    def __call__(self, msg: Any, sender: Any) -> Any:
        """Unpack the state and hand the message on."""
        actor = self._cell.actor
        assert isinstance(actor, ManagedActor)
        actor.wake_up()
        return actor.receiveMessage(msg, sender)


Entry = tuple[float, "Cell", int]


class _Queue:
    """Actors of one patience: when each is looked at, and what it had handled then."""

    __slots__ = ("_look_at", "entries")

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self._look_at = LOOK_FROM

    def add(self, entry: Entry) -> None:
        """Put an actor at the end."""
        entries = self.entries
        if len(entries) >= self._look_at:
            living = [one for one in entries if one[1].actor is not None]
            entries.clear()
            entries.extend(living)
            self._look_at = max(LOOK_FROM, 2 * len(living))
        entries.append(entry)


class Sweeper:
    """Looks at the actors that may hibernate, those of one patience in the order they came.

    Each is in its queue once; one that has ended leaves it when its turn comes, or when the queue
    has doubled: where many come and go, those that have gone must not gather for their patience.

    Args:
        kernel: the node.
    """

    def __init__(self, kernel: Node) -> None:
        self._kernel = kernel
        self._queues: dict[float, _Queue] = {}

    def watch(self, cell: Cell, after_s: float) -> None:
        """Have an actor hibernate when it has had nothing to do for ``after_s`` seconds."""
        queue = self._queues.get(after_s)
        if queue is None:
            queue = self._queues[after_s] = _Queue()
            self._kernel.set_timer(after_s, self._sweep, self, after_s)
        queue.add((self._kernel.present() + after_s, cell, cell.handled))

    def _sweep(self, timer: Timer) -> None:
        """Look at those whose time has come, for as long as a turn may take."""
        after_s: float = timer.payload
        queue, kernel = self._queues[after_s].entries, self._kernel
        now = kernel.present()
        limit = now + kernel.limits.turn_budget_s
        looked = 0
        while queue and queue[0][0] <= now:
            _, cell, handled = queue.popleft()
            if cell.alive and not self._hibernated(cell, handled):
                queue.append((now + after_s, cell, cell.handled))
            looked += 1
            if looked % LOOK_AT == 0 and kernel.clock.monotonic() >= limit:
                break
        if queue:
            kernel.set_timer(queue[0][0] - now, self._sweep, self, after_s)
        else:
            del self._queues[after_s]

    def _hibernated(self, cell: Cell, handled: int) -> bool:
        return cell.handled == handled and hibernate(cell, swept=True)


def hibernate(cell: Cell, *, swept: bool = False) -> bool:
    """Pack an actor's state, unless it has something to do.

    Returns:
        Whether it had nothing to do; one that cannot be packed is reported and not asked again.
    """
    actor = cell.actor
    if cell.mailbox is not None or cell.task is not None or not cell.alive:
        return False
    assert isinstance(actor, ManagedActor)
    try:
        actor.fall_asleep(swept=swept)
    except Exception as exception:  # noqa: BLE001 - user code; the actor goes on unpacked
        cell.kernel.report(
            "unexpected", cell.address.path, error=f"not hibernated: {crashed(exception)}"
        )
    return True
