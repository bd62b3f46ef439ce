"""EventLoopBase: a Thespian system base whose actors all live on one asyncio loop."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from functools import partial
from logging.config import dictConfig
from threading import Event, Thread, get_ident
from typing import TYPE_CHECKING, Any

from supervision._thespian import (
    Actor,
    ActorAddress,
    ActorSystem,
    ActorSystemException,
    ChildActorExited,
    DeadEnvelope,
    ThespianGeneration,
    defaultLoggingConfig,
)
from supervision.clock import Clock, SystemClock
from supervision.eventloop.builtin import NullActor, OnOutcome, SystemActor, status_of
from supervision.eventloop.calls import Waiter
from supervision.eventloop.external import Endpoint, run_on_loop, start_loop
from supervision.eventloop.kernel import Kernel, Target
from supervision.eventloop.lifecycle import Failed, Outcome
from supervision.eventloop.making import make_actor
from supervision.eventloop.managed import Cast
from supervision.eventloop.sources import Sources
from supervision.eventloop.timekeeping import SchedulerLimits
from supervision.reasons import SHUTDOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from supervision.eventloop.cell import Cell, LocalAddress

_log = logging.getLogger("Thespian")

EXTERNAL_WAIT_S = 30.0
"""Seconds that a thread waits for the loop to come round."""
SHUTDOWN_WAIT_S = 10.0
"""Seconds that an actor has to end before it is killed, when the system is shut down."""


class EventLoopBase:
    """The system base of a vigie node, and of any Thespian program that wants one loop.

    With ``loop`` the actors live on that loop and blocking calls on its thread raise. Without it
    the base runs a loop of its own in a daemon thread, as Thespian's programs expect.

    Args:
        system: the ActorSystem it is made for; None when it is made first (``actor_system``).
        logDefs: Thespian's logging configuration; False leaves logging alone.
        loop: an asyncio loop to live on.
        clock: what tells the time; the machine's by default.
        limits: the bounds of the scheduler.
    """

    def __init__(
        self,
        system: Any = None,
        logDefs: Any = None,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        clock: Clock | None = None,
        limits: SchedulerLimits | None = None,
    ) -> None:
        if logDefs is not False and loop is None:
            dictConfig(logDefs or defaultLoggingConfig)
        self._own_thread: Thread | None = None
        node_loop = loop if loop is not None else asyncio.new_event_loop()
        self.kernel = Kernel(node_loop, clock or SystemClock(), limits or SchedulerLimits(), self)
        self.capabilities: dict[str, Any] = {}
        self._global_names: dict[str, ActorAddress] = {}
        self._dead_letter_handler: ActorAddress | None = None
        self._children_made = 0
        self._clones = 0
        system_address = self._root("/ActorSys", SystemActor(self))
        self._null_address = self._root("System:BadActor", NullActor())
        self.sources = Sources(self.kernel, system_address)
        self._external = Endpoint(self.kernel, "System:ExternalRequester", self)
        self._services = set(self.kernel.roots)
        if system is not None:
            self.attach(system)
        if loop is None:
            self._run_own_loop()

    def _root(self, name: str, actor: Actor) -> LocalAddress:
        address = self.kernel.child_address(None, name)
        self.kernel.spawn(actor, None, parent=None, address=address)
        return address

    def attach(self, system: Any) -> None:
        """Tie the base to its ActorSystem and declare what it can do."""
        self.system = system
        self.capabilities = system.capabilities
        self.capabilities.update(
            {
                "Python Version": tuple(sys.version_info),
                "Thespian Generation": ThespianGeneration,
                "Thespian Version": str(int(time.time() * 1000)),
                "Thespian ActorSystem Name": "eventLoop",
                "Thespian ActorSystem Version": 1,
                "Thespian Watch Supported": False,
                "AllowRemoteActorSources": "No",
            }
        )

    def _run_own_loop(self) -> None:
        self._own_thread = start_loop(self.kernel.loop)
        self.kernel.thread = self._own_thread.ident or 0

    @property
    def ended(self) -> bool:
        """Whether the thread of its own loop has ended without ``shutdown``."""
        return self._own_thread is not None and not self._own_thread.is_alive()

    # For programs that live on the loop

    def call(self, target: Target, request: Any, timeout: float | None = 5.0) -> Any:
        """Ask an actor from an asyncio task; see ``Kernel.call``."""
        return self.kernel.call(target, request, timeout)

    def cast(self, target: Target, request: Any) -> None:
        """Send a behaviour a request that wants no answer, from the loop's thread."""
        self.kernel.cast(target, Cast(request))

    def whereis(self, name: Hashable) -> LocalAddress | None:
        """The address registered under a name."""
        return self.kernel.registry.whereis(name)

    # Thespian's outside

    def tell(self, to: ActorAddress, message: Any) -> None:
        """Thespian's ``tell``."""
        self._external.tell(to, message)

    def ask(self, to: ActorAddress, message: Any, timeout: Any = None) -> Any:
        """Thespian's ``ask``."""
        return self._external.ask(to, message, timeout)

    def listen(self, timeout: Any = None) -> Any:
        """Thespian's ``listen``."""
        return self._external.listen(timeout)

    def external_clone(self) -> Endpoint:
        """Thespian's ``private`` context: an endpoint of its own for a thread."""
        return self._on_loop(self._clone)  # type: ignore[no-any-return]

    def _clone(self) -> Endpoint:
        self._clones += 1
        endpoint = Endpoint(self.kernel, f"System:ExternalRequester:{self._clones}", self)
        self._services.add(endpoint.address.name)
        return endpoint

    def close_endpoint(self, endpoint: Endpoint) -> None:
        """End a private context."""
        self.kernel.post_call(self._close_endpoint, endpoint)

    def _close_endpoint(self, endpoint: Endpoint) -> None:
        self._services.discard(endpoint.address.name)
        if endpoint.address.cell is not None:
            self.kernel.exit(endpoint.address.cell, SHUTDOWN)

    def _on_loop(self, function: Any, *args: Any) -> Any:
        return run_on_loop(self.kernel, function, *args, wait_s=EXTERNAL_WAIT_S)

    def shutdown(self) -> None:
        """End every actor, the youngest first, then the loop if it is the base's own.

        With a loop of its own this waits for the actors, each of which has ``SHUTDOWN_WAIT_S``
        to end; otherwise they end while the loop runs.

        Raises:
            RuntimeError: the loop is the base's own and this is its thread, which cannot wait for
                itself; an actor has ``actorSystemShutdown``.
        """
        if self.ended:
            return
        if self._own_thread is not None and get_ident() == self.kernel.thread:
            raise RuntimeError("shutdown would wait on the node's loop for that loop to end")
        gone = Event()
        self._on_loop(self._exit_all, gone.set)
        if self._own_thread is not None:
            gone.wait(2 * SHUTDOWN_WAIT_S)
            self.kernel.loop.call_soon_threadsafe(self.kernel.loop.stop)
            self._own_thread.join(SHUTDOWN_WAIT_S)
            self._own_thread = None

    def _exit_all(self, done: Callable[[], None]) -> None:
        self.sources.unload_all()
        living = [c for c in self.kernel.roots.values() if c.address.name not in self._services]
        left = set(living)

        def ended(cell: Cell) -> None:
            left.discard(cell)
            if not left:
                done()

        for cell in reversed(living):
            gone = self.kernel.stop(cell, SHUTDOWN, SHUTDOWN_WAIT_S)
            gone.task = OnOutcome(partial(ended, cell))
        if not living:
            done()

    # Making actors in Thespian's way

    def newPrimaryActor(
        self, actor_class: Any, requirements: Any, name: str | None, source: str | None
    ) -> ActorAddress:
        """Thespian's ``createActor`` from outside: an actor without a parent."""
        return self._on_loop(self._create_primary, actor_class, requirements, name, source)  # type: ignore[no-any-return]

    def _create_primary(
        self, actor_class: Any, requirements: Any, name: str | None, source: str | None
    ) -> ActorAddress:
        if name and name in self._global_names:
            return self._global_names[name]
        actor = self._make(actor_class, requirements, source)
        if actor is None:
            _log.warning("this system lacks what %s requires", actor_class)
            return self._null_address
        address = self.kernel.child_address(None, self._next_name())
        outcome = self.kernel.spawn(actor, None, parent=None, address=address)
        if isinstance(outcome, Failed):
            raise ActorSystemException(f"{actor_class} did not start: {outcome.reason}")
        self._named(address, name, source)
        return address

    def create_child(
        self, cell: Cell, actor_class: Any, requirements: Any, name: str | None, source: str | None
    ) -> ActorAddress:
        """Thespian's ``createActor`` from an actor; a failure is a ChildActorExited."""
        if name and name in self._global_names:
            return self._global_names[name]
        address = self.kernel.child_address(cell, self._next_name())
        try:
            actor = self._make(actor_class, requirements, source)
        except ImportError:
            raise
        except Exception:  # noqa: BLE001 - a constructor's exception is the parent's to know
            _log.warning("%s could not be made", actor_class, exc_info=True)
            actor = None
        if actor is None:
            self.kernel.deliver(cell, ChildActorExited(address), address)
            return address
        outcome = self.kernel.spawn(actor, None, parent=cell, address=address)
        self._tell_failure(cell, address, outcome)
        self._named(address, name, source)
        return address

    def _tell_failure(self, parent: Cell, address: LocalAddress, outcome: Outcome | Waiter) -> None:
        if isinstance(outcome, Waiter):
            outcome.task = OnOutcome(lambda: self._tell_failure(parent, address, outcome.value))
        elif isinstance(outcome, Failed):
            _log.warning("%s did not start: %s", address.path, outcome.reason)
            self.kernel.deliver(parent, ChildActorExited(address), address)

    def _next_name(self) -> int:
        self._children_made += 1
        return self._children_made

    def _make(self, actor_class: Any, requirements: Any, source: str | None) -> Actor | None:
        loader = self.sources.loader(source)
        return make_actor(actor_class, self.capabilities, requirements, loader)

    def _named(self, address: LocalAddress, name: str | None, source: str | None) -> None:
        if address.cell is not None:
            address.cell.source_hash = source
            address.cell.globalName = name
            if name:
                self._global_names[name] = address

    # What cells and the kernel ask of the system

    def foreign_address(self, address: ActorAddress) -> LocalAddress | None:
        """Resolve a path by walking the tree from its root."""
        parts = str(address.addressDetails)
        cell = self.kernel.roots.get(parts)
        if cell is not None:
            return cell.address
        children: dict[str | int, Cell] | None = self.kernel.roots
        for part in parts.split("/"):
            cell = None if children is None else _child(children, part)
            children = None if cell is None else cell.children
        return None if cell is None else cell.address

    def undeliverable(self, address: ActorAddress, message: Any) -> None:
        """Send a dead letter to the handler, if there is one."""
        handler = self._dead_letter_handler
        if handler is None or isinstance(message, DeadEnvelope):
            return
        cell = self.kernel.cell_of(handler)
        if cell is not None and cell.alive:
            self.kernel.deliver(cell, DeadEnvelope(address, message), address)

    def handleDeadLetters(self, address: ActorAddress, enable: bool) -> None:
        """Make an actor the dead letter handler, the last one to ask being it."""
        if enable:
            self._dead_letter_handler = address
        elif self._dead_letter_handler == address:
            self._dead_letter_handler = None

    def _handleDeadLetters(self, address: ActorAddress, enable: bool) -> None:
        self.handleDeadLetters(address, enable)

    def status_of(self, cell: Cell) -> Any:
        """Thespian's status of an actor."""
        return status_of(cell)

    def exited(self, cell: Cell) -> None:
        """Forget the global name and the registrations of an actor that has ended."""
        if cell.globalName and self._global_names.get(cell.globalName) is cell.address:
            del self._global_names[cell.globalName]
        if self._dead_letter_handler is cell.address:
            self._dead_letter_handler = None
        self.sources.forget(cell.address)

    def registerSourceAuthority(self, address: ActorAddress) -> None:
        """Make an actor the Source Authority."""
        self.sources.authority = address

    def notifyOnSourceAvailability(self, address: ActorAddress, enable: bool) -> None:
        """Tell an actor of sources that come and go."""
        self.sources.listen(address, enable)

    def notifyOnSystemRegistrationChanges(self, address: ActorAddress, enable: bool) -> None:
        """A node has no convention: nothing ever registers."""

    def updateCapability(self, name: str, value: Any = None) -> None:
        """Set a capability, or remove it with None."""
        if value is None:
            self.capabilities.pop(name, None)
        else:
            self.capabilities[name] = value

    def loadActorSource(self, file: Any) -> str:
        """Load a source and have its authority look at it; return its hash."""
        return self._on_loop(self.sources.load, file)  # type: ignore[no-any-return]

    def unloadActorSource(self, source: str) -> None:
        """Forget a source."""
        self._on_loop(self.sources.unload, source)

    def actorSystemShutdown(self) -> None:
        """Thespian's way for an actor to end the whole system."""
        self.kernel.signal(self._exit_all, _nothing)


def _nothing() -> None:
    """Nobody waits for the end."""


def _child(children: dict[str | int, Cell], name: str) -> Cell | None:
    found = children.get(name)
    return children.get(int(name)) if found is None and name.isdecimal() else found


def actor_system(
    capabilities: dict[str, Any] | None = None,
    *,
    loop: asyncio.AbstractEventLoop | None = None,
    clock: Clock | None = None,
    limits: SchedulerLimits | None = None,
    logDefs: Any = False,
) -> Any:
    """Make an ActorSystem on an EventLoopBase; the base is its ``_systemBase``.

    Args:
        capabilities: Thespian's capabilities of the system.
        loop: an asyncio loop to live on; None runs one in a daemon thread.
        clock: what tells the time.
        limits: the bounds of the scheduler.
        logDefs: Thespian's logging configuration; False leaves logging alone.

    Returns:
        The ActorSystem; it is not made Thespian's process-wide one.
    """
    base = EventLoopBase(None, logDefs, loop=loop, clock=clock, limits=limits)
    system = ActorSystem(base, capabilities, transientUnique=True)
    base.attach(system)
    return system


# ``ActorSystem("eventLoopBase")`` looks for a module of this name with this attribute.
ActorSystemBase = EventLoopBase
