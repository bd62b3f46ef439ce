"""The Thespian actor that every process of a tree runs: it carries one actor of ours."""

from __future__ import annotations

import logging
from datetime import timedelta
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from supervision._thespian import (
    Actor,
    ActorAddress,
    ActorExitRequest,
    ThespianWatch,
    WakeupMessage,
)
from supervision.multiproc import osprocess
from supervision.multiproc.messages import Begin
from supervision.multiproc.node import ProcessNode

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.multiproc.osprocess import Forked

TURN_S = 0.05
"""Seconds that the carried actor may work before Thespian serves the sockets again."""


class ProcessHost(Actor):
    """Hands messages to the node inside, and time, and wakes it when its next timer is due.

    Thespian never sees an exception of the carried actor: its second delivery has no place in a
    world where an exception is a death.
    """

    def __init__(self) -> None:
        osprocess.close_inherited()
        self._watch_parent = not osprocess.die_with_parent()
        self._node: ProcessNode | None = None
        self._wakes_at = inf
        self._exit: Callable[[ActorExitRequest], Any] | None = None

    def receiveMessage(self, msg: Any, sender: ActorAddress) -> Any:
        """Take any message; what it returns is what Thespian shall watch besides messages."""
        try:
            self._receive(msg, sender)
            if isinstance(msg, ActorExitRequest):
                self._wake_at(monotonic())  # what Thespian watches stays as it is after this one
            else:
                self._work()
        except Exception:
            # A fault of the adapter, not of what it carries: the supervisor sees a lost process.
            logging.getLogger("supervision").exception("the adapter failed on %s", type(msg))
            osprocess.end_now()
        return None if self._node is None else ThespianWatch(self._node.watched())

    def _receive(self, msg: Any, sender: ActorAddress) -> None:
        if isinstance(msg, WakeupMessage):
            if msg.payload == self._wakes_at:
                self._wakes_at = inf
        elif isinstance(msg, Begin):
            self._carry(msg, sender)
        elif self._node is not None:
            if isinstance(msg, ActorExitRequest):
                self._node.stop()
            else:
                self._node.receive(msg, sender)

    def _carry(self, begin: Begin, sender: ActorAddress) -> None:
        # Thespian's manager ends the process right after an ActorExitRequest was shown to the
        # actor, and all its children at once. Ours has to end in order first.
        manager = self._myRef
        self._exit, manager._actorExit = manager._actorExit, self._exit_asked  # noqa: SLF001
        self._node = ProcessNode(self, begin, sender)
        if self._watch_parent:
            self._look_at_parent()
        self._node.loop.run(self._node.begin)

    def _exit_asked(self, request: ActorExitRequest) -> Any:
        assert self._node is not None
        assert self._exit is not None
        del request
        if not self._node.over:
            return True
        self._forget_wakeups()
        return self._exit(ActorExitRequest(recursive=False))

    def _forget_wakeups(self) -> None:
        """Have what is on its way sent: a wakeup that falls due ends Thespian's draining."""
        transport = self._myRef.transport
        for wakeups in ("_pendingWakeups", "_activeWakeups"):
            getattr(transport, wakeups, []).clear()

    def _look_at_parent(self) -> None:
        assert self._node is not None
        osprocess.end_without_parent()
        self._node.loop.call_later(osprocess.LIVENESS_S, self._look_at_parent)

    def _work(self) -> None:
        node = self._node
        if node is None:
            return
        due = monotonic() if node.loop.step(TURN_S) else node.loop.next_due
        if due is not None:
            self._wake_at(due)

    def _wake_at(self, due: float) -> None:
        if due < self._wakes_at:
            self._wakes_at = due
            self.wakeupAfter(timedelta(seconds=max(0.0, due - monotonic())), due)

    # What the node asks for

    def launch(self) -> tuple[ActorAddress, Forked | None]:
        """Make a process with a host like this one in it."""
        address = self.createActor(ProcessHost)
        children = getattr(self._myRef, "_child_procs", ())
        known = children[-1] if children else None
        forked: Forked | None = None
        if known is not None and known.childAddr is address:
            forked = known.childProc
        return address, forked

    def leave(self) -> None:
        """End this process, once what it said is on its way."""
        self.send(self.myAddress, ActorExitRequest(recursive=False))
