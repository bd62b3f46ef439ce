"""What a state machine's callbacks answer: transitions and their actions (gen_statem(3)).

All of it is plain typed data; ``supervision.gen_statem`` carries it out.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from supervision.eventloop.calls import PendingCall
from supervision.reasons import NORMAL, Reason

EventKind = Literal["call", "cast", "info", "timeout", "internal", "enter"]
CallbackMode = Literal["handle_event_function", "state_functions"]

STATE: Final = "state"
"""Name of the timer that ``StateTimeout`` sets."""
EVENT: Final = "event"
"""Name of the timer that ``EventTimeout`` sets."""

SAME: Final[Any] = object()
AGAIN: Final[Any] = object()


class Reply(msgspec.Struct, frozen=True):
    """Answer a call."""

    to: PendingCall
    value: Any


class SetTimeout(msgspec.Struct, frozen=True):
    """Set the named timer anew: a ``timeout`` event ``(name, content)`` (``{timeout, Name}``).

    Attributes:
        name: of the timer; ``state`` and ``event`` are those of the other two kinds.
        after_s: seconds; a time of 0 or less is a timeout that comes before anything that is
            received later, infinity cancels.
        content: of the event.
        absolute: whether ``after_s`` is a reading of ``now()`` instead (``{abs, true}``).
    """

    name: Any
    after_s: float
    content: Any = None
    absolute: bool = False


class StateTimeout(msgspec.Struct, frozen=True):
    """Set the timer that a change of state cancels; its name is ``state``, see SetTimeout."""

    after_s: float
    content: Any = None
    absolute: bool = False


class EventTimeout(msgspec.Struct, frozen=True):
    """Set the timer that any event cancels; its name is ``event``, see SetTimeout.

    A time of 0 is therefore the event after all others that wait inside the machine, if it comes.
    """

    after_s: float
    content: Any = None
    absolute: bool = False


class UpdateTimeout(msgspec.Struct, frozen=True):
    """Change the content of a running timer and leave its time; one that is not running fires now.

    As in gen_statem it stands for whatever the same transition has said of that timer before.
    """

    name: Any
    content: Any = None


class CancelTimeout(msgspec.Struct, frozen=True):
    """Cancel a named timer; one that is not running may be cancelled too."""

    name: Any


class Postpone(msgspec.Struct, frozen=True):
    """Keep this event and handle it again after the next change of state, be it this one's."""


class NextEvent(msgspec.Struct, frozen=True):
    """Insert an event before those that wait; several come in the order of their actions.

    Attributes:
        kind: any but ``enter``.
        event: as the machine will see it: ``(request, from_)`` for a ``call``, ``(name,
            content)`` for a ``timeout``.
    """

    kind: EventKind
    event: Any

    @property
    def fits(self) -> bool:
        """Whether it is an event of its kind."""
        match self.kind, self.event:
            case ("call", (_, from_)):
                return isinstance(from_, PendingCall)
            case ("timeout", (_, _)):
                return True
        return self.kind in {"cast", "info", "internal"}


class Hibernate(msgspec.Struct, frozen=True):
    """Give memory back once no event waits inside the machine."""


class ChangeCallbacks(msgspec.Struct, frozen=True):
    """Have another object handle events from now on (``change_callback_module``)."""

    callbacks: Any


class PushCallbacks(msgspec.Struct, frozen=True):
    """Have another object handle events until ``PopCallbacks`` (``push_callback_module``)."""

    callbacks: Any


class PopCallbacks(msgspec.Struct, frozen=True):
    """Go back to who handled events before ``PushCallbacks`` (``pop_callback_module``)."""


TimeoutAction = SetTimeout | StateTimeout | EventTimeout | UpdateTimeout | CancelTimeout
Action = (
    Reply
    | TimeoutAction
    | Postpone
    | NextEvent
    | Hibernate
    | ChangeCallbacks
    | PushCallbacks
    | PopCallbacks
)


class Transition(msgspec.Struct, eq=False):
    """What an event leads to; made by ``Next``, ``Keep``, ``Repeat`` or ``StopMachine``."""

    state: Any
    data: Any
    actions: tuple[Action, ...]
    stop: Reason | None = None


