"""The way in for threads that are not actors: Thespian's ``ask``, ``tell`` and ``listen``."""

from __future__ import annotations

import asyncio
import queue
from threading import Event, Thread, get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

from supervision._thespian import (
    Actor,
    ActorAddress,
    isInternalActorSystemMessage,
    timePeriodSeconds,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.eventloop.kernel import Kernel


class Mailslot(Actor):
    """The actor that stands for an outside thread: what it is sent waits for ``listen``."""

    kind = "worker"

    def __init__(self) -> None:
        self.slot: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        """Keep a message for the thread; what only concerns the system is dropped."""
        del sender
        if not isInternalActorSystemMessage(msg):
            self.slot.put(msg)


class Endpoint:
    """One outside correspondent of a node.

    Args:
        kernel: the node.
        name: of its address.
        close: called with the endpoint when its context ends.
    """

    def __init__(self, kernel: Kernel, name: str, host: Any) -> None:
        self._kernel = kernel
        self._host = host
        self._mailslot = Mailslot()
        self.address = kernel.child_address(None, name)
        kernel.spawn(self._mailslot, None, parent=None, address=self.address)

    def tell(self, to: ActorAddress, message: Any) -> None:
        """Send a message; answers wait for ``listen``."""
        self._kernel.post(to, message, self.address)

    def ask(self, to: ActorAddress, message: Any, timeout: Any = None) -> Any:
        """Send a message and return the next one that comes, or None after ``timeout``."""
        self._refuse_on_loop("ask")
        self.tell(to, message)
        return self.listen(timeout)

    def listen(self, timeout: Any = None) -> Any:
        """Return the next message for this thread, or None after ``timeout``.

        Raises:
            RuntimeError: called on the loop's own thread, which it would block for ever.
        """
        self._refuse_on_loop("listen")
        seconds = None if timeout is None else float(timePeriodSeconds(timeout))
        try:
            return self._mailslot.slot.get(timeout=None if seconds is None else max(0.0, seconds))
        except queue.Empty:
            return None

    def _refuse_on_loop(self, what: str) -> None:
        if get_ident() == self._kernel.thread:
            raise RuntimeError(f"{what} would block the node's loop; await base.call instead")

    # What Thespian's private context asks for besides.

    def newPrimaryActor(self, *args: Any) -> ActorAddress:
        """Create a top-level actor."""
        address: ActorAddress = self._host.newPrimaryActor(*args)
        return address

    def exit_context(self) -> None:
        """End the endpoint; what it is sent later is a dead letter."""
        self._host.close_endpoint(self)


def start_loop(loop: asyncio.AbstractEventLoop) -> Thread:
    """Run a loop in a daemon thread of its own, which closes it at its end; wait until it runs."""
    running = Event()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.call_soon(running.set)
        try:
            loop.run_forever()
        finally:
            loop.close()

    thread = Thread(target=run, name="eventLoopBase", daemon=True)
    thread.start()
    running.wait()
    return thread


def run_on_loop(kernel: Kernel, function: Callable[..., Any], *args: Any, wait_s: float) -> Any:
    """Run ``function`` on the node's thread and return what it returns or raise what it raises.

    Args:
        kernel: the node.
        function: what to run.
        args: its arguments.
        wait_s: seconds to wait for it.

    Raises:
        TimeoutError: the loop did not come round within ``wait_s``.
    """
    if get_ident() == kernel.thread:
        return function(*args)
    done: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((function(*args), None))
        except Exception as exception:  # noqa: BLE001 - raised again in the thread that asked
            done.put((None, exception))

    started = monotonic()
    kernel.post_call(run)
    try:
        value, failure = done.get(timeout=wait_s)
    except queue.Empty:
        waited = monotonic() - started
        raise TimeoutError(f"the node's loop did not answer within {waited:.1f} s") from None
    if failure is not None:
        raise failure
    return value
