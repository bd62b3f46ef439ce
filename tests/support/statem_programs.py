"""A state machine of ours that carries the programs of ``statem_model`` out."""

from __future__ import annotations

from statem_model import LATE_S, Answer, Program

from supervision import (
    CancelTimeout,
    EventTimeout,
    Keep,
    Next,
    NextEvent,
    Postpone,
    Repeat,
    SetTimeout,
    StateMachine,
    StateTimeout,
    UpdateTimeout,
)
from supervision.testing import Kit


def action(what, *more):
    """An action of a program as one of ours."""
    match what, *more:
        case "postpone", *_:
            return Postpone()
        case "insert", content:
            return NextEvent("internal", content)
        case "cancel", name:
            return CancelTimeout(name)
        case "update", name, content:
            return UpdateTimeout(name, content)
    name, late, content = more
    after_s = LATE_S if late else 0.0
    kinds = {"state": StateTimeout, "event": EventTimeout}
    return kinds[name](after_s, content) if name in kinds else SetTimeout(name, after_s, content)


class Programmed(StateMachine):
    """Answers as its program says; its data are the number of the event."""

    def init(self, args):
        self.program, self.trace = args, []
        return "a", 0, *(action(*one) for one in args.init)

    def handle_event(self, kind, event, state, data):
        if kind == "timeout":
            kind, event = event
        self.trace.append((state, kind, event))
        answer: Answer = self.program.answer(kind, state, data)
        actions = [action(*one) for one in answer.actions]
        if answer.kind == "next":
            return Next(answer.state, data + 1, *actions)
        return (Repeat if answer.kind == "repeat" else Keep)(data + 1, *actions)


class Entering(Programmed):
    state_enter = True


def traced(program: Program):
    """What our engine makes of a program."""
    with Kit() as kit:
        machine = kit.start(Entering if program.enters else Programmed, program)
        actor = kit.actor(machine)
        for cast in program.casts:
            kit.cast(machine, cast)
        kit.settle()
        assert kit.reports == []
        return actor.trace
