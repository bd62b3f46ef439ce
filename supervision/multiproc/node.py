"""One process of a tree: its actor, the actor's children, and what comes from elsewhere."""

from __future__ import annotations

import copyreg
import logging
import os
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from supervision import management
from supervision._thespian import (
    ActorAddress,
    ActorExitRequest,
    ChildActorExited,
    PoisonMessage,
    WatchMessage,
)
from supervision.eventloop.calls import CallFailed, NoProc, PendingCall
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.lifecycle import Failed, Ignored, Outcome, Started
from supervision.eventloop.reports import Report
from supervision.multiproc.calls import ArrivedCall, DepartedCalls, packed
from supervision.multiproc.child import RemoteChild
from supervision.multiproc.kernel import ProcessKernel
from supervision.multiproc.loop import SteppedLoop
from supervision.multiproc.messages import (
    Answer,
    Ask,
    Begin,
    Gone,
    Leave,
    NotUp,
    Options,
    StopTree,
    Up,
)
from supervision.multiproc.osprocess import Forked
from supervision.multiproc.support import Unserved, refusal
from supervision.reasons import NOPROC, SHUTDOWN, Reason, crashed, error
from supervision.report_text import format_report
from supervision.supervisor import Supervisor

if TYPE_CHECKING:
    from supervision.eventloop.cell import Cell


class Carrier(Protocol):
    """What a node asks of the Thespian actor that carries it."""

    @property
    def myAddress(self) -> ActorAddress:
        """Where this process is."""

    def send(self, targetAddr: ActorAddress, msg: Any) -> None:
        """Send to another process."""

    def launch(self) -> tuple[ActorAddress, Forked | None]:
        """Make a process; what forked it where this process did so itself."""

    def leave(self) -> None:
        """End this process after what is on its way."""


