"""Portal: a node of actors as a plain program sees it, from a thread outside of the loop."""

from __future__ import annotations

import atexit
from concurrent.futures import Future, wait
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from supervision._thespian import Actor, ActorAddress
from supervision.eventloop.base import actor_system
from supervision.eventloop.calls import CallTimeout
from supervision.eventloop.managed import ManagedActor
from supervision.eventloop.outcomes import Failed, Started
from supervision.reasons import SHUTDOWN, Reason

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Hashable
    from types import TracebackType

    from supervision.eventloop.base import EventLoopBase
    from supervision.eventloop.cell import LocalAddress
    from supervision.eventloop.kernel import Target
    from supervision.eventloop.outcomes import Outcome
    from supervision.eventloop.reports import Report

GRACE_S = 0.25
"""Seconds by which a loop may be late to say that the time of a call is over."""
LOOK_S = 1.0
"""Seconds after which a thread that waits looks whether there still is a loop."""


class NotStarted(Exception):  # noqa: N818 - says what is so
    """An actor did not start.

    Attributes:
        outcome: ``Failed`` with the reason, or ``Ignored``.
    """

    def __init__(self, actor_class: type, outcome: Outcome) -> None:
        why = outcome.reason if isinstance(outcome, Failed) else "its init returned IGNORE"
        super().__init__(f"{actor_class.__name__} did not start: {why}")
        self.outcome = outcome


class Portal:
    """Starts, asks and stops actors from a thread; use it as a context manager.

    Every method waits for the node's loop and must not be called on it: there, ``await``
    ``EventLoopBase.call``. Any number of threads may share one portal.

    Args:
        system: an ActorSystem on an EventLoopBase; None makes one, which ``close`` ends.

    Attributes:
        system: the ActorSystem, for Thespian's own ``ask``, ``tell`` and ``listen``.
        base: its EventLoopBase.
    """

    def __init__(self, system: Any = None) -> None:
        self._own = system is None
        if self._own:
            atexit.register(
                self.close
            )  # who forgets to close it has ``terminate`` run all the same
        self.system = actor_system() if system is None else system
        self._closed = False
        self.base: EventLoopBase = self.system._systemBase  # noqa: SLF001 - Thespian's name for it

    def start(
        self, actor_class: type[Actor], args: Any = None, *, name: str | None = None
    ) -> LocalAddress:
        """Start a top-level actor, as a rule a supervisor, and wait for its ``init``.

        Args:
            actor_class: of the actor.
            args: what its ``init`` is given.
            name: its path; where it is None, the name of its class, with a number from the
                second one on.

        Raises:
            NotStarted: ``init`` failed, refused or returned IGNORE, or the name is taken.
            TypeError: what should be started is no class of actors.
        """
        _check_class(actor_class)
        outcome = self._wait(lambda: self._start(actor_class, args, name), None)
        if not isinstance(outcome, Started):
            raise NotStarted(actor_class, outcome)
        return outcome.address

    def _start(self, actor_class: type[Actor], args: Any, name: str | None) -> asyncio.Future[Any]:
        path = self._free_name(actor_class.__name__) if name is None else name
        return self.base.kernel.start_root(actor_class(), args, path, _nothing)

    def _free_name(self, name: str) -> str:
        roots, number, free = self.base.kernel.roots, 1, name
        while free in roots:
            number += 1
            free = f"{name}-{number}"
        return free

    def call(self, target: Target, request: Any, timeout: float | None = 5.0) -> Any:
        """Ask an actor and wait for its answer.

        Args:
            target: an address or a registered name.
            request: what is asked.
            timeout: seconds; None waits for ever.

        Raises:
            CallTimeout, NoProc, ServerDied, MailboxFull; CallTimeout also where a handler holds
                the loop for longer.
            TypeError: a plain Thespian actor is there, which answers messages but no calls.
        """
        return self._wait(lambda: self._call(target, request, timeout), timeout)

    def _call(self, target: Target, request: Any, timeout: float | None) -> asyncio.Future[Any]:
        if not isinstance(target, str | ActorAddress):
            raise TypeError(f"{target!r} is neither an address nor a name")
        cell = self.base.kernel.cell_of(target)
        if cell is not None and not isinstance(cell.actor, ManagedActor):
            kind = type(cell.actor).__name__
            raise TypeError(f"{kind} is a plain Thespian actor: use the system's ask")
        return self.base.kernel.call(target, request, timeout)

    def cast(self, target: Target, request: Any) -> None:
        """Send a request that wants no answer; to nobody it is a dead letter."""
        self.base.kernel.post_call(self.base.cast, target, request)

    def stop(
        self, target: Target, reason: Reason = SHUTDOWN, timeout: float | None = None
    ) -> Reason:
        """Have an actor end in order, and wait for it (``gen_server:stop/3``).

        Its supervisor takes the end as any other and may start it again.

        Args:
            target: an address or a registered name.
            reason: what its ``terminate`` is told.
            timeout: seconds to wait; None is for ever. It goes on ending when they are over.

        Returns:
            The reason with which it ended.

        Raises:
            NoProc: nobody is there.
            CallTimeout: it did not end in time.
            ServerDied: it ended with another reason, which the exception has.
        """
        self._wait(lambda: self.base.kernel.stop_call(target, reason, timeout), timeout)
        return reason

    def whereis(self, name: Hashable) -> LocalAddress | None:
        """The address registered under a name."""
        return self.base.whereis(name)

    def subscribe(self, listener: Callable[[Report], None]) -> Callable[[], None]:
        """Have ``listener`` called, on the loop's thread, with every report; return what ends it.

        It must not block: hand what takes time to a queue.
        """
        return self.base.kernel.reports.subscribe(listener)

    def close(self) -> None:
        """End the system, if it is the portal's own: every actor in order, then the loop."""
        if self._own and not self._closed:
            self._closed = True
            atexit.unregister(self.close)
            self.system.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def _wait(self, begin: Callable[[], asyncio.Future[Any]], timeout: float | None) -> Any:
        kernel = self.base.kernel
        if get_ident() == kernel.thread:
            raise RuntimeError("a portal would block the node's loop; await base.call instead")
        if kernel.loop.is_closed():
            raise RuntimeError("the portal is closed")
        told: Future[Any] = Future()
        kernel.post_call(_begin, begin, told)
        return self._told(told, None if timeout is None else monotonic() + timeout + GRACE_S)

    def _told(self, told: Future[Any], until: float | None) -> Any:
        """Wait for the loop, but neither for one that has ended nor for one that is held."""
        while True:
            left = LOOK_S if until is None else min(LOOK_S, max(until - monotonic(), 0.0))
            if wait([told], left).done:
                return told.result()
            if self.base.ended:
                raise RuntimeError("the node's loop has ended")
            if until is not None and monotonic() >= until:
                raise CallTimeout("the node's loop is held")


def _check_class(value: Any) -> None:
    if not isinstance(value, type) or not issubclass(value, Actor):
        raise TypeError(f"{value!r} is no class of actors")


def _begin(begin: Callable[[], asyncio.Future[Any]], told: Future[Any]) -> None:
    try:
        future = begin()
    except Exception as exception:  # noqa: BLE001 - raised again in the thread that asked
        told.set_exception(exception)
    else:
        future.add_done_callback(lambda done: _hand_over(done, told))


def _hand_over(done: asyncio.Future[Any], told: Future[Any]) -> None:
    failure = done.exception()
    if failure is None:
        told.set_result(done.result())
    else:
        told.set_exception(failure)


def _nothing() -> None:
    """Nobody waits for the end."""
