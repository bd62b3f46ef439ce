"""Programs for state machines, and an independent model of the order in which events come.

A program is data that our engine, the model below and an Erlang module can all carry out. It says
for each state what is answered; the n-th event that is handled gets the n-th answer, round and
round. The trace of a run is what was handled, in order. The model follows the words of
gen_statem(3), "Transition Options", and shares nothing with the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

STATES = ("a", "b", "c")
TIMERS = ("state", "event", "x", "y")
LATE_S = 3600.0
LIMIT = 40
"""Events after which a program only keeps its state, so that every run ends."""


@dataclass(frozen=True)
class Answer:
    """What a program answers an event: ``next``, ``keep`` or ``repeat``, and its actions.

    Actions are tuples: ``("postpone",)``, ``("insert", content)``, ``("set", timer, late,
    content)``, ``("update", timer, content)`` and ``("cancel", timer)``.
    """

    kind: str
    state: str = ""
    actions: tuple[tuple[Any, ...], ...] = ()


@dataclass(frozen=True)
class Program:
    """Answers by state, those to ``enter`` apart, the actions of ``init`` and the casts."""

    enters: bool
    answers: dict[str, tuple[Answer, ...]]
    on_enter: dict[str, tuple[Answer, ...]]
    init: tuple[tuple[Any, ...], ...]
    casts: tuple[int, ...]

    def answer(self, kind: str, state: str, number: int) -> Answer:
        """The answer to the event of this number."""
        if number >= LIMIT:
            return Answer("keep")
        answers = (self.on_enter if kind == "enter" else self.answers)[state]
        return answers[number % len(answers)]


contents = st.integers(0, 9)
timeouts = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(TIMERS), st.booleans(), contents),
    st.tuples(st.just("update"), st.sampled_from(TIMERS), contents),
    st.tuples(st.just("cancel"), st.sampled_from(TIMERS)),
)
actions = st.one_of(
    timeouts, st.just(("postpone",)), st.tuples(st.just("insert"), contents), timeouts
)


def _several(of: Any, most: int) -> Any:
    return st.lists(of, max_size=most).map(tuple)


answers = st.builds(
    Answer,
    st.sampled_from(("next", "keep", "repeat")),
    st.sampled_from(STATES),
    _several(actions, 4),
)
enter_answers = st.builds(
    Answer, st.sampled_from(("keep", "keep", "repeat")), st.just(""), _several(timeouts, 2)
)


def _by_state(of: Any) -> Any:
    return st.fixed_dictionaries(
        {one: st.lists(of, min_size=1, max_size=4).map(tuple) for one in STATES}
    )


not_postponed = actions.filter(lambda action: action != ("postpone",))
programs = st.builds(
    Program,
    st.booleans(),
    _by_state(answers),
    _by_state(enter_answers),
    _several(not_postponed, 3),
    _several(contents, 6),
)


@dataclass
class Model:
    """Carries a program out; ``trace`` is (state, kind, content) of what was handled."""

    program: Program
    state: str = "a"
    handled: int = 0
    trace: list[tuple[str, str, Any]] = field(default_factory=list)
    waiting: list[tuple[str, Any]] = field(default_factory=list)
    postponed: list[tuple[str, Any]] = field(default_factory=list)
    late: dict[str, int] = field(default_factory=dict)
    zero: list[tuple[str, int]] = field(default_factory=list)

    def run(self) -> list[tuple[str, str, Any]]:
        """The trace of the whole program."""
        timers = self.keep_timers(self.program.init)
        self.waiting = [("internal", one[1]) for one in self.program.init if one[0] == "insert"]
        if self.program.enters:
            timers += self.enter(self.state)
        self.set_timers(timers)
        self.drain()
        for cast in self.program.casts:
            self.handle("cast", cast)
            self.drain()
        return self.trace

    def drain(self) -> None:
        """Handle all that comes before the next message."""
        while self.waiting or self.zero:
            if self.waiting:
                self.handle(*self.waiting.pop(0))
            else:
                self.handle(*self.zero.pop(0))

    def ask(self, kind: str, content: Any) -> Answer:
        """Write an event down and look its answer up."""
        self.trace.append((self.state, kind, content))
        self.handled += 1
        return self.program.answer(kind, self.state, self.handled - 1)

    def handle(self, kind: str, content: Any) -> None:
        """The sequence of "Transition Options", point by point."""
        answer = self.ask(kind, content)
        before = self.state
        self.state = answer.state if answer.kind == "next" else before
        changed = self.state != before
        timers = self.keep_timers(answer.actions)
        if self.program.enters and (changed or answer.kind == "repeat"):
            timers += self.enter(before)
        if ("postpone",) in answer.actions:
            self.postponed.append((kind, content))
        if changed:
            self.waiting, self.postponed = self.postponed + self.waiting, []
        inserted = [("internal", one[1]) for one in answer.actions if one[0] == "insert"]
        self.waiting = inserted + self.waiting
        self.cancel("event")
        if changed:
            self.cancel("state")
        self.set_timers(timers)

    def enter(self, before: str) -> list[tuple[Any, ...]]:
        """Tell of the state, as often as the program wants; return what is said of timers."""
        said: list[tuple[Any, ...]] = []
        while True:
            answer = self.ask("enter", before)
            said += self.keep_timers(answer.actions)
            if answer.kind != "repeat":
                return said

    def keep_timers(self, of: tuple[tuple[Any, ...], ...]) -> list[tuple[Any, ...]]:
        """Those actions that are about timers."""
        return [one for one in of if one[0] in {"set", "update", "cancel"}]

    def cancel(self, name: str) -> None:
        """Forget a timer, whatever it is at."""
        self.late.pop(name, None)
        self.zero = [one for one in self.zero if one[0] != name]

    def set_timers(self, timers: list[tuple[Any, ...]]) -> None:
        """Of each timer only what was said last counts."""
        for place, (what, name, *more) in enumerate(timers):
            if any(later[1] == name for later in timers[place + 1 :]):
                continue
            if what == "update":
                self.update(name, more[0])
                continue
            self.cancel(name)
            if what == "set" and more[0]:
                self.late[name] = more[1]
            elif what == "set":
                self.zero.append((name, more[1]))

    def update(self, name: str, content: int) -> None:
        """Change a timer's content in its place; one that is not there is due."""
        if name in self.late:
            self.late[name] = content
        elif any(one[0] == name for one in self.zero):
            self.zero = [(one, content if one == name else was) for one, was in self.zero]
        else:
            self.zero.append((name, content))
