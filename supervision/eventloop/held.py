"""Messages for actors that are down and will be started again: kept for the next incarnation.

Only children whose spec says ``on_restart="keep"`` have any of it. A message is kept from the
moment in which its receiver ends until the next one is placed behind the address, or until nobody
will come back. Under a name it is kept until the next one has started, for that takes the name at
some time in its ``init``. What belongs to the incarnation that ended is never handed on: answers
to what it asked, its timers, the ends of those it watched.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from supervision._thespian import ActorAddress
from supervision.eventloop.admission import owed
from supervision.eventloop.calls import MailboxFull, PendingCall, ServerDied
from supervision.eventloop.cell import NAMED
from supervision.eventloop.managed import ManagedActor

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from supervision.eventloop.cell import Cell, Entry, LocalAddress, Node
    from supervision.reasons import Reason


class _Queue:
    """What waits for one address, and under which names it was known; for whom, once it starts."""

    __slots__ = ("address", "cell", "entries", "limit", "names")

    def __init__(self, address: LocalAddress, limit: int) -> None:
        self.address = address
        self.limit = limit
        self.entries: deque[Entry] = deque()
        self.names: dict[Any, None] = {}
        self.cell: Cell | None = None


class Held:
    """The queues of a node, by the paths of the actors that are down.

    By paths, for an address may be a copy that has travelled, or one of the time before the
    supervisor itself was restarted: as everywhere, what counts is who lives under that path.

    Args:
        kernel: the node.

    Attributes:
        starting: whose messages were handed over and who is not known to have started, by paths;
            only those that were known by names.
    """

    def __init__(self, kernel: Node) -> None:
        self._kernel = kernel
        self._queues: dict[str, _Queue] = {}
        self.starting: dict[str, _Queue] = {}
        self._names: dict[Any, _Queue] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def waiting(self, address: LocalAddress) -> int:
        """How many messages wait for the next incarnation behind an address."""
        queue = self._queues.get(address.path)
        return 0 if queue is None else len(queue.entries)

    def entries(self) -> list[tuple[str, deque[Entry]]]:
        """What waits, by the paths of those it is for."""
        return [(path, queue.entries) for path, queue in self._queues.items() if queue.entries]

    def awaits(self, name: Hashable) -> bool:
        """Whether whoever had a name is down and will be started again.

        Args:
            name: as it was registered; messages that are sent to it are kept.
        """
        return name in self._names

    # An actor ends

    def hold(self, cell: Cell, mailbox: Iterable[Entry]) -> Iterable[Entry]:
        """Keep what an actor that ends has not handled, where its supervisor wants it kept.

        Returns:
            What is not kept.
        """
        failed = self._outcome_known(cell) if self.starting else None
        parent = None if cell.parent is None else cell.parent.actor
        limit = (
            parent.keep_limit(cell.address, cell.exiting) if isinstance(parent, ManagedActor) else 0
        )
        if limit <= 0:
            return mailbox
        queue = self._queues[cell.address.path] = _Queue(cell.address, limit)
        queue.names = {name: None for name, ties in (cell.names or {}).items() if ties & NAMED}
        if failed is not None:  # it may not have come so far as to take its names
            queue.names |= failed.names
        self._names |= dict.fromkeys(queue.names, queue)
        rest = []
        for entry in mailbox:
            if owed(entry[0]):
                rest.append(entry)
            else:
                self._add(queue, entry)
        return rest

    def _add(self, queue: _Queue, entry: Entry) -> None:
        message, sender, _ = entry
        is_call = isinstance(message, PendingCall)
        if is_call and message.settled:
            return  # its caller has given up
        if len(queue.entries) < queue.limit:
            queue.entries.append(entry)
            return
        if is_call:
            message.fail(MailboxFull(queue.address, queue.limit))
        self._kernel.dead_letter(queue.address, message, sender, "restarting")

    def expect(self, address: LocalAddress, names: Iterable[Hashable]) -> None:
        """Keep messages for one who is down in another process, and will be started in this one.

        Args:
            address: where it will be.
            names: that it was known by.
        """
        parent = None if address.parent is None else address.parent.cell
        above = None if parent is None else parent.actor
        limit = above.keep_limit(address) if isinstance(above, ManagedActor) else 0
        if limit > 0:
            queue = self._queues[address.path] = _Queue(address, limit)
            queue.names = dict.fromkeys(names)
            self._names |= dict.fromkeys(queue.names, queue)

    def forget(self, address: LocalAddress) -> None:
        """Forget whom ``expect`` was told of, without a word."""
        if self._queues:
            self._take(address)

    # While it is down

    def keep(self, target: Any, message: Any, sender: Any) -> bool:
        """Take a message that found nobody; False where nobody will come back for it."""
        if not (self._queues or self.starting):
            return False
        queue = self._find(target)
        if queue is None or owed(message):
            return False
        if queue.cell is not None:
            if sender is queue.cell.address:
                return False  # it would wait for itself, and has no such name
            self._kernel.deliver(queue.cell, message, sender)
            return True
        self._add(queue, (message, sender, self._kernel.now))
        return True

    def _find(self, target: Any) -> _Queue | None:
        if isinstance(target, ActorAddress):
            return self._queues.get(str(target.addressDetails))
        return self._names.get(target)

    def keep_call(self, target: Any, call: PendingCall, sender: Any) -> bool:
        """Take a call that found nobody, with its deadline; False as for ``keep``."""
        if not self.keep(target, call, sender):
            return False
        if call.deadline is not None and not call.settled:
            self._kernel.set_deadline_at(call.deadline, call)
        return True

    # It comes back, or it never will

    def hand_over(self, cell: Cell) -> None:
        """Give what waited to the next incarnation, in the order in which it came."""
        queue = self._queues.pop(cell.address.path, None) if self._queues else None
        if queue is None:
            return
        if queue.names:
            queue.cell = cell
            self.starting[cell.address.path] = queue
        live = [one for one in queue.entries if not _given_up(one[0])]
        if live:
            cell.mailbox = deque(live)
            self._kernel.make_ready(cell)

    def started(self, cell: Cell) -> None:
        """An incarnation runs: it is known by the names that it has taken itself."""
        self._outcome_known(cell)

    def _outcome_known(self, cell: Cell) -> _Queue | None:
        queue = self.starting.get(cell.address.path)
        if queue is None or queue.cell is not cell:
            return None
        del self.starting[cell.address.path]
        self._forget_names(queue)
        return queue

    def drop(self, address: LocalAddress, reason: Reason) -> None:
        """Nobody comes back: callers are told at once, the rest are dead letters."""
        queue = self._take(address) if self._queues else None
        if queue is None:
            return
        failure = ServerDied(reason)
        for message, sender, _ in queue.entries:
            if _given_up(message):
                continue
            if isinstance(message, PendingCall):
                message.fail(failure)
            self._kernel.dead_letter(address, message, sender, "exited")

    def drop_below(self, parent: LocalAddress, reason: Reason) -> None:
        """The supervisor at ``parent`` ends: nobody brings its children back."""
        below = [one.address for one in self._queues.values() if one.address.parent is parent]
        for address in below:
            self.drop(address, reason)

    def _take(self, address: LocalAddress) -> _Queue | None:
        queue = self._queues.pop(address.path, None)
        if queue is not None:
            self._forget_names(queue)
        return queue

    def _forget_names(self, queue: _Queue) -> None:
        for name in queue.names:
            if self._names.get(name) is queue:
                del self._names[name]


def _given_up(message: Any) -> bool:
    return isinstance(message, PendingCall) and message.settled
