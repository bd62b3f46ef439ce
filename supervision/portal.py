"""Portal: a node of actors as a plain program sees it, from a thread outside of the loop."""

from __future__ import annotations

from concurrent.futures import Future
from threading import get_ident
from typing import TYPE_CHECKING, Any, Self

from supervision.eventloop.base import actor_system
from supervision.eventloop.lifecycle import Started
from supervision.reasons import SHUTDOWN, Reason

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Hashable
    from types import TracebackType

    from supervision._thespian import Actor
    from supervision.eventloop.address import LocalAddress
    from supervision.eventloop.base import EventLoopBase
    from supervision.eventloop.kernel import Target
    from supervision.eventloop.reports import Report

LOOP_WAIT_S = 30.0
"""Seconds that a thread waits for the loop beyond what it was asked to wait for."""


class NotStarted(Exception):  # noqa: N818 - says what is so
    """An actor did not start.

    Attributes:
        outcome: ``Failed`` with the reason, or ``Ignored``.
    """

    def __init__(self, actor_class: type, outcome: Any) -> None:
        super().__init__(f"{actor_class.__name__} did not start: {outcome}")
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
        self.system = actor_system() if system is None else system
        self.base: EventLoopBase = self.system._systemBase  # noqa: SLF001 - Thespian's name for it

    def start(
        self, actor_class: type[Actor], args: Any = None, *, name: str | None = None
    ) -> LocalAddress:
        """Start a top-level actor, as a rule a supervisor, and wait for its ``init``.

        Args:
            actor_class: of the actor.
            args: what its ``init`` is given.
            name: its path; the name of its class where it is None.

        Raises:
            NotStarted: ``init`` failed, refused or returned IGNORE.
        """
        path = actor_class.__name__ if name is None else name
        outcome = self._wait(
            lambda: self.base.kernel.start_root(actor_class(), args, path, _nothing), None
        )
        if not isinstance(outcome, Started):
            raise NotStarted(actor_class, outcome)
        return outcome.address

    def call(self, target: Target, request: Any, timeout: float | None = 5.0) -> Any:
        """Ask an actor and wait for its answer.

        Args:
            target: an address or a registered name.
            request: what is asked.
            timeout: seconds; None waits for ever.

        Raises:
            CallTimeout, NoProc, ServerDied, MailboxFull.
        """
        return self._wait(lambda: self.base.call(target, request, timeout), timeout)

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
        if self._own:
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
        told: Future[Any] = Future()

        def run() -> None:
            try:
                future = begin()
            except Exception as exception:  # noqa: BLE001 - raised again in the thread that asked
                told.set_exception(exception)
            else:
                future.add_done_callback(lambda done: _hand_over(done, told))

        kernel.post_call(run)
        try:
            return told.result(None if timeout is None else timeout + LOOP_WAIT_S)
        except TimeoutError:
            raise TimeoutError("the node's loop does not come round") from None


def _hand_over(done: asyncio.Future[Any], told: Future[Any]) -> None:
    failure = done.exception()
    if failure is None:
        told.set_result(done.result())
    else:
        told.set_exception(failure)


def _nothing() -> None:
    """Nobody waits for the end."""
