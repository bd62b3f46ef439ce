"""What a watched actor's class overrides, and how the messages that pass there are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision._thespian import WakeupMessage
from supervision.eventloop.calls import CoroutineCall, PendingCall
from supervision.eventloop.managed import Cast, Timeout
from supervision.gen_statem import StateMachine
from supervision.introspection.machines import MACHINE_OVERRIDES, fired_timer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from supervision.introspection.events import SystemEventKind, Watcher


def arrival(msg: Any) -> tuple[SystemEventKind, Any, str]:
    """What a message that arrives is: the event, what was asked or told, and how."""
    if isinstance(msg, PendingCall):
        return "in", msg.request, "call"
    if type(msg) is Cast:
        return "in", msg.request, "cast"
    if type(msg) is Timeout or isinstance(msg, WakeupMessage):
        return "timeout", msg.payload, ""
    fired = fired_timer(msg)
    if fired is not None:
        return "timeout", fired, ""
    return "in", msg, "info"


def caller_of(call: PendingCall) -> Any:
    """Whose call it is, where the call knows."""
    cell = getattr(call, "caller", None)
    if cell is None and isinstance(call, CoroutineCall):
        cell = getattr(call.task, "cell", None)
    return None if cell is None else cell.address


def overrides_of(kind: type, watches: Mapping[int, Watcher]) -> dict[str, Callable[..., Any]]:
    """The methods of a watched actor's class.

    Args:
        kind: the actor's own class.
        watches: who watches, by the identity of the actor.
    """
    makers = {**_OVERRIDES, **(MACHINE_OVERRIDES if issubclass(kind, StateMachine) else {})}
    return {
        name: make(getattr(kind, name), watches)
        for name, make in makers.items()
        if callable(getattr(kind, name, None))
    }


def _receive(own: Any, watches: Mapping[int, Watcher]) -> Any:
    def receiveMessage(self: Any, msg: Any, sender: Any) -> Any:
        watch = watches.get(id(self))
        return own(self, msg, sender) if watch is None else watch.handle(own, msg, sender)

    return receiveMessage


def _handle_call(own: Any, watches: Mapping[int, Watcher]) -> Any:
    """Not every call keeps what it was answered with; the callback has it."""

    def handle_call(self: Any, request: Any, from_: PendingCall) -> Any:
        answer = own(self, request, from_)
        if watch := watches.get(id(self)):
            watch.answer = answer
        return answer

    return handle_call


def _reply(own: Any, watches: Mapping[int, Watcher]) -> Any:
    def reply(self: Any, from_: PendingCall, value: Any) -> Any:
        if watch := watches.get(id(self)):
            watch.replied(from_, value)
        return own(self, from_, value)

    return reply


def _out(way: str) -> Any:
    """Something that sends: the receiver and what it is sent come first."""

    def make(own: Any, watches: Mapping[int, Watcher]) -> Any:
        def send(self: Any, target: Any, message: Any, *args: Any, **options: Any) -> Any:
            if watch := watches.get(id(self)):
                watch.say("out", message, way, target)
            return own(self, target, message, *args, **options)

        return send

    return make


def _asking(own: Any, watches: Mapping[int, Watcher]) -> Any:
    def asking(self: Any, *args: Any, **options: Any) -> Any:
        calls = own(self, *args, **options)
        add = calls.add

        def added(label: Any, target: Any, request: Any, **more: Any) -> None:
            if watch := watches.get(id(self)):
                watch.say("out", request, "call", target)
            add(label, target, request, **more)

        calls.add = added  # a collection is one handler's: it ends with it
        return calls

    return asking


def _start_timer(own: Any, watches: Mapping[int, Watcher]) -> Any:
    def start_timer(self: Any, after_s: float, payload: Any) -> Any:
        if watch := watches.get(id(self)):
            watch.say("start_timer", payload, "", None, after_s)
        return own(self, after_s, payload)

    return start_timer


def _wakeup(own: Any, watches: Mapping[int, Watcher]) -> Any:
    def wakeupAfter(self: Any, timePeriod: Any, payload: Any = None) -> Any:
        if watch := watches.get(id(self)):
            seconds = getattr(timePeriod, "total_seconds", lambda: float(timePeriod))()
            watch.say("start_timer", payload, "", None, seconds)
        return own(self, timePeriod, payload)

    return wakeupAfter


def _cancel_timer(own: Any, watches: Mapping[int, Watcher]) -> Any:
    def cancel_timer(self: Any, timer: Any) -> Any:
        if watch := watches.get(id(self)):
            watch.say("cancel_timer", timer.payload)
        return own(self, timer)

    return cancel_timer


def _single(kind: SystemEventKind) -> Any:
    """Something that is told one thing."""

    def make(own: Any, watches: Mapping[int, Watcher]) -> Any:
        def told(self: Any, what: Any) -> Any:
            if watch := watches.get(id(self)):
                watch.say(kind, what)
            return own(self, what)

        return told

    return make


_OVERRIDES: dict[str, Callable[[Any, Any], Any]] = {
    "receiveMessage": _receive,
    "handle_call": _handle_call,
    "reply": _reply,
    "send": _out("send"),
    "send_wait": _out("send"),
    "cast": _out("cast"),
    "call": _out("call"),
    "request": _out("request"),
    "asking": _asking,
    "start_timer": _start_timer,
    "wakeupAfter": _wakeup,
    "cancel_timer": _cancel_timer,
    "handle_continue": _single("continue"),
    "on_finish": _single("terminate"),
}
