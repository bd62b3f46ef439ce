"""How a state machine carries one event to its end; ``supervision.gen_statem`` says in which order.

This is gen_statem.erl's loop from ``loop_state_callback`` to ``loop_done``.
"""

from __future__ import annotations

from collections import deque
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from supervision.eventloop.calls import LOOK_FROM
from supervision.gen_statem.actions import (
    AGAIN,
    EVENT,
    SAME,
    STATE,
    Action,
    BadTransition,
    CallbackMode,
    CancelTimeout,
    ChangeCallbacks,
    EventKind,
    EventTimeout,
    Hibernate,
    NextEvent,
    PopCallbacks,
    Postpone,
    PushCallbacks,
    Reply,
    SetTimeout,
    StateTimeout,
    TimeoutAction,
    Transition,
    UpdateTimeout,
)
from supervision.gen_statem.timers import MachineTimers

if TYPE_CHECKING:
    from collections.abc import Collection

    from supervision.eventloop.calls import PendingCall
    from supervision.reasons import Reason

Queue = deque[tuple[EventKind, Any]]

ENDED: Final[Queue] = deque()
"""In the place of the events that wait: the machine ends."""
_TIMEOUTS: Final = frozenset({SetTimeout, CancelTimeout, StateTimeout, EventTimeout, UpdateTimeout})