class ProcessNode(Unserved):
    """The node of one process; it is the ``Host`` of its kernel.

    Args:
        carrier: the Thespian actor around it.
        begin: what this process carries.
        parent: whom it tells that it is up and why it ends.
    """

    def __init__(self, carrier: Carrier, begin: Begin, parent: ActorAddress) -> None:
        # typeshed declares abstract what asyncio does not: a loop without sockets is a loop.
        self.loop = SteppedLoop()  # type: ignore[abstract]
        self.options: Options = begin.options
        self.over = False
        self.supervises = issubclass(begin.actor, Supervisor)
        self.calls = DepartedCalls()
        self._carrier = carrier
        self._begin = begin
        self._parent = parent
        self._children: dict[int, RemoteChild] = {}
        self._launched = 0
        self._root: Cell | None = None
        self._outcome: Outcome | None = None
        self._stoppers: list[ArrivedCall] = []
        self.kernel = ProcessKernel(self)
        self.kernel.reports.subscribe(self._publish)
        copyreg.pickle(LocalAddress, self._departing)

    # The actor's life

    def begin(self) -> None:
        """Start the actor; the parent is told how that went."""
        refused = refusal(self._begin.actor)
        if refused is not None:
            self._begun(Failed(error(refused)))
            return
        address = LocalAddress(None, self._begin.path)
        address.incarnation = self._begin.incarnation - 1
        try:
            actor = self._begin.actor()
        except Exception as exception:  # noqa: BLE001 - whatever it raises is why it did not start
            self._begun(Failed(crashed(exception)))
            return
        spawned = self.kernel.spawn(actor, self._begin.args, parent=None, address=address)
        self._root = address.cell
        if self._root is not None:
            self._root.exit_waiters = [*(self._root.exit_waiters or ()), self._ended]
        future = self.kernel.future_of(spawned)
        future.add_done_callback(lambda done: self._begun(done.result()))

    def _begun(self, outcome: Outcome) -> None:
        self._outcome = outcome
        serial, pid = self._begin.serial, os.getpid()
        match outcome:
            case Started():
                self.transmit(self._parent, Up(serial, pid, outcome.info))
                if self._root is not None and self._root.actor is None:
                    self._say_goodbye(self._root.exiting or SHUTDOWN)
            case Ignored():
                self._leave(NotUp(serial, pid), SHUTDOWN)
            case Failed(reason):
                self._leave(NotUp(serial, pid, reason), reason)

    def _ended(self, reason: Reason) -> None:
        if isinstance(self._outcome, Started):
            self._say_goodbye(reason)

    def _say_goodbye(self, reason: Reason) -> None:
        serial = self._begin.serial  # nobody waits for the end of what was started from outside
        self._leave(Gone(serial, reason) if serial else None, reason)

    def _leave(self, last: Gone | NotUp | None, reason: Reason) -> None:
        self.over = True
        for call in self._stoppers:
            call.reply(reason)
        if last is not None:
            self.transmit(self._parent, last)
        self._carrier.leave()

    def stop(self, reason: Reason = SHUTDOWN) -> None:
        """Have the actor end in order, and the process with it."""
        if self._root is not None and self._root.actor is not None:
            self.kernel.exit(self._root, reason)

    # Children

    def launch(self, child: RemoteChild) -> tuple[ActorAddress, int, Forked | None]:
        """Make the process of a child: where it is, its serial number, what forked it."""
        address, forked = self._carrier.launch()
        self._launched += 1
        self._children[self._launched] = child
        return address, self._launched, forked

    def forget(self, child: RemoteChild) -> None:
        """Nothing more is heard of a child."""
        self._children.pop(child.serial, None)

    def watched(self) -> list[int]:
        """The descriptors that become readable when a child's process ends."""
        processes = [child.process for child in self._children.values()]
        return [one.fd for one in processes if one is not None and one.fd is not None]

    # What comes

    def receive(self, message: Any, sender: ActorAddress) -> None:
        """Take a message from another process or from Thespian."""
        match message:
            case Up() | NotUp() | Gone():
                self._heard(message, sender)
            case WatchMessage():
                self._look_at_children()
            case ChildActorExited():
                self._look_at_children(message.childAddress)
            case Leave(_, reason):
                self.stop(reason)
            case Ask():
                self._asked(message, sender)
            case Answer():
                self.kernel.late_replies += not self.calls.answered(message)
            case PoisonMessage():
                self._poisoned(message.poisonMessage, sender)
            case _:
                self._told(message, sender)

    def _heard(self, notice: Up | NotUp | Gone, sender: ActorAddress) -> None:
        child = self._children.get(notice.serial)
        if child is not None:
            child.heard(notice, sender)
        elif isinstance(notice, Up):  # it was given up before anything was known of its process
            self.transmit(sender, ActorExitRequest())

    def _look_at_children(self, exited: ActorAddress | None = None) -> None:
        for child in tuple(self._children.values()):
            if child.process is None and exited is not None and child.remote == exited:
                child.refused(NOPROC)  # no process could be made
            else:
                child.died()

    def _told(self, message: Any, sender: ActorAddress) -> None:
        if type(message).__module__ == management.__name__:
            self._arrived(ArrivedCall(message, None, _plainly(self, sender)), sender)
        elif self._root is not None:
            self.kernel.deliver(self._root, message, sender)

    def _asked(self, ask: Ask, sender: ActorAddress) -> None:
        def answer(value: Any, failure: CallFailed | None) -> None:
            packed_failure = None if failure is None else packed(failure)
            self.transmit(sender, Answer(ask.id, value, packed_failure))

        call = ArrivedCall(ask.request, ask.deadline, answer)
        if isinstance(ask.request, StopTree):
            self._stoppers.append(call)
            self.stop(ask.request.reason)
        else:
            self._arrived(call, sender)

    def _arrived(self, call: ArrivedCall, sender: ActorAddress) -> None:
        if self._root is None:
            call.fail(NoProc(self._begin.path))
            return
        self.kernel.deliver(self._root, call, sender)
        if call.deadline is not None and not call.settled:
            left = max(0.0, call.deadline - self.kernel.clock.monotonic())
            self.kernel.set_deadline(left, call)

    def _poisoned(self, message: Any, to: ActorAddress) -> None:
        """Something could not be pickled and was not sent; Thespian says so here."""
        why = error(("not_picklable", type(message).__name__))
        match message:
            case Answer() if message.failure is None:
                failure = packed(CallFailed("the answer cannot be pickled", why))
                self.transmit(to, Answer(message.id, None, failure))
            case Ask():
                failure = packed(CallFailed("the request cannot be pickled", why))
                self.calls.answered(Answer(message.id, None, failure))
            case Begin() if message.serial in self._children:
                self._children[message.serial].refused(why)
            case Gone() | NotUp() if message.reason is not None:
                told = Reason(message.reason.kind, repr(message.reason.detail))
                self.transmit(to, msgspec.structs.replace(message, reason=told))
            case Report():
                told_of = {key: repr(value) for key, value in message.data.items()}
                self.transmit(to, msgspec.structs.replace(message, data=told_of))
            case _:
                logging.getLogger("supervision").error("not sent: %r", message)

    # What goes

    def transmit(self, to: ActorAddress, message: Any) -> None:
        """Send to another process."""
        self._carrier.send(to, message)

    def ask(self, to: ActorAddress, call: PendingCall) -> None:
        """Send a call to another process; its answer settles it."""
        self.transmit(to, self.calls.add(call))

    def _departing(self, address: LocalAddress) -> tuple[Any, ...]:
        """How an address of this process travels: as Thespian's, of the process behind it."""
        cell = address.cell
        if cell is None:
            return _same, (None,)
        actor = cell.actor
        return _same, (actor.remote if isinstance(actor, RemoteChild) else self._carrier.myAddress,)

    def _publish(self, report: Report) -> None:
        good_news = report.kind == "progress" or report.data.get("context") == "restarted"
        level = logging.INFO if good_news else logging.ERROR
        log = logging.getLogger("supervision")
        if log.isEnabledFor(level):
            log.log(level, "%s", format_report(report, single_line=True))
        if self.options.reports is not None:
            self.transmit(self.options.reports, report)

    # The Host of the kernel

    def foreign_address(self, address: ActorAddress) -> LocalAddress | None:
        """The stand-in of a child, or this process's own actor, by Thespian's address."""
        if isinstance(address, LocalAddress):
            return None
        if self._root is not None and address == self._carrier.myAddress:
            return self._root.address
        for child in self._children.values():
            if child.remote == address:
                return child._myRef.address  # noqa: SLF001 - Thespian's name for an actor's cell
        return None


def _plainly(node: ProcessNode, to: ActorAddress) -> Any:
    """Answer a request that came without an envelope, as Thespian's ``ask`` sends it."""

    def answer(value: Any, failure: CallFailed | None) -> None:
        node.transmit(to, value if failure is None else packed(failure))

    return answer


def _same(value: Any) -> Any:
    return value
