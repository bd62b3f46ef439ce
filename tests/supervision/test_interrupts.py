"""A KeyboardInterrupt is the program's: it gets out, and leaves no actor half alive behind it."""

from __future__ import annotations

import asyncio

import pytest
from thespian.actors import Actor

from supervision import ChildSpec, GenServer, ServerDied, SupervisorFlags, reasons

WHERE = ["init", "handler", "terminate"]
WHERE += [f"later {place}" for place in WHERE]


class Interrupted(GenServer):
    """Is interrupted once, at the place that stands in its list, which waits there if ``later``."""

    def init(self, where):
        self.state = where
        return self.at("init")

    def handle_cast(self, request):
        return self.at("handler")

    def handle_call(self, request, from_):
        return self.at("handler") or request

    def terminate(self, reason):
        return self.at("terminate")

    def at(self, place):
        if self.state == [place]:
            self.state.clear()
            raise KeyboardInterrupt
        if self.state == [f"later {place}"]:
            self.state.clear()
            return self.wait()
        return None

    async def wait(self):
        await asyncio.sleep(1.0)
        raise KeyboardInterrupt


class Plain(Actor):
    def receiveMessage(self, msg, sender):
        if msg == "interrupt":
            raise KeyboardInterrupt
        self.send(sender, msg)


def child_of_a_supervisor(kit):
    where = []
    kit.start_supervisor(SupervisorFlags(intensity=5), [ChildSpec("child", Interrupted, where)])
    return kit.address("top/child"), where


def until_it_gets_out(kit):
    with pytest.raises(KeyboardInterrupt):
        kit.advance(5.0)
    kit.advance(5.0)


@pytest.mark.parametrize("where", WHERE)
def test_an_actor_that_was_interrupted_ends_and_is_started_again(kit, where):
    child, place = child_of_a_supervisor(kit)
    place.append(where)
    if where.endswith("handler"):
        for _ in range(3):
            kit.loop.run(kit.base.cast, child, "go")
    else:
        kit.faults.exit(child, reasons.error("to come to its end and to its init"))
    until_it_gets_out(kit)
    assert kit.call(child, "still there?") == "still there?"
    assert child.incarnation == (3 if where.endswith("init") else 2)
    crashes = [report.data["reason"] for report in kit.reported("crash")]
    assert ["KeyboardInterrupt" in reason for reason in crashes].count(True) == 1


@pytest.mark.parametrize("where", ["handler", "later handler"])
def test_the_caller_of_an_interrupted_actor_is_told(kit, where):
    child, place = child_of_a_supervisor(kit)
    place.append(where)
    answer = kit.loop.run(kit.base.call, child, "go", None)
    until_it_gets_out(kit)
    assert isinstance(answer.exception(), ServerDied)


def test_other_actors_do_not_hear_of_it(kit):
    child, place = child_of_a_supervisor(kit)
    other = kit.start(Interrupted, [])
    place.append("handler")
    kit.loop.run(kit.base.cast, child, "go")
    answer = kit.loop.run(kit.base.call, other, "go", None)
    until_it_gets_out(kit)
    assert answer.result() == "go"
    assert (other.incarnation, kit.address("top").incarnation) == (1, 1)


def test_a_plain_actor_that_was_interrupted_ends(kit):
    plain, sender = kit.start(Plain), kit.probe()
    for message in ("interrupt", "behind it"):
        kit.loop.run(kit.kernel.send, plain, message, sender.address)
    until_it_gets_out(kit)
    assert not kit.alive(plain)
    assert sender.messages == []
