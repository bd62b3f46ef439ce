"""The timers of a state machine: named, of its state, of the next event (gen_statem(3))."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

import msgspec

from supervision._thespian import ActorSystemMessage
from supervision.behaviour import Behaviour
from supervision.gen_statem.actions import (
    EVENT,
    STATE,
    CancelTimeout,
    EventTimeout,
    SetTimeout,
    StateTimeout,
    TimeoutAction,
    TimerLeft,
    UpdateTimeout,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from supervision.eventloop.cell import Cell
    from supervision.eventloop.timers import Timer


SMALLEST: Final = 5
"""Timers for which a dictionary has room from the first on; machines have few, and are many."""


class Fired(ActorSystemMessage, msgspec.Struct, eq=False):  # type: ignore[misc]
    """A machine's timer is due; the machine's own affair."""

    # Does not know its timer, which knows it: every timer would leave a cycle behind.
    name: Any
    content: Any


class MachineTimers(Behaviour):
    """The part of a state machine that keeps its timers; both stores are None until used."""

    _timers: dict[Any, Timer] | None = None
    # Timeouts of no time, by name, in the order they will come.
    _due: dict[Any, Any] | None = None

    def _set_timers(self, actions: Sequence[TimeoutAction]) -> None:
        """Carry out the timer actions of one transition.

        Raises:
            TypeError: a time is no number, or a name cannot be one.
        """
        if len(actions) > 1 and UpdateTimeout in map(type, actions):
            actions = _last_of_each(actions)
        for action in actions:
            if isinstance(action, CancelTimeout):
                self._cancel_timeout(action.name)
            elif isinstance(action, UpdateTimeout):
                self._update_timer(action.name, action.content)
            else:
                name = action.name if isinstance(action, SetTimeout) else _name_of(action)
                if 0 < action.after_s < inf and not action.absolute:
                    self._start(name, action.after_s, action.content)
                else:
                    self._set_otherwise(name, action)

    def _set_otherwise(self, name: Any, action: SetTimeout | StateTimeout | EventTimeout) -> None:
        """Set a timer to an absolute time, to none or to never."""
        after_s = action.after_s
        if after_s != after_s:  # noqa: PLR0124 - what is no number is not equal to itself
            raise TypeError("nan is no time")
        if after_s == inf:
            self._cancel_timeout(name)
        elif action.absolute:
            self._start(name, max(0.0, after_s - self.now()), action.content)
        else:
            self._cancel_timeout(name)
            self._fire_now(name, action.content)

    def _start(self, name: Any, after_s: float, content: Any) -> None:
        if self._due is not None:
            self._forget_due(name)
        timer = self.kernel.start_timer(self._myRef, after_s, Fired(name, content), _timeout)
        timers = self._timers
        if timers is None:
            self._timers = {name: timer}
            return
        running = timers.get(name)
        timers[name] = timer
        if running is not None:
            self.kernel.cancel_timer(running)

    def _carry(self, timers: Iterable[tuple[Any, float]]) -> None:
        """Set timers that ran in another process; nothing else has set any."""
        cell = self._myRef
        carry = cell.kernel.carry_timer
        running = {name: carry(cell, at, Fired(name, None), _timeout) for name, at in timers}
        self._timers = running or None

    def timer_at(self, name: Any) -> float | None:
        """When a timer fires, monotonic seconds; None where it does not run."""
        timer = None if self._timers is None else self._timers.get(name)
        return None if timer is None else timer.when

    def _fire_now(self, name: Any, content: Any) -> None:
        self._due = self._due if self._due is not None else {}
        self._due[name] = content

    def _update_timer(self, name: Any, content: Any) -> None:
        timer = self._timers.get(name) if self._timers else None
        if timer is not None:
            timer.payload.content = content
        else:
            self._fire_now(name, content)  # where it is due already it keeps its place

    def _cancel_timeout(self, name: Any) -> None:
        timers = self._timers
        if timers is not None and name in timers:
            self.kernel.cancel_timer(timers.pop(name))
            if not timers:
                self._timers = None
            elif len(timers) == SMALLEST:
                self._timers = dict(timers)  # gives back the room of all the names it has had
        if self._due is not None:
            self._forget_due(name)

    def _forget_due(self, name: Any) -> None:
        assert self._due is not None
        self._due.pop(name, None)
        if not self._due:
            self._due = None

    def _take_due(self) -> tuple[Any, Any]:
        """The next timeout of no time."""
        assert self._due is not None
        name = next(iter(self._due))
        content = self._due[name]
        self._forget_due(name)
        return name, content

    def _has_fired(self, fired: Fired) -> bool:
        """Whether a timer that fired counts: it was not cancelled or set anew since."""
        timers = self._timers
        timer = None if timers is None else timers.get(fired.name)
        if timers is None or timer is None or timer.payload is not fired:
            return False
        del timers[fired.name]
        if not timers:
            self._timers = None
        elif len(timers) == SMALLEST:
            self._timers = dict(timers)
        return True

    def timers_left(self) -> tuple[TimerLeft, ...]:
        """The running timers as data, in the order they were set."""
        running = (
            (name, timer.when, timer.payload) for name, timer in (self._timers or {}).items()
        )
        now = self.now()
        return (
            *(TimerLeft(name, when, fired.content) for name, when, fired in running),
            *(TimerLeft(name, now, content) for name, content in (self._due or {}).items()),
        )


def _name_of(action: TimeoutAction) -> Any:
    if isinstance(action, StateTimeout):
        return STATE
    return EVENT if isinstance(action, EventTimeout) else action.name


def _last_of_each(actions: Sequence[TimeoutAction]) -> list[TimeoutAction]:
    """What a transition says last of each timer is all that it says of it (gen_statem.erl)."""
    last = {_name_of(action): at for at, action in enumerate(actions)}
    return [action for at, action in enumerate(actions) if last[_name_of(action)] == at]


def _timeout(timer: Timer) -> None:
    cell: Cell = timer.owner
    cell.kernel.forget_timer(timer)
    cell.kernel.deliver(cell, timer.payload, cell.address)
