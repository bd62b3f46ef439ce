"""The kernel of one process: what is below its actor, and what is far away, is elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from supervision._thespian import ActorAddress
from supervision.clock import SystemClock
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.kernel import Host, Kernel, Target
from supervision.eventloop.lifecycle import Failed, Outcome
from supervision.eventloop.managed import ManagedActor
from supervision.eventloop.timekeeping import SchedulerLimits
from supervision.multiproc.child import Home, RemoteChild, stand_in
from supervision.multiproc.support import NoNames, NotSupported, refusal
from supervision.reasons import error

if TYPE_CHECKING:
    from supervision._thespian import Actor
    from supervision.eventloop.calls import CoroutineCall, PendingCall, Waiter
    from supervision.eventloop.cell import Cell, Keeper


class Node(Home, Host, Protocol):
    """The process around a kernel.

    Attributes:
        supervises: whether its actor is a supervisor.
    """

    supervises: bool


class ProcessKernel(Kernel):
    """The real kernel around one actor; its children are stand-ins for their processes.

    Args:
        node: the process.
    """

    def __init__(self, node: Node) -> None:
        super().__init__(node.loop, SystemClock(), SchedulerLimits(), node)
        self.registry = NoNames()
        self._node = node

    def spawn(
        self,
        actor: Actor,
        args: Any,
        *,
        parent: Cell | None,
        address: LocalAddress,
        keeper: Keeper | None = None,
    ) -> Outcome | Waiter:
        """Start the process's own actor here, and every child of it in a new process."""
        if parent is not None and not isinstance(actor, RemoteChild):
            refused = refusal(type(actor))
            if isinstance(parent.actor, ManagedActor) and parent.actor.keep_limit(address):
                # They wait in its own process, and end with it.
                refused = "on_restart_keep_not_supported", str(address.name)
            if refused is not None:
                return Failed(error(refused))
            assert isinstance(actor, ManagedActor)
            actor = stand_in(self._node, type(actor))
        return super().spawn(actor, args, parent=parent, address=address, keeper=keeper)

    # Others' processes

    def _far(self, target: Target) -> bool:
        return (
            isinstance(target, ActorAddress)
            and not isinstance(target, LocalAddress)
            and self.host.foreign_address(target) is None
        )

    def cell_of(self, target: Target) -> Cell | None:
        """What lives behind an address of this process; a supervisor has nothing behind others.

        Raises:
            NotSupported: the address is another process's: there is no link or monitor to it.
        """
        if not self._far(target):
            return super().cell_of(target)
        if self._node.supervises:
            return None
        raise NotSupported("link or monitor")

    def send(self, to: ActorAddress, message: Any, sender: Any) -> None:
        """Send a message, here or to another process."""
        if self._far(to):
            self._node.transmit(to, message)
        else:
            super().send(to, message, sender)

    def cast(self, target: Target, message: Any, sender: Any = None) -> None:
        """Send a request that wants no answer, here or to another process."""
        if isinstance(target, ActorAddress):
            self.send(target, message, sender)
        else:
            super().cast(target, message, sender)

    def ask(self, target: Target, call: PendingCall, sender: Any, timeout: float | None) -> None:
        """Carry a call to an actor of this process or to another process.

        Raises:
            NotSupported: it would wait for ever, for nobody tells a caller in another process that
                the server was killed.
        """
        if not self._far(target):
            super().ask(target, call, sender, timeout)
            return
        assert isinstance(target, ActorAddress)
        if call.deadline is None:
            raise NotSupported("a request without a deadline")
        self._node.ask(target, call)
        self.set_deadline_at(call.deadline, call)

    def coroutine_call(
        self,
        caller: Cell,
        target: Target,
        request: Any,
        timeout: float | None,
        within: PendingCall | None = None,
    ) -> CoroutineCall:
        """Refuse: only asynchronous handlers could await the answer; ``request`` is the way.

        Raises:
            NotSupported: always.
        """
        raise NotSupported("call")
