"""Handlers of an event manager: what they are asked, what they answer, what of them is managed.

OTP's gen_event(3). A handler is an object with a ``state`` of its own; it is known by an id, which
is anything hashable. OTP's own ids serve: a class, or a pair of a class and anything else.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

import msgspec

from supervision._thespian import ActorAddress
from supervision.eventloop.calls import CallFailed
from supervision.reasons import Reason

# What handlers return


class _Word:
    def __init__(self, word: str) -> None:
        self._word = word

    def __repr__(self) -> str:
        return self._word


REMOVE: Final = _Word("REMOVE")
"""Let the handler go: what it returns, and what its ``terminate`` is told then."""
HIBERNATE: Final = _Word("HIBERNATE")
"""Keep the handler and have the manager give memory back."""


class Swap(msgspec.Struct, frozen=True):
    """Put another handler in the place of this one (``swap_handler`` of a callback).

    Where a third handler has the id already this one is deleted as if it had crashed.

    Attributes:
        args: what the ``terminate`` of this one is told; what it returns is handed over.
        id: of the other one.
        handler: the other one, or its class; None where the id says it.
        new_args: its ``init`` is given the pair of them and what was handed over.
    """

    args: Any
    id: Any
    handler: EventHandler | type[EventHandler] | None = None
    new_args: Any = None


class Answer(msgspec.Struct, frozen=True):
    """The answer of a ``handle_call`` that wants more than to be kept.

    Attributes:
        value: for the caller.
        then: REMOVE, HIBERNATE or a Swap.
    """

    value: Any
    then: Any


class Stopped(msgspec.Struct, frozen=True):
    """What ``terminate`` is told when nothing was wrong with the handler.

    Attributes:
        reason: with which the manager ends, or the handler's owner has ended.
        owner: the owner; None where it is the manager that ends.
    """

    reason: Reason
    owner: ActorAddress | None = None


class EventHandler:
    """One handler of an event manager; override what it needs.

    ``handle_event`` and ``handle_info`` return None to go on, REMOVE, HIBERNATE or a Swap. One
    that raises or returns anything else is deleted and reported; the others go on. Handlers are
    synchronous: a manager that waited for one would keep the event from the others.

    Attributes:
        state: plain data that operators may see and releases may convert.
        state_type: of the state, where it is to be packed while the manager hibernates.
    """

    state_type: ClassVar[Any] = None
    state: Any = None

    def init(self, args: Any) -> Any:
        """Begin; in a swap ``args`` is a pair of arguments and what the old handler left.

        Returns:
            None, or HIBERNATE; Stop(reason) refuses, as an exception does.
        """

    def handle_event(self, event: Any) -> Any:
        """Take an event of ``Notify`` or ``SyncNotify``."""
        raise TypeError(f"{type(self).__name__} takes no {type(event).__name__}")

    def handle_call(self, request: Any) -> Any:
        """Answer a ``CallHandler``: the answer itself, or an Answer that says what is next."""
        raise TypeError(f"{type(self).__name__} answers no {type(request).__name__}")

    def handle_info(self, message: Any) -> Any:
        """Take any other message of the manager's; without this method it is reported."""

    def terminate(self, args: Any) -> Any:
        """Clean up.

        Args:
            args: what ``DeleteHandler`` or the swap says; ``Stopped`` where manager or owner
                ends; REMOVE where the handler asked for it; a Reason of kind ``error`` where it
                crashed.

        Returns:
            What the one who deletes it is answered, or its successor is given.
        """

    def code_change(self, old_vsn: Any, state: Any, extra: Any) -> Any:
        """Convert ``state`` of an older version and return it; an exception refuses."""
        raise TypeError(f"{type(self).__name__} has no code_change from {old_vsn!r}")

    def downgrade(self, new_vsn: Any, state: Any, extra: Any) -> Any:
        """Convert ``state`` to what the code of an older version takes on and return it."""
        raise TypeError(f"{type(self).__name__} has no downgrade to {new_vsn!r}")

    def format_status(self, state: Any) -> Any:
        """What of ``state`` operators and reports may see; override to leave secrets out."""
        return state

    def status(self) -> Any:
        """What operators may see of it: the scrubbed state, or its class where there is none."""
        return type(self).__name__ if self.state is None else self.format_status(self.state)


