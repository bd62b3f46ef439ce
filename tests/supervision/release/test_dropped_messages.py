"""An adapter that returns None drops the message, wherever what it was asked about lies."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from supervision import (
    ChildSpec,
    GenServer,
    Keep,
    Next,
    Postpone,
    Response,
    ServerDied,
    SetTimeout,
    StateMachine,
    Supervisor,
    SupervisorFlags,
)
from supervision.eventloop.calls import PendingCall
from supervision.eventloop.timers import Timer
from supervision.release.messages import Adapters
from supervision.release.versions import Conversions
from supervision.testing import Takeover


class Old(Struct, frozen=True):
    n: int


class Outer(Struct, frozen=True):
    inner: Any


NOTHING = Adapters(up={f"{__name__}:Old": lambda _: None}, down={f"{__name__}:Old": lambda _: None})
SAME_STATE = Conversions(up={1: lambda state: state}, down={2: lambda state: state})


class Seen(Struct):
    seen: list[str] = []
    alarm: Timer | None = None


def said(what: str, value: Any) -> str:
    return f"{what} {getattr(value, 'n', value)}"


class Target(GenServer):
    version = 1
    carried = Seen
    carried_as = "Target"

    def init(self, args: Any) -> None:
        self.state = Seen()
        self.register("target")

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        self.state.seen.append(said("call", request))
        return "answered"

    def handle_cast(self, request: Any) -> None:
        if callable(request):
            request(self)
        else:
            self.state.seen.append(said("cast", request))

    def handle_continue(self, term: Any) -> None:
        self.state.seen.append(said("term", term))

    def handle_info(self, message: Any, sender: Any) -> None:
        value = getattr(message, "payload", None) or getattr(message, "error", None) or message
        self.state.seen.append(said("info", value))


class NewTarget(Target):
    version = 2
    conversions = SAME_STATE
    adapters = NOTHING


class Asker(GenServer):
    carried = list[Any]

    def init(self, args: Any) -> None:
        self.state = []
        self.register("asker")

    def handle_cast(self, request: Any) -> None:
        self.request("target", request, timeout=None)

    def handle_info(self, message: Response, sender: Any) -> None:
        self.state.append(message.value if message.error is None else type(message.error))


both_ways = pytest.mark.parametrize(
    ("old", "new"), [(Target, NewTarget), (NewTarget, Target)], ids=["upgrade", "rollback"]
)


def grown(pair: Takeover, old: type[Any], new: type[Any]) -> None:
    for node, kind in ((pair.old, old), (pair.new, new)):
        node.start(kind, name="target")
        node.start(Asker, name="asker")


def go_on(pair: Takeover) -> Any:
    """Take over, have the target handle what waits for it; return it."""
    pair.old.settle()
    pair.take_over()
    pair.new.kernel.resume(pair.new.kernel.cell_of("target"))
    pair.new.settle()
    pair.new.advance(20.0)
    return pair.new.actor("target")


def suspend(pair: Takeover) -> None:
    pair.old.kernel.cell_of("target").suspended = True


@both_ways
def test_a_call_that_is_dropped_is_not_handled_and_its_caller_is_told(old: Any, new: Any) -> None:
    with Takeover() as pair:
        grown(pair, old, new)
        suspend(pair)
        pair.old.cast("asker", Old(1))
        pair.old.cast("asker", "kept")
        assert go_on(pair).state.seen == ["call kept"]
        assert sorted(pair.new.actor("asker").state, key=str) == [ServerDied, "answered"]


@both_ways
@pytest.mark.parametrize(
    "message", [Old(1), Outer(Old(1)), (1, [Old(1)]), {"key": Outer((Old(1),))}]
)
def test_a_message_with_something_dropped_at_any_depth_is_left_out(
    old: Any, new: Any, message: Any
) -> None:
    with Takeover() as pair:
        grown(pair, old, new)
        suspend(pair)
        for one in (message, "kept"):
            pair.old.cast("target", one)
        pair.old.send(pair.old.address("target"), message)
        assert go_on(pair).state.seen == ["cast kept"]


def alarms(actor: Any) -> None:
    actor.state.alarm = actor.start_timer(9.0, Old(1))
    actor.start_timer(9.0, Outer(Old(2)))
    actor.start_timer(8.0, "kept")


@both_ways
def test_a_timer_whose_payload_is_dropped_does_not_fire_and_is_known_still(
    old: Any, new: Any
) -> None:
    with Takeover() as pair:
        grown(pair, old, new)
        pair.old.cast("target", alarms)
        actor = go_on(pair)
        assert actor.state.seen == ["info kept"]
        assert not actor.state.alarm.pending
        assert actor.cancel_timer(actor.state.alarm) is False


@both_ways
def test_a_timer_that_has_fired_is_left_out_of_the_mailbox(old: Any, new: Any) -> None:
    with Takeover() as pair:
        grown(pair, old, new)
        pair.old.cast("target", alarms)
        pair.old.settle()
        suspend(pair)
        pair.old.advance(10.0)
        assert go_on(pair).state.seen == ["info kept"]


@both_ways
def test_an_idle_timeout_that_is_dropped_is_told_to_nobody(old: Any, new: Any) -> None:
    with Takeover() as pair:
        grown(pair, old, new)
        pair.old.cast("target", lambda actor: actor.idle_timeout(9.0, Old(1)))
        assert go_on(pair).state.seen == []


def go_on_with(*terms: Any) -> Any:
    def handle(actor: Any) -> None:
        for term in terms:
            actor.continue_with(term)
        actor._myRef.suspended = True  # an operator, at this very moment

    return handle


@both_ways
@pytest.mark.parametrize(
    ("terms", "handled"),
    [
        ([Old(1)], []),
        ([Old(1), "a", "b"], ["term a", "term b"]),
        (["a", Old(1), "b"], ["term a", "term b"]),
        (["a", Outer(Old(1))], ["term a"]),
        ([Old(1), Old(2)], []),
    ],
)
def test_an_actor_goes_on_with_the_terms_that_are_not_dropped(
    old: Any, new: Any, terms: list[Any], handled: list[str]
) -> None:
    with Takeover() as pair:
        grown(pair, old, new)
        pair.old.cast("target", go_on_with(*terms))
        pair.old.settle()
        pair.old.cast("target", "next")
        actor = go_on(pair)
        assert actor.state.seen == [*handled, "cast next"]
        pair.new.cast("target", lambda it: it.continue_with("later"))
        pair.new.settle()
        assert actor.state.seen[-1] == "term later"


class Answering(GenServer):
    def init(self, args: Any) -> None:
        self.register("answering")

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        return Old(1)


def ask(actor: Any) -> None:
    actor.request("answering", "what?", timeout=None)
    actor._myRef.suspended = True


@both_ways
def test_in_the_place_of_an_answer_that_is_dropped_comes_an_error(old: Any, new: Any) -> None:
    with Takeover() as pair:
        grown(pair, old, new)
        pair.old.start(Answering, name="answering")
        pair.old.cast("target", ask)
        (told,) = go_on(pair).state.seen
        assert told.startswith("info the server ended")


def register(actor: Any) -> None:
    actor.register(("name", Old(1)))
    actor.register(("name", "kept"))


@both_ways
def test_a_name_that_is_dropped_is_not_taken(old: Any, new: Any) -> None:
    with Takeover() as pair:
        grown(pair, old, new)
        pair.old.cast("target", register)
        go_on(pair)
        whereis = pair.new.kernel.registry.whereis
        assert whereis(("name", "kept")) is not None
        assert whereis(("name", Old(1))) is None


# Machines


class Rings(Struct):
    rung: list[str] = []


class Bell(StateMachine):
    version = 1
    carried = Rings
    carried_as = "Bell"

    def init(self, args: Any) -> Any:
        self.register("target")
        return "idle", Rings()

    def handle_event(self, kind: Any, event: Any, state: Any, data: Rings) -> Any:
        if kind == "timeout" or state == "busy":
            data.rung.append(said(kind, event[0] if kind in {"call", "timeout"} else event))
            return Keep(data)
        if event == "go":
            return Next("busy", data)
        if event == "set":
            bad = SetTimeout("bad", 5.0, Old(1)), SetTimeout(Outer(Old(2)), 5.0)
            return Keep(data, *bad, SetTimeout("good", 5.0))
        return Keep(data, Postpone())


class NewBell(Bell):
    version = 2
    conversions = SAME_STATE
    adapters = NOTHING


machines_both_ways = pytest.mark.parametrize(
    ("old", "new"), [(Bell, NewBell), (NewBell, Bell)], ids=["upgrade", "rollback"]
)


@machines_both_ways
def test_a_timer_of_a_machine_that_is_dropped_is_left_out(old: Any, new: Any) -> None:
    with Takeover() as pair:
        grown(pair, old, new)
        pair.old.cast("target", "set")
        assert go_on(pair).data.rung == ["timeout good"]


@machines_both_ways
def test_postponed_events_that_are_dropped_are_left_out_and_callers_told(
    old: Any, new: Any
) -> None:
    with Takeover() as pair:
        grown(pair, old, new)
        for one in (Old(1), "kept"):
            pair.old.cast("asker", one)
            pair.old.cast("target", one)
        bell = go_on(pair)
        assert pair.new.actor("asker").state == [ServerDied]
        pair.new.cast("target", "go")
        pair.new.settle()
        assert sorted(bell.data.rung) == ["call kept", "cast kept"]


# Members of pools and those that are down


def pool(how: str) -> type[Supervisor]:
    class Top(Supervisor):
        carries = how

        def init(self, args: Any) -> Any:
            return SupervisorFlags(), [ChildSpec("target", args)]

    return Top


@both_ways
@pytest.mark.parametrize("how", ["all", "mailboxes"])
def test_what_waits_for_members_of_pools_is_dropped_too(old: Any, new: Any, how: Any) -> None:
    with Takeover() as pair:
        for node, kind in ((pair.old, old), (pair.new, new)):
            node.start(pool(how), kind, name="top")
            node.start(Asker, name="asker")
        suspend(pair)
        pair.old.cast("target", Old(1))
        pair.old.cast("asker", Old(1))
        pair.old.cast("asker", "kept")
        assert go_on(pair).state.seen == ["call kept"]
        assert sorted(pair.new.actor("asker").state, key=str) == [ServerDied, "answered"]
