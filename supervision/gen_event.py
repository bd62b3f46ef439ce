"""EventManager: OTP's gen_event: one event, every handler, and a crash stays in its handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from supervision.gen_server import GenServer
from supervision.reasons import Reason, crashed, error

if TYPE_CHECKING:
    from collections.abc import Hashable

    from supervision.eventloop.calls import PendingCall


class EventHandler:
    """One handler of an event manager; override what it needs (gen_event(3))."""

    def init(self, args: Any) -> None:
        """Begin; an exception refuses the handler."""

    def handle_event(self, event: Any) -> None:
        """Take an event; an exception removes the handler, and only it."""

    def terminate(self, reason: Reason) -> None:
        """Clean up: the manager ends, the handler is deleted, or it has crashed."""

    def status(self) -> Any:
        """What operators may see of it."""
        return type(self).__name__


class AddHandler(msgspec.Struct, frozen=True):
    """Ask a manager to take a handler; the answer is True, or an exit reason where it refused."""

    id: Any
    handler: EventHandler
    args: Any = None


class DeleteHandler(msgspec.Struct, frozen=True):
    """Ask a manager to let a handler go; the answer is False where there is none."""

    id: Any


class WhichHandlers(msgspec.Struct, frozen=True):
    """The ids of the handlers, in the order they are called."""


class EventManager(GenServer):
    """An actor that hands every event to each of its handlers.

    ``cast`` notifies; ``call`` with any other request is ``sync_notify``: it is answered with
    True when every handler has run. A handler that raises is removed and reported.
    """

    kind = "event_manager"

    def init(self, args: Any) -> None:
        """Begin; ``args`` may be pairs of id and handler to begin with."""
        self.state: dict[Hashable, EventHandler] = {}
        for handler_id, handler in args or ():
            added = self._add(AddHandler(handler_id, handler))
            if added is not True:
                self.terminate(added)
                raise ValueError(f"handler {handler_id!r}: {added}")

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        """Manage handlers, or notify and answer when every handler has run."""
        match request:
            case AddHandler():
                return self._add(request)
            case DeleteHandler(handler_id):
                return self._delete(handler_id, Reason("shutdown", "deleted"))
            case WhichHandlers():
                return list(self.state)
            case _:
                self.handle_cast(request)
                return True

    def handle_cast(self, request: Any) -> None:
        """Hand an event to every handler, in the order they were added."""
        for handler_id, handler in tuple(self.state.items()):
            try:
                handler.handle_event(request)
            except Exception as exception:  # noqa: BLE001 - one handler's crash is not the others'
                self._crashed(handler_id, exception)

    def terminate(self, reason: Reason) -> None:
        """Let every handler clean up."""
        for handler_id in tuple(self.state):
            self._delete(handler_id, reason)

    def format_status(self, state: Any) -> Any:
        """Each handler's own words."""
        return {str(handler_id): handler.status() for handler_id, handler in state.items()}

    def _add(self, request: AddHandler) -> Literal[True] | Reason:
        if request.id in self.state:
            return error("already_added")
        try:
            request.handler.init(request.args)
        except Exception as exception:  # noqa: BLE001 - told to whoever wanted the handler
            return crashed(exception)
        self.state[request.id] = request.handler
        return True

    def _delete(self, handler_id: Hashable, reason: Reason) -> bool:
        handler = self.state.pop(handler_id, None)
        if handler is None:
            return False
        try:
            handler.terminate(reason)
        except Exception as exception:  # noqa: BLE001 - it is gone either way
            self._report(handler_id, crashed(exception))
        return True

    def _crashed(self, handler_id: Hashable, exception: Exception) -> None:
        reason = crashed(exception)
        self._report(handler_id, reason)
        self._delete(handler_id, reason)

    def _report(self, handler_id: Hashable, reason: Reason) -> None:
        self.kernel.report(
            "crash",
            self.address.path,
            handler=str(handler_id),
            reason=str(reason),
            traceback=reason.traceback,
        )
