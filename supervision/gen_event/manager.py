"""EventManager: OTP's gen_event: one event, every handler, and a crash stays in its handler.

Handlers are called in the order they were added; one that is swapped in takes the place of the
old one. (OTP calls the newest first and takes several of one id; both are its accidents.)
"""

from __future__ import annotations

from types import CoroutineType, MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from supervision.eventloop.links import Exit
from supervision.gen_event.handler import (
    HIBERNATE,
    REMOVE,
    AddHandler,
    AddSupHandler,
    Answer,
    CallHandler,
    DeleteHandler,
    EventHandler,
    GetModules,
    HandlerExit,
    HandlerState,
    Notify,
    Stopped,
    Swap,
    SwapHandler,
    Swapped,
    SwapSupHandler,
    SyncNotify,
    WhichHandlers,
)
from supervision.gen_event.installed import (
    bad_return,
    begin,
    converted,
    fail,
    packed,
    repack,
    shown,
    unpacked,
)
from supervision.gen_server import GenServer
from supervision.reasons import NORMAL, SHUTDOWN, Reason, crashed, error
from supervision.release.values import typed

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from supervision._thespian import ActorAddress
    from supervision.eventloop.calls import PendingCall


class EventManager(GenServer):
    """An actor that hands every event to each of its handlers.

    A cast is an event, with or without ``Notify`` around it; ``SyncNotify`` is called. The other
    requests are those of ``supervision.gen_event.handler``. What is neither goes to every
    handler's ``handle_info``.
    """

    kind = "event_manager"
    # Whom supervised handlers belong to; replaced, never changed, so that all managers share this.
    _owners: Mapping[Hashable, ActorAddress] = MappingProxyType({})

    # Events

    def init(self, args: Any) -> None:
        """Begin; ``args`` may be pairs of id and handler to begin with."""
        self.state: dict[Hashable, EventHandler] = {}
        self.trap_exit()
        for handler_id, handler in args or ():
            added = self._add(handler_id, handler, None, None)
            if added is not True:
                self.terminate(added)
                raise ValueError(f"handler {handler_id!r}: {added}")

    def handle_cast(self, request: Any) -> None:
        """Hand an event to every handler."""
        self._notify(request.event if type(request) is Notify else request, "handle_event")

    def handle_info(self, message: Any, sender: Any) -> None:
        """Hand a message to every handler; the end of an owner ends its handlers first."""
        if type(message) is Notify:
            self._notify(message.event, "handle_event")
            return
        expected = isinstance(message, Exit) and self._owner_ended(message)
        for handler in () if expected else self.state.values():
            if type(handler).handle_info is EventHandler.handle_info:
                super().handle_info(message, sender)
                break
        self._notify(message, "handle_info")

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        """Manage handlers, ask one, or notify and answer when every handler has run."""
        match request:
            case SyncNotify(event):
                self._notify(event, "handle_event")
                return True
            case CallHandler(handler_id, question):
                return self._ask(handler_id, question, from_)
            case DeleteHandler(handler_id, args):
                return self._delete(handler_id, args, from_)
            case WhichHandlers():
                return list(self.state)
            case GetModules():
                return list(dict.fromkeys(type(one) for one in self.state.values()))
        return self._change(request, from_)

    def _change(self, request: Any, from_: PendingCall) -> Any:
        match request:
            case AddHandler(handler_id, handler, args):
                return self._add(handler_id, handler, args, None)
            case AddSupHandler(handler_id, owner, handler, args):
                return self._add(handler_id, handler, args, owner)
            case SwapHandler(handler_id, args, new_id, handler, new_args):
                return self._swap(handler_id, Swap(args, new_id, handler, new_args), None)
            case SwapSupHandler(handler_id, args, new_id, owner, handler, new_args):
                return self._swap(handler_id, Swap(args, new_id, handler, new_args), owner)
        return fail(from_, type(request).__name__, error("bad_request"))

    def _notify(self, event: Any, callback: Literal["handle_event", "handle_info"]) -> None:
        rest = False
        for handler_id, handler in tuple(self.state.items()):
            try:
                wish = getattr(handler, callback)(event)
            except Exception as exception:  # noqa: BLE001 - one handler's crash is not the others'
                self._crashed(handler_id, crashed(exception), event)
            else:
                rest = (wish is not None and self._follow(handler_id, wish, event)) or rest
        if rest:
            self.hibernate()

    def _follow(self, handler_id: Hashable, wish: Any, event: Any) -> bool:
        """Do what a handler has returned; return whether it was HIBERNATE."""
        if wish is REMOVE:
            self._end(handler_id, REMOVE, NORMAL)
        elif isinstance(wish, Swap):
            self._swap_itself(handler_id, wish, event)
        elif wish is not HIBERNATE:
            self._crashed(handler_id, bad_return(wish), event)
        return wish is HIBERNATE

    def _ask(self, handler_id: Hashable, request: Any, from_: PendingCall) -> Any:
        if handler_id not in self.state:
            return fail(from_, handler_id, error("bad_module"))
        try:
            answer = self.state[handler_id].handle_call(request)
        except Exception as exception:  # noqa: BLE001 - it is deleted and the caller told
            reason = crashed(exception)
            self._crashed(handler_id, reason, request)
            return fail(from_, handler_id, reason)
        if isinstance(answer, CoroutineType):
            self._crashed(handler_id, reason := bad_return(answer), request)
            return fail(from_, handler_id, reason)
        if not isinstance(answer, Answer):
            return answer
        if self._follow(handler_id, answer.then, request):
            self.hibernate()
        return answer.value

    # Coming and going

    def _add(
        self,
        handler_id: Hashable,
        handler: EventHandler | type[EventHandler] | None,
        args: Any,
        owner: ActorAddress | None,
    ) -> Literal[True] | Reason:
        if handler_id in self.state:
            return error("already_added")
        begun = begin(handler_id, handler, args)
        if isinstance(begun, Reason):
            return begun
        made, rest = begun
        self.state[handler_id] = made
        if owner is not None:
            self._owners = {**self._owners, handler_id: owner}
            self.link(owner)
        if rest:
            self.hibernate()
        return True

    def _delete(self, handler_id: Hashable, args: Any, from_: PendingCall) -> Any:
        if handler_id not in self.state:
            return fail(from_, handler_id, error("module_not_found"))
        return self._end(handler_id, args, NORMAL)

    def _swap(
        self, old_id: Hashable, swap: Swap, owner: ActorAddress | None
    ) -> Literal[True] | Reason:
        if swap.id in self.state and swap.id != old_id:
            return error("already_added")
        if old_id not in self.state:
            term = error("module_not_found")
            return self._add(swap.id, swap.handler, (swap.new_args, term), owner)
        order = [swap.id if one == old_id else one for one in self.state]
        owner = owner or self._owner_of(old_id)
        left = self._end(old_id, swap.args, Swapped(swap.id, owner))
        added = self._add(swap.id, swap.handler, (swap.new_args, left), owner)
        self.state.update({one: self.state.pop(one) for one in order if one in self.state})
        return added

    def _swap_itself(self, handler_id: Hashable, swap: Swap, event: Any) -> None:
        if swap.id in self.state and swap.id != handler_id:
            self._crashed(handler_id, error(("already_added", swap.id)), event)
            return
        owner = self._owner_of(handler_id)
        added = self._swap(handler_id, swap, None)
        if added is not True:
            self._report(swap.id, added, event, None)
            self._tell(owner, swap.id, added)

    def _end(self, handler_id: Hashable, args: Any, reason: Reason | Swapped) -> Any:
        """Take a handler out; return what its ``terminate`` did, a Reason where that failed."""
        handler, owner = self.state.pop(handler_id), self._owner_of(handler_id)
        if owner is not None:
            self._owners = {key: one for key, one in self._owners.items() if key != handler_id}
        try:
            left = handler.terminate(args)
        except Exception as exception:  # noqa: BLE001 - it is gone either way
            left = crashed(exception)
            self._report(handler_id, left, args, handler)
        self._tell(owner, handler_id, reason)
        return left

    def _tell(
        self, owner: ActorAddress | None, handler_id: Hashable, reason: Reason | Swapped
    ) -> None:
        if owner is not None:
            manager = self.address
            self.send(owner, HandlerExit(manager, handler_id, reason, manager.incarnation))

    def _crashed(self, handler_id: Hashable, reason: Reason, event: Any) -> None:
        self._report(handler_id, reason, event, self.state[handler_id])
        self._end(handler_id, reason, reason)

    def _owner_ended(self, exit_: Exit) -> bool:
        """End the handlers of an owner; return whether it had any."""
        owned = [one for one, owner in self._owners.items() if owner == exit_.address]
        for handler_id in owned:
            self._end(handler_id, Stopped(exit_.reason, exit_.address), SHUTDOWN)
        return bool(owned)

    def _owner_of(self, handler_id: Hashable) -> ActorAddress | None:
        return self._owners.get(handler_id)

    def terminate(self, reason: Reason) -> None:
        """Let every handler clean up."""
        for handler_id in tuple(self.state):
            self._end(handler_id, Stopped(reason), SHUTDOWN)

    # Hibernation

    def pack(self, state: dict[Hashable, EventHandler]) -> dict[Hashable, EventHandler]:
        """Pack the state of every handler that says its type; the others stay as they are."""
        repack(state.values(), packed)
        return state

    def unpack(self, packed: dict[Hashable, EventHandler]) -> dict[Hashable, EventHandler]:
        """Unpack them."""
        repack(packed.values(), unpacked)
        return packed

    def unpacked(self) -> dict[Hashable, EventHandler]:
        """The handlers; to be looked at wakes a manager up."""
        self.wake_up()
        return self.state

    # What operators and releases see and do

    def format_status(self, state: Any) -> Any:
        """Each handler's own words."""
        return {str(handler_id): one.status() for handler_id, one in state.items()}

    def hand_over(self) -> dict[str, Any]:
        """What travels where a class says so (``carried = dict[str, Any]``): states, by handler.

        Of a handler that does not say the type of its state (``state_type``) only the name does.
        """
        handlers = self.unpacked().items()
        return {str(one): it.state if it.state_type is not None else None for one, it in handlers}

    def adopt(self, state: dict[str, Any]) -> None:
        """Go on: each handler of ``init`` has the state of the one that had its id before.

        One that was added while the old version ran is not here, for nobody else knows how it is
        made; it is reported, and whoever added it does so again.
        """
        handlers = {str(handler_id): one for handler_id, one in self.unpacked().items()}
        for name, one in state.items():
            handler = handlers.get(name)
            if handler is None:
                why = "it was added while the version before ran"
                self.kernel.report("degraded", self.address.path, part=f"handler {name}", why=why)
            elif handler.state_type is not None and one is not None:
                handler.state = typed(one, handler.state_type)

    def system_get_state(self) -> list[HandlerState]:
        """The state of every handler, with its secrets."""
        return [
            HandlerState(type(one), handler_id, one.state)
            for handler_id, one in self.unpacked().items()
        ]

    def system_replace_state(
        self, function: Callable[[HandlerState], HandlerState]
    ) -> list[HandlerState]:
        """Put what ``function`` makes of each handler's state in its place.

        A handler for which it raises, or changes more than the state, keeps its own, as in OTP.
        """
        for held in self.system_get_state():
            try:
                new = function(held)
                if (new.module, new.id) == (held.module, held.id):
                    self.state[held.id].state = new.state
            except Exception:  # noqa: BLE001, S112 - documented: that handler keeps its state
                continue
        return self.system_get_state()

    def system_code_change(
        self, old_vsn: Any, extra: Any, module: type[EventHandler] | None = None
    ) -> list[HandlerState]:
        """Convert the states of all handlers, or of those of one class.

        Args:
            old_vsn: as for every behaviour; ``("down", version)`` runs ``downgrade``.
            extra: what the release has to say.
            module: the class; None is every class.

        Raises:
            Exception: what one handler raises refuses the change for all of them.
        """
        handlers = [
            one for one in self.unpacked().values() if module is None or type(one) is module
        ]
        changed = [converted(handler, old_vsn, extra) for handler in handlers]
        for handler, state in zip(handlers, changed, strict=True):
            handler.state = state
        return self.system_get_state()

    def _report(
        self, handler_id: Hashable, reason: Reason, event: Any, handler: EventHandler | None
    ) -> None:
        self.kernel.report(
            "crash",
            self.address.path,
            handler=str(handler_id),
            message=type(event).__name__,
            state=None if handler is None else shown(handler),
            reason=str(reason),
            traceback=reason.traceback,
        )