class Machine(MachineTimers):
    """The engine of a state machine.

    Attributes:
        callback_mode: ``handle_event_function``: every event goes to ``handle_event``;
            ``state_functions``: those of state ``idle`` go to ``in_idle(kind, event, data)``.
            It is read for each event, so that ``code_change`` may set another.
        state_enter: whether the callback is told ``enter``, with the old state, when the machine
            begins (with the state itself), at each change of state and at ``Repeat``.
        states: the words that are states, for whoever sets one by hand; None where they are not
            told, nor known by ``state_functions``.
        state: the current state.
        data: the current data.
    """

    packed_field = "data"
    callback_mode: CallbackMode = "handle_event_function"
    state_enter: bool = False
    states: ClassVar[Collection[str] | None] = None

    state: str = ""
    data: Any = None
    _postponed: list[tuple[EventKind, Any]] | None = None
    # Who handles events in the machine's place, the present one last; None is itself alone. In the
    # tuple None stands for itself too: it must not hold itself.
    _callbacks: tuple[Any, ...] | None = None

    def handle_event(self, kind: EventKind, event: Any, state: str, data: Any) -> Transition:
        """Answer an event; for a ``call`` it is (request, from), for a timeout (name, content).

        The answer to ``enter`` may neither change the state nor postpone or insert events, nor
        swap callbacks.
        """
        raise TypeError(f"{type(self).__name__} handles no {kind} in {state}")

    # The way of an event

    def _go_on(self, queue: Queue | None) -> None:
        """Handle what waits inside the machine, then timeouts of no time, until nothing does."""
        while queue is not ENDED:
            if queue:
                kind, event = queue.popleft()
            elif self._due is not None:
                kind, event = "timeout", self._take_due()
            else:
                keeper = self._myRef.keeper
                if keeper is not None:  # as _keep, which every event would call
                    keeper.kept = (self.state, self.data)
                return
            queue = self._handle(kind, event, queue)

    def _handle(self, kind: EventKind, event: Any, queue: Queue | None) -> Queue | None:
        """Take one event to its end; return the events that wait then, or ENDED."""
        transition = self._ask(kind, event)
        before, after = self.state, transition.state
        if transition.data is not SAME:
            self.data = transition.data
        if transition.stop is not None:
            return self._stopped(transition, (kind, event))
        moved = after is not SAME and after is not AGAIN and after != before
        if moved:
            self.state = after
        steps = None
        if transition.actions:
            steps = Steps((kind, event))
            self._act(transition.actions, steps, steps.event)
        if (moved or after is AGAIN) and self._top().state_enter:
            steps = steps or Steps((kind, event))
            if self._enter(before, steps):
                return ENDED
        if steps is None and not moved and self._timers is None and self._due is None:
            return queue
        return self._settle(steps, queue, moved=moved)

    def _ask(self, kind: EventKind, event: Any) -> Transition:
        """Have the callback answer an event."""
        if self._callbacks is None and self.callback_mode == "handle_event_function":
            transition = self.handle_event(kind, event, self.state, self.data)
        else:
            transition = self._ask_callbacks(kind, event)
        if type(transition) is not Transition:
            what = "bad_return_from_state_function"
            raise self._bad((kind, event), what, closed(transition))
        return transition

    def _ask_callbacks(self, kind: EventKind, event: Any) -> Any:
        top = self._top()
        if top.callback_mode == "handle_event_function":
            return top.handle_event(kind, event, self.state, self.data)
        if top.callback_mode != "state_functions":
            raise self._bad((kind, event), "bad_callback_mode", top.callback_mode)
        function = getattr(top, f"in_{self.state}", None)
        if function is None:
            raise self._bad((kind, event), "no_state_function", f"in_{self.state}")
        return function(kind, event, self.data)

    def _top(self) -> Any:
        return self if self._callbacks is None else self._callbacks[-1]

    def _stopped(self, transition: Transition, cause: tuple[EventKind, Any]) -> Queue:
        for action in transition.actions:
            if type(action) is not Reply:
                raise self._bad(cause, "bad_reply_action_from_state_function", action)
            self.reply(action.to, action.value)
        assert transition.stop is not None
        self._end(transition.stop)
        return ENDED

    def _end(self, reason: Reason) -> None:
        # What ended in order has nothing to be restored from; what failed has its last state.
        self._keep(None if reason.clean else (self.state, self.data))
        self.stop(reason)

    def _keep(self, what: tuple[str, Any] | None) -> None:
        keeper = self._myRef.keeper
        if keeper is not None:
            keeper.kept = what

    def _bad(self, cause: tuple[str, Any], what: str, value: Any) -> BadTransition:
        return BadTransition(type(self._top()).__name__, self.state, cause, what, value)

    # Actions

    def _act(self, actions: tuple[Action, ...], steps: Steps, cause: tuple[str, Any]) -> None:
        """Send replies, swap callbacks, and note the rest for the moment it is due."""
        for action in actions:
            if type(action) is Reply:
                self.reply(action.to, action.value)
            elif type(action) in _TIMEOUTS:
                steps.timeouts.append(action)  # type: ignore[arg-type]
            elif type(action) is Hibernate:
                steps.hibernate = True
            elif steps.entering:
                raise self._bad(cause, "bad_state_enter_action_from_state_function", action)
            elif type(action) is NextEvent and action.fits:
                steps.inserted.append((action.kind, action.event))
            elif type(action) is Postpone:
                steps.postpone = True
            else:
                self._swap(action, cause)

    def _swap(self, action: Any, cause: tuple[str, Any]) -> None:
        stack = self._callbacks or (None,)
        match action:
            case ChangeCallbacks(callbacks) if callbacks is not None:
                self._callbacks = (*stack[:-1], callbacks)
            case PushCallbacks(callbacks) if callbacks is not None:
                self._callbacks = (*stack, callbacks)
            case PopCallbacks() if len(stack) > 1:
                self._callbacks = None if stack[:-1] == (None,) else stack[:-1]
            case _:
                raise self._bad(cause, "bad_action_from_state_function", action)

    def _enter(self, before: str, steps: Steps) -> bool:
        """Tell the machine of its new state, again where it says so; return whether it ends."""
        steps.entering, again = True, True
        while again:
            cause: tuple[EventKind, Any] = ("enter", before)
            transition = self._ask(*cause)
            again = transition.state is AGAIN
            if transition.data is not SAME:
                self.data = transition.data
            if transition.stop is not None:
                self._stopped(transition, cause)
                return True
            if not again and transition.state is not SAME and transition.state != self.state:
                what = "bad_state_enter_return_from_state_function"
                raise self._bad(cause, what, transition.state)
            self._act(transition.actions, steps, cause)
        return False

    def _settle(self, steps: Steps | None, queue: Queue | None, *, moved: bool) -> Queue | None:
        """Put queue and timers in order after an event; return the queue."""
        timers = self._timers
        if self._due is not None or (timers and (EVENT in timers or STATE in timers)):
            self._cancel_timeout(EVENT)
            if moved:
                self._cancel_timeout(STATE)
        if steps is not None and steps.postpone:
            self._put_off(steps.event)
        if moved and self._postponed is not None:
            queue = _before(queue, self._postponed_still())
            self._postponed = None
        if steps is None:
            return queue
        if steps.inserted:
            queue = _before(queue, steps.inserted)
        if steps.timeouts:
            try:
                self._set_timers(steps.timeouts)
            except TypeError as error:
                what = "bad_action_from_state_function"
                raise self._bad(steps.event, what, str(error)) from error
        if steps.hibernate and not queue and self._due is None:
            self.hibernate()
        return queue

    def _put_off(self, event: tuple[EventKind, Any]) -> None:
        waiting = self._postponed if self._postponed is not None else []
        if len(waiting) >= LOOK_FROM and not len(waiting) & (len(waiting) - 1):
            # At each doubling: those that were given up must not gather while the state stays.
            waiting = self._postponed_still()
        waiting.append(event)
        self._postponed = waiting

    def _postponed_still(self) -> list[tuple[EventKind, Any]]:
        now = self.now()  # a callback that has just held the loop has let deadlines pass
        return [
            one
            for one in self._postponed or ()
            if one[0] != "call" or not self._given_up(one[1][1], now)
        ]

    def _given_up(self, call: PendingCall, now: float) -> bool:
        """Whether nobody waits for the answer to a call any more; one that is late expires."""
        # Where the loop was held, deadlines have passed that nothing has looked at yet.
        if not call.settled and call.deadline is not None and call.deadline < now:
            call.expire()
        return call.settled


class Steps(msgspec.Struct, eq=False):
    """What is left to do of a transition once its actions are read."""

    event: tuple[Any, Any]
    timeouts: list[TimeoutAction] = []
    inserted: list[tuple[EventKind, Any]] = []
    postpone: bool = False
    hibernate: bool = False
    entering: bool = False


def _before(queue: Queue | None, events: list[tuple[EventKind, Any]]) -> Queue:
    if not queue:
        return deque(events)
    queue.extendleft(reversed(events))
    return queue


def closed(value: Any) -> Any:
    """What a callback answered, closed where it is a coroutine: those are for GenServers."""
    if type(value) is CoroutineType:
        value.close()  # what is never awaited must not be heard of again
    return value