# What managers are asked; every one of these is a request for ``call``


class Notify(msgspec.Struct, frozen=True):
    """Hand an event to every handler; cast or sent, nobody is answered."""

    event: Any


class SyncNotify(msgspec.Struct, frozen=True):
    """Hand an event to every handler; the answer is True when all have run."""

    event: Any


class AddHandler(msgspec.Struct, frozen=True):
    """Ask a manager to take a handler; the answer is True, or an exit reason where it refused.

    Attributes:
        id: what it is known by; one that is there already is refused.
        handler: the handler or its class; None where the id is a class or begins with one.
        args: for its ``init``.
    """

    id: Any
    handler: EventHandler | type[EventHandler] | None = None
    args: Any = None


class AddSupHandler(msgspec.Struct, frozen=True):
    """As AddHandler, and tie the handler to its owner.

    Manager and owner are linked, and stay so. When the owner ends the handler's ``terminate`` is
    told ``Stopped``; when the handler goes the owner is sent a ``HandlerExit``.
    """

    id: Any
    owner: ActorAddress
    handler: EventHandler | type[EventHandler] | None = None
    args: Any = None


class DeleteHandler(msgspec.Struct, frozen=True):
    """Ask a manager to let a handler go; the answer is what its ``terminate(args)`` returns.

    Where there is none the call fails with HandlerFailed, ``module_not_found``.
    """

    id: Any
    args: Any = None


class SwapHandler(msgspec.Struct, frozen=True):
    """Put a new handler in the place of an old one; the answer is True, or why it did not begin.

    The new one's ``init`` is given ``(new_args, term)``: term is what the old one's
    ``terminate(args)`` returned, or a Reason where that failed or there is no old one. The new
    one belongs to the owner of the old one, if it had one. When it does not begin the old one
    is gone all the same; where a third handler has the id already (``already_added``) nothing
    has happened.
    """

    id: Any
    args: Any
    new_id: Any
    new_handler: EventHandler | type[EventHandler] | None = None
    new_args: Any = None


class SwapSupHandler(msgspec.Struct, frozen=True):
    """As SwapHandler, and the new handler belongs to ``owner``; see AddSupHandler."""

    id: Any
    args: Any
    new_id: Any
    owner: ActorAddress
    new_handler: EventHandler | type[EventHandler] | None = None
    new_args: Any = None


class CallHandler(msgspec.Struct, frozen=True):
    """Ask one handler; the answer is that of its ``handle_call``.

    Where there is none the call fails with HandlerFailed, ``bad_module``; where it crashed, with
    its reason.
    """

    id: Any
    request: Any


class WhichHandlers(msgspec.Struct, frozen=True):
    """The ids of the handlers, in the order they are called."""


class GetModules(msgspec.Struct, frozen=True):
    """The classes of the handlers, which a release may convert (``modules => dynamic``)."""


# What is told


class Swapped(msgspec.Struct, frozen=True):
    """Why a handler went: another one is in its place.

    Attributes:
        to: the id of the other one.
        by: whom that one belongs to; None is nobody.
    """

    to: Any
    by: ActorAddress | None


class HandlerExit(msgspec.Struct, frozen=True):
    """Sent to the owner of a handler that has gone (``gen_event_EXIT``).

    Attributes:
        manager: the manager's address.
        id: the handler's id.
        reason: normal: it was deleted or asked for it; shutdown: the manager ends; Swapped; or
            an error: it crashed, or returned what no handler may.
        incarnation: which of the managers behind that address it was.
    """

    manager: ActorAddress
    id: Any
    reason: Reason | Swapped
    incarnation: int = 0


class HandlerFailed(CallFailed):
    """A manager cannot answer for a handler.

    Attributes:
        reason: ``bad_module`` or ``module_not_found`` where it has none of that id,
            ``bad_request`` where it was asked what no manager is, else why the handler was
            deleted while it was asked.
    """


class HandlerState(msgspec.Struct, frozen=True):
    """What ``sys:get_state`` shows of one handler."""

    module: type[EventHandler]
    id: Any
    state: Any
