"""Who gets into a full mailbox: the policies of ``MailboxPolicy``, carried out.

What the node itself owes an actor is never refused: answers to what it asked, its timers, the ends
of those it watches, requests to end. There is no more of it than the actor has asked for.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

from supervision._thespian import ActorAddress, ActorSystemMessage
from supervision.eventloop.calls import MailboxFull, PendingCall, Response, Waiter
from supervision.eventloop.links import Down
from supervision.eventloop.mailbox import Rejected
from supervision.eventloop.managed import Timeout

if TYPE_CHECKING:
    from supervision.eventloop.cell import Cell, Node
    from supervision.eventloop.mailbox import MailboxPolicy


def overflow(kernel: Node, cell: Cell, message: Any, sender: Any) -> None:
    """Apply the stated policy; whatever is not kept is a dead letter or goes back."""
    mailbox, policy = cell.mailbox, cell.policy
    assert isinstance(mailbox, deque)
    assert policy is not None
    if owed(message):
        mailbox.append((message, sender, kernel.now))
        return
    _count(kernel, cell, policy)
    if policy.overflow == "drop_oldest":
        _drop_oldest(kernel, cell, message, sender)
    elif policy.overflow == "drop_newest":
        _drop(kernel, cell, message, sender, "drop_newest")
    elif isinstance(message, PendingCall):
        message.fail(MailboxFull(cell.address, policy.limit))
    else:
        _give_back(kernel, cell, message, sender)


def _count(kernel: Node, cell: Cell, policy: MailboxPolicy) -> None:
    kernel.reports.overflows += 1
    cell.overflows += 1
    if cell.overflows & (cell.overflows - 1):
        return  # told at the 1st, 2nd, 4th, 8th ..: a flood must not become one of reports
    kernel.report(
        "overflow",
        cell.address.path,
        policy=policy.overflow,
        limit=policy.limit,
        count=cell.overflows,
    )


def owed(message: Any) -> bool:
    """Whether the node itself owes an actor this message: nobody else can want it."""
    if isinstance(message, PendingCall):
        return False
    return isinstance(message, ActorSystemMessage | Response | Down | Timeout)


def _drop_oldest(kernel: Node, cell: Cell, message: Any, sender: Any) -> None:
    mailbox = cell.mailbox
    assert isinstance(mailbox, deque)
    mailbox.append((message, sender, kernel.now))
    # As a rule it is the first; those that are owed stay.
    for index, (old, old_sender, _) in enumerate(mailbox):
        if not owed(old):
            del mailbox[index]
            _drop(kernel, cell, old, old_sender, "drop_oldest")
            return


def _drop(kernel: Node, cell: Cell, message: Any, sender: Any, why: str) -> None:
    if isinstance(message, PendingCall) and cell.policy is not None:
        message.fail(MailboxFull(cell.address, cell.policy.limit))
    kernel.dead_letter(cell.address, message, sender, why)


def _give_back(kernel: Node, cell: Cell, message: Any, sender: Any) -> None:
    back = kernel.cell_of(sender) if isinstance(sender, ActorAddress) else None
    if back is None or cell.policy is None:
        kernel.dead_letter(cell.address, message, sender, "rejected")
    else:
        rejected = Rejected(cell.address, message, cell.policy.limit)
        kernel.deliver(back, rejected, cell.address)


async def send_wait(kernel: Node, to: ActorAddress, message: Any, sender: Any) -> None:
    """Send, and wait while a ``wait`` mailbox is full; who gives up has sent nothing."""
    cell = kernel.cell_of(to)
    if cell is None or not _makes_wait(cell):
        kernel.send(to, message, sender)
        return
    waiter = _queue(cell, message, sender)
    try:
        await waiter
    finally:
        if cell.waiters is not None:
            cell.waiters.pop(waiter, None)


def _queue(cell: Cell, message: Any, sender: Any) -> Waiter:
    if isinstance(cell.mailbox, tuple):
        cell.mailbox = deque(cell.mailbox)  # senders are let in at the end of a batch
    # An ordered one: a plain dictionary looks for its first entry behind all that have left.
    cell.waiters = cell.waiters if cell.waiters is not None else OrderedDict()
    waiter = Waiter()
    cell.waiters[waiter] = (message, sender)
    return waiter


def _makes_wait(cell: Cell) -> bool:
    policy = cell.policy
    return policy is not None and policy.overflow == "wait" and cell.depth >= policy.limit > 0


def admit(kernel: Node, cell: Cell) -> None:
    """Let waiting senders in, in the order they came; one that has given up is passed over."""
    waiters = cell.waiters
    while waiters and not _makes_wait(cell):
        waiter, (message, sender) = waiters.popitem(last=False)
        if not waiter.settled and waiter.task is not None:
            kernel.deliver(cell, message, sender)
            waiter.settle(None)
