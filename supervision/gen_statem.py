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
    """Keep this event and handle it again after the next change of state, be it this one's."""


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
        """Return (state, data) or (state, data, *actions); or IGNORE, or Stop(reason).

        There is no event to postpone yet; inserted events are handled before any message.
        """
        raise TypeError(f"{type(self).__name__} has no init")

    def restore(self, args: Any, state: str, data: Any) -> Any:
        """Begin from what the supervisor kept of the last incarnation; as ``init``.

        Timers do not survive an incarnation: set them again here, from times kept in the data.
        """
        del args
        return state, data

    def handle_event(self, kind: EventKind, event: Any, state: str, data: Any) -> Transition:
        """Answer an event; for a ``call`` it is (request, from), for a timeout (name, content).

        The answer to ``enter`` may neither change the state nor postpone or insert events.
        """
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
        queue: deque[tuple[EventKind, Any]] = deque()
        self._act(tuple(actions), queue)
        if not self._enter(""):
            self._work_off(queue)
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
        self._work_off(deque(((kind, event),)))

    def _work_off(self, queue: deque[tuple[EventKind, Any]]) -> None:
        """Take events to their end: transitions, actions, inserted and postponed events."""
        while queue:
            event = queue.popleft()
            transition = self._transition(*event)
            if self._apply(transition, event, queue):
                return
        self._keep((self.state, self.data))

    def _transition(self, kind: EventKind, event: Any) -> Transition:
        transition = self.handle_event(kind, event, self.state, self.data)
        if not isinstance(transition, Transition):
            raise TypeError(f"handle_event returned {transition!r}, which is no transition")
        return transition

    def _apply(
        self,
        transition: Transition,
        event: tuple[EventKind, Any],
        queue: deque[tuple[EventKind, Any]],
    ) -> bool:
        """Carry a transition out; return whether the machine ends with it."""
        before = self.state
        self._take_over(transition)
        if transition.stop is not None:
            self._act(transition.actions, None)
            self._end(transition.stop)
            return True
        changed = self.state != before
        if transition.actions and any(type(action) is Postpone for action in transition.actions):
            self._postponed = [*(self._postponed or ()), event]
        if changed:
            self._cancel("state")
            queue.extendleft(reversed(self._take_postponed()))
        if transition.actions:
            self._act(transition.actions, queue)
        return changed and self._enter(before)

    def _take_over(self, transition: Transition) -> None:
        if transition.data is not _SAME:
            self.data = transition.data
        if transition.state is not _SAME:
            self.state = transition.state

    def _end(self, reason: Reason) -> None:
        # What ended in order has nothing to be restored from; what failed has its last state.
        self._keep(None if reason.clean else (self.state, self.data))
        self.stop(reason)

    def _take_postponed(self) -> list[tuple[EventKind, Any]]:
        postponed, self._postponed = self._postponed, None
        # A call that was given up meanwhile needs no answer.
        return [one for one in postponed or () if one[0] != "call" or not one[1][1].settled]

    def _enter(self, before: str) -> bool:
        """Tell the machine of its new state; return whether it ends there."""
        if not self.state_enter:
            return False
        state = self.state
        transition = self._transition("enter", before)
        self._take_over(transition)
        if self.state != state:
            raise TypeError(f"the enter event of {state!r} cannot change the state")
        self._act(transition.actions, None)
        if transition.stop is not None:
            self._end(transition.stop)
        return transition.stop is not None

    def _act(self, actions: tuple[Action, ...], queue: deque[tuple[EventKind, Any]] | None) -> None:
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
                case Postpone() if queue is not None:
                    pass  # done by whoever knows the event
                case NextEvent(kind, event) if queue is not None:
                    inserted.append((kind, event))
                case other:
                    raise TypeError(f"{other!r} is no action here")
        if inserted and queue is not None:
            queue.extendleft(reversed(inserted))

    # Timers and the kept state

    def _set(self, name: Any, after_s: float, content: Any) -> None:
        self._cancel(name)
        self._timers = self._timers if self._timers is not None else {}
        fired = _Fired(name, content)
        self._timers[name] = self.kernel.start_timer(self._myRef, after_s, fired, _timeout)

    def _cancel(self, name: Any) -> None:
        timer = self._timers.get(name) if self._timers else None
        if timer is not None:
            self._forget_timer(name)
            self.kernel.cancel_timer(timer)

    def _forget_timer(self, name: Any) -> None:
        # A new dictionary: the old one keeps the room of all the names that it has had. Machines
        # have few timers, but there are many machines.
        self._timers = {key: one for key, one in (self._timers or {}).items() if key != name}

    def _timed_out(self, fired: _Fired) -> None:
        # One that was cancelled or set anew after it fired must not be seen.
        timers = self._timers or {}
        timer = timers.get(fired.name)
        if timer is not None and timer.payload is fired:
            self._forget_timer(fired.name)
            self._handle("timeout", (fired.name, fired.content))

    def _keep(self, what: tuple[str, Any] | None) -> None:
        keeper = self._myRef.keeper
        if keeper is not None:
            keeper.kept = what


class _Fired(ActorSystemMessage):  # type: ignore[misc]
    # Does not know its timer, which knows it: every timer would leave a cycle behind.
    __slots__ = ("content", "name")

    def __init__(self, name: Any, content: Any) -> None:
        self.name = name
        self.content = content


def _timeout(timer: Timer) -> None:
    cell: Cell = timer.owner
    cell.kernel.forget_timer(timer)
    cell.kernel.deliver(cell, timer.payload, cell.address)
