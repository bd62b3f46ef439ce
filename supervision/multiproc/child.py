"""The stand-in for a child: in its supervisor's process, where the child itself is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from supervision.eventloop import lifecycle
from supervision.eventloop.calls import PendingCall, Waiter
from supervision.eventloop.managed import CRASHED_S, IGNORE, Info, ManagedActor
from supervision.multiproc.messages import Begin, Gone, Leave, NotUp, Up
from supervision.multiproc.osprocess import LIVENESS_S, OsProcess
from supervision.reasons import Reason
from supervision.supervisor import Supervisor

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from supervision._thespian import ActorAddress
    from supervision.eventloop.cell import Cell
    from supervision.multiproc.messages import Options
    from supervision.multiproc.osprocess import Forked


class Home(Protocol):
    """The process that a child is supervised from, as its stand-in knows it.

    Attributes:
        options: what holds for every process of the tree.
    """

    options: Options

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop on which it keeps time."""

    def launch(self, child: RemoteChild) -> tuple[ActorAddress, int, Forked | None]:
        """Make the process of a child: where it is, its serial number, what forked it."""

    def forget(self, child: RemoteChild) -> None:
        """Nothing more is heard of a child."""

    def transmit(self, to: ActorAddress, message: Any) -> None:
        """Send to another process."""

    def ask(self, to: ActorAddress, call: PendingCall) -> None:
        """Send a call to another process; its answer settles it."""


class RemoteChild(ManagedActor):
    """One incarnation of a child; it ends when, and only when, the child's process has ended.

    Its supervisor starts it, stops it and is told of its end as of any actor of its own process.

    Args:
        node: the supervisor's process.
        actor: the class that the child's process carries.

    Attributes:
        serial: its number in this process; what a former incarnation says has another.
        remote: where the child's process is; what it says itself once it is up.
        process: the child's process; None until it is known.
    """

    _myRef: Cell

    def __init__(self, node: Home, actor: type[ManagedActor]) -> None:
        self._node = node
        self._actor = actor
        self.serial = 0
        self.remote: ActorAddress | None = None
        self.process: OsProcess | None = None
        self._up = Waiter()
        self._ignored = False
        self._said: Reason | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    # What its supervisor does with it

    async def on_start(self, args: Any) -> Any:
        """Make the process and wait until the child's ``init`` has ended there."""
        address = self._myRef.address
        options = self._node.options
        self._myRef.at_end = [self._release]
        self.remote, self.serial, forked = self._node.launch(self)
        if forked is not None and forked.pid is not None:
            self._found(OsProcess(forked.pid, forked))
        begin = Begin(self.serial, self._actor, args, address.path, address.incarnation, options)
        self._node.transmit(self.remote, begin)
        self._later(self._bound, self._not_up_in_time)
        return await self._up

    async def on_finish(self, reason: Reason) -> None:
        """Ask the child to end; its process's death, or the supervisor's patience, ends this."""
        if self.remote is not None:
            self._node.transmit(self.remote, Leave(self.serial, reason))
            await Waiter()

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        """Pass on what is sent to the child within this process."""
        assert self.remote is not None
        if isinstance(msg, PendingCall):
            self._node.ask(self.remote, msg)
        else:
            self._node.transmit(self.remote, msg)

    # What is heard of the child

    def heard(self, notice: Up | NotUp | Gone, sender: ActorAddress) -> None:
        """Take a notice of the child's process."""
        match notice:
            case Up(_, pid, info):
                self.remote = sender
                self._no_longer(self._not_up_in_time)
                if self.process is None:
                    self._found(OsProcess(pid))
                self._up.settle(None if info is None else Info(info))
            case NotUp(_, pid, reason):
                if self.process is None:
                    self._found(OsProcess(pid))
                self._ignored = reason is None
                self._ends(reason)
            case Gone(_, reason):
                self._ends(reason)

    def refused(self, why: Reason) -> None:
        """What it was to be told could not be sent: it cannot start."""
        self._ends(why)
        self._kill()

    def died(self) -> None:
        """Its process has ended: so does this, with the reason that it gave or that is seen."""
        process = self.process
        if process is None or process.alive:
            return
        if self._ignored:
            self._up.settle(IGNORE)
            return
        reason = self._said if self._said is not None else process.reason()
        kernel = self._myRef.kernel
        kernel.signal(lifecycle.end, kernel, self._myRef, reason)

    def _found(self, process: OsProcess) -> None:
        self.process = process
        if process.fd is None:
            self._look()

    def _look(self) -> None:
        self.died()
        self._later(LIVENESS_S, self._look)

    def _ends(self, reason: Reason | None) -> None:
        self._said = reason
        self._later(CRASHED_S, self._kill)  # a thread that does not end holds the process

    def _not_up_in_time(self) -> None:
        if self._up.settled or self._ignored or self._said is not None:
            return
        self._said = Reason("noproc", f"not started within {self._bound:g} s")
        self._kill()

    @property
    def _bound(self) -> float:
        """Seconds that it has to start: what its class says, else what holds for the tree."""
        own = self._actor.start_timeout_s
        return self._node.options.start_timeout_s if own is None else own

    def _kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            return
        kernel = self._myRef.kernel  # nobody ever heard of its process
        kernel.signal(lifecycle.end, kernel, self._myRef, self._said)

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        self._no_longer(do)
        self._timers[do.__name__] = self._node.loop.call_later(seconds, do)

    def _no_longer(self, do: Callable[[], None]) -> None:
        timer = self._timers.pop(do.__name__, None)
        if timer is not None:
            timer.cancel()

    def _release(self) -> None:
        """However this ended, the child's process is dead before anything follows."""
        for timer in self._timers.values():
            timer.cancel()
        self._node.forget(self)
        if self.process is not None:
            self.process.end()


class RemoteSupervisor(RemoteChild):
    """The stand-in for a supervisor, which is told to end in order even while it starts."""

    kind: ClassVar[str] = "supervisor"
    stops_children: ClassVar[bool] = True


def stand_in(node: Home, actor: type[ManagedActor]) -> RemoteChild:
    """Make the stand-in for a new child."""
    made = RemoteSupervisor if issubclass(actor, Supervisor) else RemoteChild
    return made(node, actor)
