"""The actors that the cases of sys are about, and how they are watched."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from msgspec import Struct, structs
from thespian.actors import Actor

from supervision import (
    Cast,
    EventHandler,
    GenServer,
    Keep,
    Next,
    Postpone,
    StateMachine,
    StateTimeout,
)
from supervision.behaviour import NO_REPLY
from supervision.introspection import Introspection

PATH = "server"


class Balance(Struct):
    """The state of an account."""

    owner: str
    amount: int = 0
    secret: str = "4711"
    limits: dict[str, int] = {}
    partner: Any = None


class Add(Struct, frozen=True):
    amount: int


class Wait(Struct, frozen=True):
    seconds: float


class Ask(Struct, frozen=True):
    whom: tuple


class Counting(EventHandler):
    """Counts events."""

    state = 0

    def handle_event(self, event):
        self.state += 1


class Account(GenServer):
    """A server whose state has a secret."""

    version = 2
    ended = None

    def init(self, args):
        self.state = Balance(args or "ann")

    def handle_call(self, request, from_):
        match request:
            case Add(amount):
                self.state.amount += amount
                return self.state.amount
            case "later":
                self.open = from_
                return NO_REPLY
            case Wait(seconds):
                return self.wait(seconds)
            case Ask(whom):
                return self.ask(whom)
            case "crash":
                raise ValueError("as asked")
            case other:
                return other

    async def ask(self, whom):
        asked = self.asking()
        for number, address in enumerate(whom):
            asked.add(number, address, "hello")
        return len((await asked.all()).replies)

    async def wait(self, seconds):
        await asyncio.sleep(seconds)
        return "waited"

    def handle_cast(self, request):
        match request:
            case Wait(seconds):
                return self.wait(seconds)
            case "answer":
                self.reply(self.open, 7)
            case ("tell", whom):
                self.send(whom, Add(1))
                self.cast(whom, Add(2))
            case "timer":
                self.timer = self.start_timer(3.0, "tick")
            case "go on":
                self.continue_with("rest")
            case "no timer":
                self.cancel_timer(self.timer)
        return None

    def handle_info(self, message, sender):
        pass

    def handle_continue(self, term):
        pass

    def code_change(self, old_vsn, state, extra):
        if extra == "slow":
            return self.convert_slowly(state)
        if old_vsn != 1:
            raise ValueError(f"no way from {old_vsn}")
        return structs.replace(state, owner=f"{state.owner}/{extra}")

    async def convert_slowly(self, state):
        await asyncio.sleep(60.0)
        return state

    def terminate(self, reason):
        type(self).ended = str(reason)

    def format_status(self, state):
        return {"owner": state.owner, "amount": state.amount, "limits": state.limits}


class Door(StateMachine):
    """Opens for a moment; knocks wait while it is open."""

    def init(self, args):
        return "shut", 0

    def handle_event(self, kind, event, state, data):
        match kind, event, state:
            case "cast", "open", "shut":
                return Next("open", data, StateTimeout(2.0))
            case "cast", "knock", "open":
                return Keep(data, Postpone())
            case "timeout", _, _:
                return Next("shut", data)
        return Keep(data + 1)


class Plain(Actor):
    """An actor as Thespian knows it."""

    def receiveMessage(self, msg, sender):
        if isinstance(msg, Add):
            self.send(sender, msg.amount + 1)


class System:
    """An introspection with the kit's time: what it awaits is run to its end."""

    def __init__(self, kit, **limits):
        from supervision.introspection import DebugLimits

        self._kit = kit
        self._own = Introspection(kit.kernel, PATH, DebugLimits(**limits))

    def __getattr__(self, name):
        own = getattr(self._own, name)

        def call(*args, **options):
            result = self._kit.loop.run(partial(own, *args, **options))
            return self._kit.run(result) if asyncio.iscoroutine(result) else result

        return call


def told(row):
    """The events of a log in words."""
    return [" ".join(filter(None, (e.event, e.way, e.message))) for e in row.events]


def cast(kit, request, to=PATH):
    kit.send(kit.address(to), Cast(request))
    kit.settle()
