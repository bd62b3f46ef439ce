"""StateMachine: OTP's gen_statem with handle_event_function, in Python's manner.

A machine is a state (a word), data (one immutable typed record) and ``handle_event``, which
answers an event with a transition. Because the data is replaced and never changed in place, a
supervisor can keep the last handled state at no cost and give it back to the next incarnation.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from supervision._thespian import ActorSystemMessage
from supervision.behaviour import Behaviour
from supervision.eventloop.calls import PendingCall
from supervision.eventloop.managed import IGNORE, Cast, Stop
from supervision.reasons import NORMAL, Reason

if TYPE_CHECKING:
    from supervision.eventloop.cell import Cell
    from supervision.eventloop.timers import Timer

EventKind = Literal["call", "cast", "info", "timeout", "internal", "enter"]

_SAME: Any = object()


class Reply(msgspec.Struct, frozen=True):
    """Answer a call."""

    to: PendingCall
    value: Any


class SetTimeout(msgspec.Struct, frozen=True):
    """Set the named timer anew: a ``timeout`` event ``(name, content)`` after ``after_s``."""

    name: Any
    after_s: float
    content: Any = None


class StateTimeout(msgspec.Struct, frozen=True):
    """Set the timer that a change of state cancels; its name is ``state``."""

    after_s: float
    content: Any = None


class CancelTimeout(msgspec.Struct, frozen=True):
    """Cancel a named timer."""

    name: Any


class Postpone(msgspec.Struct, frozen=True):
    """Keep this event and handle it again after the next change of state."""


class NextEvent(msgspec.Struct, frozen=True):
    """Insert an event before those that wait."""

    kind: EventKind
    event: Any


Action = Reply | SetTimeout | StateTimeout | CancelTimeout | Postpone | NextEvent


class Transition:
    """What an event leads to; made by ``Next``, ``Keep`` or ``StopMachine``."""

    __slots__ = ("actions", "data", "state", "stop")

    def __init__(
        self, state: Any, data: Any, actions: tuple[Action, ...], stop: Reason | None = None
    ) -> None:
        self.state = state
        self.data = data
        self.actions = actions
        self.stop = stop


def Next(state: str, data: Any, *actions: Action) -> Transition:
    """Go to ``state`` (gen_statem's ``next_state``)."""
    return Transition(state, data, actions)


def Keep(data: Any = _SAME, *actions: Action) -> Transition:
    """Stay in the state, with new data or the same (``keep_state``)."""
    return Transition(_SAME, data, actions)


def StopMachine(reason: Reason = NORMAL, data: Any = _SAME, *replies: Reply) -> Transition:
    """End with ``reason`` after the replies (``stop_and_reply``)."""
    return Transition(_SAME, data, replies, reason)


class StateMachine(Behaviour):
    """A state machine; override ``init`` and ``handle_event`` (gen_statem(3)).

    Attributes:
        state_enter: whether ``handle_event`` is told ``enter`` (with the old state) on each
            change of state.
        state: the current state.
        data: the current data.
    """

    kind = "statem"
    state_enter: ClassVar[bool] = False

    state: str = ""
    data: Any = None
    _timers: dict[Any, Timer] | None = None
    _postponed: list[tuple[EventKind, Any]] | None = None

    # Callbacks

    def init(self, args: Any) -> Any:
        """Return (state, data) or (state, data, *actions); or IGNORE, or Stop(reason)."""
        raise TypeError(f"{type(self).__name__} has no init")

    def restore(self, args: Any, state: str, data: Any) -> Any:
        """Begin from what the supervisor kept of the last incarnation; as ``init``.

        Timers do not survive an incarnation: set them again here, from times kept in the data.
        """
        del args
        return state, data

    def handle_event(self, kind: EventKind, event: Any, state: str, data: Any) -> Transition:
        """Answer an event; for a ``call`` it is (request, from), for a timeout (name, content)."""
        raise TypeError(f"{type(self).__name__} handles no {kind} in {state}")

    def terminate(self, reason: Reason) -> Any:
        """Clean up before the end; not called when killed."""

    def status(self) -> Any:
        """The scrubbed state and data."""
        return {"state": self.state, "data": self.format_status(self.data)}

    # How messages reach them

    def on_start(self, args: Any) -> Any:
        """Run ``init``, or ``restore`` where the supervisor kept a state."""
        keeper = self._myRef.keeper
        if keeper is not None and keeper.kept is not None:
            begun = self.restore(args, *keeper.kept)
        else:
            begun = self.init(args)
        if begun is IGNORE or isinstance(begun, Stop):
            return begun
        self.state, self.data, *actions = begun
        self._act(tuple(actions))
        self._enter("")
        self._keep()
        return None

    def on_finish(self, reason: Reason) -> Any:
        """Run ``terminate``."""
        return self.terminate(reason)

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        """Hand a message to ``handle_event``."""
        del sender
        if isinstance(msg, PendingCall):
            if not msg.settled:
                self._defer(msg)
                self._handle("call", (msg.request, msg))
        elif type(msg) is Cast:
            self._handle("cast", msg.request)
        elif type(msg) is _Fired:
            self._timed_out(msg)
        else:
            self._handle("info", msg)

    def _handle(self, kind: EventKind, event: Any) -> None:
        """Take one event to its end: transition, actions, inserted and postponed events."""
        queue: deque[tuple[EventKind, Any]] = deque(((kind, event),))
        while queue:
            kind, event = queue.popleft()
            transition = self.handle_event(kind, event, self.state, self.data)
            self._apply(transition, kind, event, queue)
            if transition.stop is not None:
                self._keep()
                self.stop(transition.stop)
                return
        self._keep()

    def _apply(
        self,
        transition: Transition,
        kind: EventKind,
        event: Any,
        queue: deque[tuple[EventKind, Any]],
    ) -> None:
        before = self.state
        if transition.data is not _SAME:
            self.data = transition.data
        if transition.state is not _SAME:
            self.state = transition.state
        changed = self.state != before
        if changed:
            self._cancel("state")
            queue.extendleft(reversed(self._take_postponed()))
        if transition.actions:
            self._act(transition.actions, (kind, event), queue)
        if changed:
            self._enter(before)

    def _take_postponed(self) -> list[tuple[EventKind, Any]]:
        postponed, self._postponed = self._postponed, None
        return postponed or []

    def _enter(self, before: str) -> None:
        if not self.state_enter:
            return
        transition = self.handle_event("enter", before, self.state, self.data)
        if transition.data is not _SAME:
            self.data = transition.data
        self._act(transition.actions)

    def _act(
        self,
        actions: tuple[Action, ...],
        event: tuple[EventKind, Any] | None = None,
        queue: deque[tuple[EventKind, Any]] | None = None,
    ) -> None:
        inserted = []
        for action in actions:
            match action:
                case Reply(to, value):
                    self.reply(to, value)
                case SetTimeout(name, after_s, content):
                    self._set(name, after_s, content)
                case StateTimeout(after_s, content):
                    self._set("state", after_s, content)
                case CancelTimeout(name):
                    self._cancel(name)
                case Postpone() if event is not None:
                    self._postponed = [*(self._postponed or ()), event]
                case NextEvent(kind, inner) if queue is not None:
                    inserted.append((kind, inner))
        if inserted and queue is not None:
            queue.extendleft(reversed(inserted))

    # Timers and the kept state

    def _set(self, name: Any, after_s: float, content: Any) -> None:
        self._cancel(name)
        self._timers = self._timers if self._timers is not None else {}
        fired = _Fired(name, content)
        fired.timer = self._timers[name] = self.kernel.start_timer(
            self._myRef, after_s, fired, _timeout
        )

    def _cancel(self, name: Any) -> None:
        timer = self._timers.pop(name, None) if self._timers else None
        if timer is not None:
            self.kernel.cancel_timer(timer)

    def _timed_out(self, fired: _Fired) -> None:
        # One that was cancelled or set anew after it fired must not be seen.
        if self._timers is not None and self._timers.get(fired.name) is fired.timer:
            del self._timers[fired.name]
            self._handle("timeout", (fired.name, fired.content))

    def _keep(self) -> None:
        keeper = self._myRef.keeper
        if keeper is not None:
            keeper.kept = (self.state, self.data)


class _Fired(ActorSystemMessage):  # type: ignore[misc]
    __slots__ = ("content", "name", "timer")

    def __init__(self, name: Any, content: Any) -> None:
        self.name = name
        self.content = content
        self.timer: Timer | None = None


def _timeout(timer: Timer) -> None:
    cell: Cell = timer.owner
    cell.kernel.forget_timer(timer)
    cell.kernel.deliver(cell, timer.payload, cell.address)
