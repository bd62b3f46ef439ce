"""What a program asks of a tree of processes, from outside of it."""

from __future__ import annotations

import pickle
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

from supervision._thespian import ActorExitRequest
from supervision.eventloop.calls import CallFailed, CallTimeout, NoProc
from supervision.eventloop.lifecycle import Failed, Ignored
from supervision.eventloop.managed import Cast
from supervision.multiproc.calls import failure_of
from supervision.multiproc.host import ProcessHost
from supervision.multiproc.messages import Answer, Ask, Begin, NotUp, Options, StopTree, Up
from supervision.portal import NotStarted
from supervision.reasons import NOPROC, SHUTDOWN, Reason, error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervision._thespian import ActorAddress
    from supervision.supervisor import Supervisor

UNPICKLABLE = (pickle.PicklingError, AttributeError, TypeError)
"""What pickle raises for what cannot go from process to process."""


def start_supervisor(
    system: Any,
    supervisor: type[Supervisor],
    args: Any = None,
    *,
    name: str | None = None,
    options: Options | None = None,
) -> ActorAddress:
    """Start a supervisor and all below it, each in a process of its own (``start_link/3``).

    It ends with the system (``ActorSystem.shutdown``), by ``stop_supervisor`` or when it gives up.

    Args:
        system: an ``ActorSystem("multiprocTCPBase")``.
        supervisor: the class.
        args: what its ``init`` is given; pickled, as all that goes from process to process.
        name: its path in reports; the name of its class where it is None.
        options: what holds for the whole tree.

    Returns:
        Thespian's address of the supervisor's process.

    Raises:
        NotStarted: ``init`` failed or refused, a child did not start, or a class cannot be
            carried by a process (``async_handlers_not_supported``).
    """
    chosen = options if options is not None else Options()
    path = supervisor.__name__ if name is None else name
    address: ActorAddress = system.createActor(ProcessHost)
    begin = Begin(0, supervisor, args, path, 1, chosen)
    with _endpoint(system) as outside:
        try:
            outside.tell(address, begin)
        except UNPICKLABLE as failure:
            system.tell(address, ActorExitRequest())
            raise NotStarted(supervisor, Failed(_not_picklable(begin, failure))) from failure
        told = _next(outside, (Up, NotUp), chosen.start_timeout_s)
    match told:
        case Up():
            return address
        case NotUp(_, _, reason):
            outcome = Ignored() if reason is None else Failed(reason)
            raise NotStarted(supervisor, outcome)
        case _:
            system.tell(address, ActorExitRequest())
            raise NotStarted(supervisor, Failed(NOPROC))


def call(system: Any, address: ActorAddress, request: Any, timeout: float | None = 5.0) -> Any:
    """Ask a server, or a supervisor for one of the management calls, and wait for the answer.

    Args:
        system: the ActorSystem.
        address: of the process, as ``start_supervisor`` and ``WhichChildren`` give it.
        request: what is asked; its deadline travels with it.
        timeout: seconds; None waits for ever.

    Raises:
        CallTimeout: no answer came in time; that is also what the SIGKILL of a server looks like.
        NoProc: nobody is there.
        ServerDied: the server ended before it answered.
        CallFailed: the request or the answer cannot be pickled.
    """
    deadline = None if timeout is None else monotonic() + timeout
    with _endpoint(system) as outside:
        try:
            answer = outside.ask(address, Ask(1, request, deadline), timeout)
        except UNPICKLABLE as failure:
            reason = _not_picklable(request, failure)
            raise CallFailed(str(reason), reason) from failure
    if answer is None:  # Thespian waits no longer when it finds that nobody is there
        late = deadline is not None and monotonic() >= deadline
        raise CallTimeout(type(request).__name__) if late else NoProc(address)
    assert isinstance(answer, Answer)
    if answer.failure is not None:
        raise failure_of(answer.failure, address)
    return answer.value


def _not_picklable(message: Any, failure: Exception) -> Reason:
    return error(("not_picklable", type(message).__name__, str(failure)))


def cast(system: Any, address: ActorAddress, request: Any) -> None:
    """Ask for something without an answer (``gen_server:cast/2``)."""
    system.tell(address, Cast(request))


def stop_supervisor(system: Any, address: ActorAddress, timeout: float | None = None) -> Reason:
    """Have a tree end in order and wait until it has.

    Args:
        system: the ActorSystem.
        address: of the supervisor.
        timeout: seconds to wait; None waits for ever, for its children have their own bounds.

    Returns:
        The reason with which it ended.

    Raises:
        CallTimeout: it still ends.
        NoProc: nobody is there.
    """
    reason: Reason = call(system, address, StopTree(SHUTDOWN), timeout)
    return reason


@contextmanager
def _endpoint(system: Any) -> Iterator[Any]:
    """An end of our own: what others are sent does not get between."""
    made = system.private()
    try:
        yield made.__enter__()
    finally:
        made.__exit__(None, None, None)


def _next(outside: Any, wanted: tuple[type, ...], timeout: float | None) -> Any:
    limit = None if timeout is None else monotonic() + timeout
    while limit is None or monotonic() < limit:
        left = None if limit is None else max(0.0, limit - monotonic())
        message = outside.listen(left)
        if isinstance(message, wanted):
            return message
        if message is None and limit is None:
            continue
    return None
