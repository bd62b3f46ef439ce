"""State machines under watch: the states they enter, what they postpone, the timers they set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.gen_statem.actions import Postpone
from supervision.gen_statem.timers import Fired

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from supervision.gen_statem.actions import Transition
    from supervision.introspection.events import Watcher


class Word(str):
    """The name of a state or a timer: never a secret, so it is shown as it is."""

    __slots__ = ()


def fired_timer(msg: Any) -> Any:
    """The name of a machine's timer that fired; None for any other message."""
    return _word(msg.name) if type(msg) is Fired else None


def _word(name: Any) -> Any:
    return Word(name) if isinstance(name, str) else name


def _ask(own: Any, watches: Mapping[int, Watcher]) -> Any:
    """The machine's callback has answered an event."""

    def ask(self: Any, kind: Any, event: Any) -> Any:
        before = self.state
        transition = own(self, kind, event)
        if watch := watches.get(id(self)):
            _tell(watch, kind, event, before, transition)
        return transition

    return ask


def _tell(watch: Watcher, kind: Any, event: Any, before: str, transition: Transition) -> None:
    if kind != "enter":
        what = event[0] if kind == "call" else event
        what = _word(event[0]) if kind == "timeout" else what
        postponed = any(isinstance(action, Postpone) for action in transition.actions)
        watch.say("postpone" if postponed else "consume", what, str(kind))
    if isinstance(transition.state, str) and transition.state != before:
        watch.say("enter", Word(transition.state))


def _start(own: Any, watches: Mapping[int, Watcher]) -> Any:
    def start(self: Any, name: Any, after_s: float, content: Any) -> Any:
        if watch := watches.get(id(self)):
            watch.say("start_timer", _word(name), "", None, after_s)
        return own(self, name, after_s, content)

    return start


def _cancel(own: Any, watches: Mapping[int, Watcher]) -> Any:
    def cancel(self: Any, name: Any) -> Any:
        if name in (self._timers or ()) and (watch := watches.get(id(self))):
            watch.say("cancel_timer", _word(name))
        return own(self, name)

    return cancel


MACHINE_OVERRIDES: dict[str, Callable[[Any, Mapping[int, Watcher]], Any]] = {
    "_ask": _ask,
    "_start": _start,
    "_cancel_timeout": _cancel,
}
"""These are gen_statem's own steps: what a machine does inside passes through no public method."""