def Next(state: str, data: Any, *actions: Action) -> Transition:
    """Go to ``state`` (gen_statem's ``next_state``); to the same state is ``Keep``."""
    return Transition(state, data, actions)


def Keep(data: Any = SAME, *actions: Action) -> Transition:
    """Stay in the state, with new data or the same (``keep_state``, ``keep_state_and_data``)."""
    return Transition(SAME, data, actions)


def Repeat(data: Any = SAME, *actions: Action) -> Transition:
    """Stay in the state and be told ``enter`` again (``repeat_state``, ``repeat_state_and_data``).

    Postponed events and the state's timer stay, as with ``Keep``.
    """
    return Transition(AGAIN, data, actions)


def StopMachine(reason: Reason = NORMAL, data: Any = SAME, *replies: Reply) -> Transition:
    """End with ``reason`` after the replies (``stop``, ``stop_and_reply``)."""
    return Transition(SAME, data, replies, reason)


class BadTransition(TypeError):  # noqa: N818 - says what is so, as CallFailed does
    """A callback answered what gen_statem does not know, or there is none for a state.

    Attributes:
        machine: name of the class that answered.
        state: the state it was in.
        kind: of the event; ``init`` and ``code_change`` are those callbacks.
        event: the type of what was to be handled; contents may be secret.
        what: what was wrong, in OTP's words.
        value: the wrong value, as far as it may be shown.
    """

    def __init__(
        self, machine: str, state: Any, cause: tuple[str, Any], what: str, value: Any
    ) -> None:
        self.machine, self.state, self.what = machine, state, what
        self.kind, self.event = cause[0], type_of(*cause)
        self.value = _shown(value)
        super().__init__(
            f"{machine} in state {state!r} on {self.kind} {self.event}: {what}: {self.value}"
        )


def type_of(kind: str, event: Any) -> str:
    """What of an event may be shown to operators: the type of its content."""
    if kind == "call":
        event = event[0]
    if kind == "timeout":
        return repr(event[0])
    return repr(event) if kind == "enter" else type(event).__name__


def _shown(value: Any) -> str:
    if value is None or isinstance(value, str | int | float):
        return repr(value)[:80]
    return type(value).__name__


class TimerLeft(msgspec.Struct, frozen=True):
    """A running timer as data.

    Attributes:
        name: ``state``, ``event`` or its own.
        at: monotonic seconds at which it fires; comparable between the processes of one host.
        content: of its event.
    """

    name: Any
    at: float
    content: Any


class Snapshot(msgspec.Struct, frozen=True):
    """All that a machine is between two events; the objects that handle its events apart.

    Attributes:
        state: the state.
        data: its data.
        timers: the running timers, in the order they were set.
        postponed: (kind, event) of what waits for a change of state, oldest first. A ``call``
            holds its caller, who waits in this process.
    """

    state: str
    data: Any
    timers: tuple[TimerLeft, ...] = ()
    postponed: tuple[tuple[EventKind, Any], ...] = ()


class StateCallbacks:
    """Who handles a machine's events in its place; see ``ChangeCallbacks``.

    Attributes:
        callback_mode: as ``StateMachine.callback_mode``.
        state_enter: as ``StateMachine.state_enter``.
    """

    callback_mode: CallbackMode = "handle_event_function"
    state_enter: bool = False

    def handle_event(self, kind: EventKind, event: Any, state: str, data: Any) -> Transition:
        """As ``StateMachine.handle_event``."""
        raise TypeError(f"{type(self).__name__} handles no {kind} in {state}")

    def terminate(self, reason: Reason, state: str, data: Any) -> Any:
        """Clean up before the machine's end; may be ``async def``."""

    def code_change(self, old_vsn: Any, state: str, data: Any, extra: Any) -> tuple[str, Any]:
        """As ``StateMachine.code_change``."""
        raise TypeError(f"{type(self).__name__} has no code_change from {old_vsn!r}")

    def downgrade(self, new_vsn: Any, state: str, data: Any, extra: Any) -> tuple[str, Any]:
        """As ``StateMachine.downgrade``."""
        raise TypeError(f"{type(self).__name__} has no downgrade to {new_vsn!r}")

    def format_status(self, data: Any) -> Any:
        """As ``StateMachine.format_status``."""
        return data
