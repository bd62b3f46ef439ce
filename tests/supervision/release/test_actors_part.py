"""Actors of a new version go on from what those of the old one were."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from supervision import (
    NO_REPLY,
    ChildSpec,
    Down,
    GenServer,
    Keep,
    Next,
    Postpone,
    Response,
    ServerDied,
    SetTimeout,
    StateMachine,
    StateTimeout,
    Supervisor,
    SupervisorFlags,
    Timeout,
)
from supervision.eventloop.calls import PendingCall
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.links import Monitor
from supervision.eventloop.timers import Timer
from supervision.release.carrier import NoConversion, NotCarried
from supervision.release.messages import Adapters
from supervision.release.versions import ConversionFailed, Conversions
from supervision.testing import Takeover


class Tree(Supervisor):
    def init(self, args: Any) -> Any:
        return SupervisorFlags(intensity=5, period=60.0), [
            ChildSpec(name, kind, on_restart="keep") for name, kind in args.items()
        ]


class Counted(Struct):
    count: int = 0
    seen: list[Any] = []


class Counter(GenServer):
    carried = Counted
    state: Counted

    def init(self, args: Any) -> None:
        self.state = Counted()
        self.register(str(self.address.name))

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        return self.state.count

    def handle_cast(self, request: int) -> None:
        if request < 0:
            raise ValueError(request)
        self.state.count += request

    def handle_info(self, message: Any, sender: Any) -> None:
        self.state.seen.append(message)


class Forgetful(Counter):
    carried = None


def grown(pair: Takeover, old: Any, new: Any = None) -> None:
    """Start a tree on either side."""
    pair.old.start(Tree, old, name="top")
    pair.new.start(Tree, old if new is None else new, name="top")


def test_an_actor_goes_on_with_the_state_of_the_one_before() -> None:
    with Takeover() as pair:
        grown(pair, {"counter": Counter})
        pair.old.cast("counter", 3)
        pair.old.settle()
        pair.take_over()
        assert pair.new.call("counter", "count") == 3
        assert pair.took.left == []


def test_an_actor_that_does_not_say_so_begins_anew() -> None:
    with Takeover() as pair:
        grown(pair, {"counter": Forgetful})
        pair.old.cast("counter", 3)
        pair.old.settle()
        pair.take_over()
        assert pair.new.call("counter", "count") == 0


def test_nothing_is_changed_on_the_new_side_before_the_switch() -> None:
    with Takeover() as pair:
        grown(pair, {"counter": Counter})
        pair.old.cast("counter", 3)
        pair.old.settle()
        pair.copy()
        assert pair.new.actor("counter").state == Counted()
        pair.old.kernel.thaw()
        assert pair.old.call("counter", "count") == 3


def test_messages_of_a_suspended_actor_wait_on_the_new_side_in_order() -> None:
    with Takeover() as pair:
        grown(pair, {"counter": Counter})
        pair.old.kernel.cell_of("counter").suspended = True
        for number in (1, 2):
            pair.old.cast("counter", number)
        pair.old.send(pair.old.address("top/counter"), ("odd", {"one": 1.5}, frozenset({2})))
        pair.old.settle()
        pair.take_over()
        cell = pair.new.kernel.cell_of("counter")
        assert (cell.suspended, cell.depth) == (True, 3)
        pair.new.kernel.resume(cell)
        assert pair.new.call("counter", "count") == 3
        assert pair.new.actor("counter").state.seen == [("odd", {"one": 1.5}, frozenset({2}))]


def test_what_is_sent_while_the_old_node_stands_still_travels_too() -> None:
    with Takeover() as pair:
        grown(pair, {"counter": Counter})
        pair.old.kernel.freeze()
        pair.old.cast("counter", 7)
        pair.take_over()
        assert pair.new.call("counter", "count") == 7


# Timers, monitors, links, names


class Watching(Struct):
    watch: Monitor | None = None
    alarm: Timer | None = None
    fired: Timer | None = None
    whom: LocalAddress | None = None


class Watcher(Counter):
    carried = Watching
    state: Watching  # type: ignore[assignment]

    def init(self, args: Any) -> None:
        self.state = Watching()
        self.told: list[Any] = []
        self.start_timer(1.0, "own")

    def handle_cast(self, request: Any) -> None:
        self.state.whom = self.kernel.cell_of(request).address
        self.state.watch = self.monitor(self.state.whom)
        self.state.alarm = self.start_timer(30.0, ("ring", 2))
        self.start_timer(20.0, "ring")
        self.register("watchman")
        self.join("watchers")

    def handle_info(self, message: Any, sender: Any) -> None:
        match message:
            case Timeout(ref, payload):
                if ref is self.state.alarm:
                    self.state.fired = ref
                self.told.append(payload)
            case Down(ref) if ref is self.state.watch:
                self.told.append("down")


def watching(pair: Takeover) -> Any:
    grown(pair, {"watcher": Watcher, "counter": Counter})
    pair.old.cast(pair.old.address("top/watcher"), "counter")
    pair.old.advance(10.0)
    pair.take_over()
    return pair.new.actor(pair.new.address("top/watcher"))


def test_timers_fire_when_they_would_have_and_are_known_by_their_references() -> None:
    with Takeover() as pair:
        watcher = watching(pair)
        assert isinstance(watcher.state.alarm, Timer)
        pair.new.advance(9.5)
        assert watcher.told == []  # the timer of its own init is gone, the old one's had fired
        pair.new.advance(0.5)
        assert watcher.told == ["ring"]
        pair.new.advance(10.0)
        assert watcher.told == ["ring", ("ring", 2)]
        assert watcher.state.fired is watcher.state.alarm


def test_a_timer_that_came_due_while_nobody_ran_fires_at_once() -> None:
    with Takeover() as pair:
        grown(pair, {"watcher": Watcher, "counter": Counter})
        pair.old.cast(pair.old.address("top/watcher"), "counter")
        pair.old.settle()
        pair.copy()
        pair.clock.advance(25.0)
        pair.switch()
        assert pair.new.actor(pair.new.address("top/watcher")).told == ["own", "ring"]


def test_an_actor_is_told_of_the_end_of_one_that_it_watched_before() -> None:
    with Takeover() as pair:
        watcher = watching(pair)
        assert watcher.state.whom is pair.new.address("top/counter")
        pair.new.stop("counter")
        assert watcher.told == ["down"]


def test_an_actor_is_told_that_one_that_it_watched_is_not_there_any_more() -> None:
    with Takeover() as pair:
        grown(pair, {"watcher": Watcher, "counter": Counter}, {"watcher": Watcher})
        pair.old.cast(pair.old.address("top/watcher"), "counter")
        pair.old.settle()
        pair.take_over()
        assert pair.new.actor(pair.new.address("top/watcher")).told == ["down"]
        assert pair.took.left == ["top/counter: Counter is not in this version"]


def test_names_and_groups_that_were_taken_later_are_taken_along() -> None:
    with Takeover() as pair:
        watching(pair)
        registry, address = pair.new.kernel.registry, pair.new.address("top/watcher")
        assert registry.whereis("watchman") is address
        assert list(registry.members("watchers")) == [address]


class Bound(Counter):
    carried = Counted

    def handle_cast(self, request: Any) -> None:
        self.link(self.whereis(request))


def test_linked_actors_share_their_fate_on_the_new_side_too() -> None:
    with Takeover() as pair:
        grown(pair, {"one": Bound, "two": Bound})
        pair.old.cast("one", "two")
        pair.old.settle()
        pair.take_over()
        incarnation = pair.new.address("top/two").incarnation
        pair.new.faults.kill("one")
        pair.new.settle()
        assert pair.new.address("top/two").incarnation == incarnation + 1


class Idler(Counter):
    carried = Counted

    def handle_cast(self, request: float) -> None:  # type: ignore[override]
        self.idle_timeout(request, "idle")


def test_an_idle_timeout_goes_on() -> None:
    with Takeover() as pair:
        grown(pair, {"idler": Idler})
        pair.old.cast("idler", 5.0)
        pair.old.advance(3.0)
        pair.take_over()
        pair.new.advance(1.9)
        assert pair.new.actor("idler").state.seen == []
        pair.new.advance(0.2)
        assert pair.new.actor("idler").state.seen == [Timeout(None, "idle")]


# Requests


class Ask(Struct, frozen=True):
    of: str


class Asking(Struct):
    asked: list[int] = []
    answers: list[Any] = []


class Asker(Counter):
    carried = Asking
    state: Asking  # type: ignore[assignment]

    def init(self, args: Any) -> None:
        self.state = Asking()
        self.register("asker")

    def handle_cast(self, request: tuple[str, float | None]) -> None:  # type: ignore[override]
        whom, timeout = request
        self.state.asked.append(self.request(whom, Ask(whom), timeout))

    def handle_info(self, message: Any, sender: Any) -> None:
        assert isinstance(message, Response)
        assert message.request_id in self.state.asked
        self.state.answers.append(message.value if message.error is None else message.error)


class Open(Struct):
    calls: list[PendingCall] = []


class Slow(Counter):
    carried = Open
    state: Open  # type: ignore[assignment]

    def init(self, args: Any) -> None:
        self.state = Open()
        self.register(str(self.address.name))

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        assert isinstance(request, Ask)
        self.state.calls.append(from_)
        return NO_REPLY

    def handle_cast(self, request: Any) -> None:
        for call in self.state.calls:
            self.reply(call, (request, call.request))


class SlowAnew(Slow):
    carried = None


def asking(pair: Takeover, slow: type[Slow], timeout: float | None = 5.0) -> Asker:
    grown(pair, {"asker": Asker, "slow": slow})
    pair.old.cast("asker", ("slow", timeout))
    pair.old.settle()
    pair.take_over()
    asker: Asker = pair.new.actor("asker")
    return asker


def test_a_request_is_answered_by_the_new_version_of_who_was_asked() -> None:
    with Takeover() as pair:
        asker = asking(pair, Slow)
        assert asker.state.answers == []
        pair.new.cast("slow", "late")
        pair.new.settle()
        assert asker.state.answers == [("late", Ask("slow"))]


def test_a_request_keeps_its_deadline() -> None:
    with Takeover() as pair:
        asker = asking(pair, Slow)
        pair.new.advance(4.9)
        assert asker.state.answers == []
        pair.new.advance(0.2)
        assert [type(one).__name__ for one in asker.state.answers] == ["CallTimeout"]


def test_callers_are_told_at_once_when_who_was_asked_ends_on_the_new_side() -> None:
    with Takeover() as pair:
        asker = asking(pair, Slow, None)
        pair.new.stop("slow")
        assert [type(one) for one in asker.state.answers] == [ServerDied]


@pytest.mark.parametrize("timeout", [5.0, None])
def test_a_request_to_one_that_begins_anew_is_answered_with_an_error(timeout: Any) -> None:
    with Takeover() as pair:
        asker = asking(pair, SlowAnew, timeout)
        assert [str(one) for one in asker.state.answers] == [
            "the server ended: shutdown: its version has ended"
        ]


def test_a_request_that_waits_in_a_mailbox_is_handled_on_the_new_side() -> None:
    with Takeover() as pair:
        grown(pair, {"asker": Asker, "slow": Slow})
        pair.old.kernel.cell_of("slow").suspended = True
        pair.old.cast("asker", ("slow", None))
        pair.old.settle()
        pair.take_over()
        pair.new.kernel.resume(pair.new.kernel.cell_of("slow"))
        pair.new.cast("slow", "done")
        pair.new.settle()
        assert pair.new.actor("asker").state.answers == [("done", Ask("slow"))]


def test_numbers_of_requests_are_never_given_twice() -> None:
    with Takeover() as pair:
        asker = asking(pair, Slow)
        pair.new.cast("asker", ("slow", 5.0))
        pair.new.settle()
        assert len(set(asker.state.asked)) == 2


def test_a_caller_outside_of_the_actors_is_forgotten() -> None:
    with Takeover() as pair:
        grown(pair, {"slow": Slow})
        future = pair.old.loop.run(pair.old.base.call, "slow", Ask("slow"), None)
        pair.old.settle()
        pair.take_over()
        (call,) = pair.new.actor("slow").state.calls
        assert call.settled
        assert not future.done()
        future.cancel()


class Waiter(Counter):
    carried = Counted

    async def handle_cast(self, request: int) -> None:
        await self.call("slow", Ask("slow"), None)
        self.state.count += request


def test_a_handler_that_was_cut_short_runs_again() -> None:
    with Takeover() as pair:
        grown(pair, {"waiter": Waiter, "slow": SlowAnew})
        pair.old.cast("waiter", 4)
        pair.old.cast("waiter", 1)
        pair.old.settle()
        pair.take_over()
        for _ in range(2):
            pair.new.cast("slow", "now")
            pair.new.settle()
        assert pair.new.call("waiter", "count") == 5


# Versions


class Seconds(Struct):
    seconds: int = 0


class Millis(Struct):
    millis: int = 0
    unit: str = "ms"


class Add(Struct, frozen=True):
    seconds: int


class AddMillis(Struct, frozen=True):
    millis: int


class Meter(GenServer):
    carried: Any = Seconds
    carried_as = "Meter"
    version = 1
    field = "seconds"

    def init(self, args: Any) -> None:
        self.state = self.carried()
        self.register("meter")

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        return getattr(self.state, self.field)

    def handle_cast(self, request: Any) -> None:
        known = getattr(request, self.field)
        setattr(self.state, self.field, known + getattr(self.state, self.field))


class FineMeter(Meter):
    carried = Millis
    version = 2
    field = "millis"
    conversions = Conversions(
        up={1: lambda state: {"millis": state["seconds"] * 1000}},
        down={2: lambda state: {"seconds": state["millis"] // 1000}},
    )
    adapters = Adapters(
        up={f"{__name__}:Add": lambda fields: AddMillis(fields["seconds"] * 1000)},
        down={
            f"{__name__}:AddMillis": lambda it: (f"{__name__}:Add", {"seconds": it.millis // 1000})
        },
    )


def metered(old: type[Meter], new: type[Meter], add: Any) -> Any:
    with Takeover() as pair:
        grown(pair, {"meter": old}, {"meter": new})
        pair.old.cast("meter", add)
        pair.old.settle()
        pair.old.kernel.cell_of("meter").suspended = True
        pair.old.cast("meter", add)
        pair.old.settle()
        pair.take_over()
        pair.new.kernel.resume(pair.new.kernel.cell_of("meter"))
        return pair.new.call("meter", "now")


def test_state_and_waiting_messages_are_converted_up_by_the_newer_code() -> None:
    assert metered(Meter, FineMeter, Add(2)) == 4000


def test_state_and_waiting_messages_are_converted_down_by_the_newer_code() -> None:
    assert metered(FineMeter, Meter, AddMillis(2500)) == 4


class Hasty(FineMeter):
    conversions = Conversions(up={1: lambda state: state})


class Broken(FineMeter):
    conversions = Conversions(up={1: lambda state: state["sec"]}, down={2: lambda state: state})


class Wrong(FineMeter):
    conversions = Conversions(up={1: lambda state: {"millis": "2"}}, down={2: lambda state: state})


def test_a_missing_conversion_is_told_when_the_two_meet() -> None:
    with Takeover() as pair:
        grown(pair, {"meter": Meter}, {"meter": Hasty})
        with pytest.raises(NoConversion, match="Meter: no downgrade from version 2 to 1"):
            pair.took.agree(pair.gave.types())


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        (Broken, ConversionFailed, "Meter: from version 1 to 2: KeyError: 'sec'"),
        (Wrong, ValueError, r"top/meter: Meter of version 1: Expected `int`.*\$.millis"),
    ],
)
def test_a_conversion_that_fails_is_told_before_the_switch(
    kind: type[Meter], error: type[Exception], words: str
) -> None:
    with Takeover() as pair:
        grown(pair, {"meter": Meter}, {"meter": kind})
        with pytest.raises(error, match=words):
            pair.copy()
        assert pair.new.actor("meter").state == Millis()


class ByHand(FineMeter):
    conversions = Conversions()

    def code_change(self, old_vsn: Any, state: Any, extra: Any) -> Any:
        assert old_vsn == 1
        return Millis(state["seconds"] * 1000, extra)

    def downgrade(self, new_vsn: Any, state: Any, extra: Any) -> Any:
        assert new_vsn == 1
        return {"seconds": state["millis"] // 1000}


def test_code_change_can_be_written_by_hand_and_is_told_what_the_release_says() -> None:
    with Takeover(extra="finer") as pair:
        grown(pair, {"meter": Meter}, {"meter": ByHand})
        pair.old.cast("meter", Add(2))
        pair.old.settle()
        pair.take_over()
        assert pair.new.actor("meter").state == Millis(2000, "finer")
    assert metered(ByHand, Meter, AddMillis(2500)) == 4


class Awaiting(ByHand):
    async def code_change(self, old_vsn: Any, state: Any, extra: Any) -> Any:
        return state


def test_a_conversion_that_would_have_to_be_awaited_is_refused() -> None:
    with Takeover() as pair:
        grown(pair, {"meter": Meter}, {"meter": Awaiting})
        with pytest.raises(NoConversion, match="top/meter: the conversion of Meter would have to"):
            pair.copy()


def test_a_message_that_this_version_does_not_know_is_refused_by_name() -> None:
    class NoAdapters(FineMeter):
        adapters = Adapters()

    with Takeover() as pair:
        grown(pair, {"meter": Meter}, {"meter": NoAdapters})
        pair.old.kernel.cell_of("meter").suspended = True

        class Local(Struct):
            value: int

        pair.old.cast("meter", Local(1))
        pair.old.settle()
        with pytest.raises(NoConversion, match=r"top/meter: message 0.*Local is not here"):
            pair.copy()


# What cannot travel


class Holding(Struct):
    inner: dict[str, Any]


class Holder(Counter):
    carried = Holding
    state: Holding  # type: ignore[assignment]

    def init(self, args: Any) -> None:
        self.state = Holding({})
        self.register("holder")

    def handle_cast(self, request: Any) -> None:
        values = {"method": self.init, "function": lambda: 1, "file": self.kernel.loop}
        self.state.inner[request] = [values[request]]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("method", r"top/holder: state.inner\['method'\]\[0\]: a bound method Holder.init"),
        ("function", r"top/holder: state.inner\['function'\]\[0\]: a function Holder.handle_cast"),
        (
            "file",
            r"state.inner\['file'\]\[0\]: an instance of supervision.testing.loop.VirtualLoop",
        ),
    ],
)
def test_a_foreign_value_is_named_by_its_place_in_the_state(what: str, words: str) -> None:
    with Takeover() as pair:
        grown(pair, {"holder": Holder})
        pair.old.cast("holder", what)
        pair.old.settle()
        with pytest.raises(NotCarried, match=words):
            pair.copy()


def test_a_message_with_a_foreign_value_is_named() -> None:
    with Takeover() as pair:
        grown(pair, {"counter": Counter})
        pair.old.kernel.cell_of("counter").suspended = True
        pair.old.cast("counter", {"why": print})
        pair.old.settle()
        with pytest.raises(
            NotCarried, match=r"top/counter: message 0 Cast.request\[1\]: a function print"
        ):
            pair.copy()


# State machines


class Ring(Struct, frozen=True):
    rings: int = 0


class Bell(StateMachine):
    carried = Ring
    events: list[Any]

    def init(self, args: Any) -> Any:
        self.register("bell")
        self.events = []
        return "idle", Ring(), StateTimeout(1.0, "own")

    def handle_event(self, kind: Any, event: Any, state: Any, data: Any) -> Any:
        self.events.append((kind, event))
        match kind, event:
            case "cast", "ring":
                timers = StateTimeout(30.0, "over"), SetTimeout("tired", 10.0, ["very"])
                return Next("ringing", Ring(data.rings + 1), *timers)
            case "cast", "stop":
                return Next("idle", data)
            case ("call", _) | ("cast", "later"):
                return Keep(data, Postpone()) if state == "ringing" else Keep(data)
        return Keep(data)


def test_a_machine_goes_on_with_its_timers_and_postponed_events() -> None:
    with Takeover() as pair:
        grown(pair, {"bell": Bell})
        pair.old.cast("bell", "ring")
        pair.old.advance(5.0)
        pair.old.cast("bell", "later")
        pair.old.settle()
        pair.take_over()
        bell = pair.new.actor("bell")
        assert (bell.state, bell.data) == ("ringing", Ring(1))
        pair.new.advance(5.0)
        assert bell.events == [("timeout", ("tired", ["very"]))]
        pair.new.advance(20.0)
        assert bell.events[1:] == [("timeout", ("state", "over"))]
        pair.new.cast("bell", "stop")
        pair.new.settle()
        assert bell.events[2:] == [("cast", "stop"), ("cast", "later")]


class NewBell(Bell):
    carried_as = "Bell"
    version = 2
    conversions = Conversions(
        up={1: lambda it: [it[0].upper(), {"rings": it[1]["rings"] * 10}]},
        down={2: lambda it: [it[0].lower(), {"rings": it[1]["rings"] // 10}]},
    )


def test_a_machine_is_converted_with_its_state() -> None:
    with Takeover() as pair:
        grown(pair, {"bell": Bell}, {"bell": NewBell})
        pair.old.cast("bell", "ring")
        pair.old.settle()
        pair.take_over()
        bell = pair.new.actor("bell")
        assert (bell.state, bell.data) == ("RINGING", Ring(10))
        assert [left.name for left in bell.timers_left()] == ["state", "tired"]


# Supervisors


def test_restarts_and_histories_go_on() -> None:
    with Takeover() as pair:
        grown(pair, {"counter": Counter})
        for _ in range(3):
            pair.old.cast("counter", -1)
            pair.old.settle()
        pair.take_over()
        state = pair.new.actor(pair.new.address("top")).state
        child = state.children["counter"]
        assert (child.restarts, len(child.exits), len(state.restarts)) == (3, 3, 3)
        assert str(child.last_exit[0]) == "error: ValueError: -1"
        assert (pair.new.address("top/counter").incarnation, pair.new.kernel.restarts) == (4, 3)
        for _ in range(2):
            pair.new.cast("counter", -1)
            pair.new.settle()
        assert pair.new.alive("counter")
        pair.new.cast("counter", -1)  # the sixth within a minute is one too many
        pair.new.settle()
        assert not pair.new.alive("counter")


def test_counts_that_operators_are_shown_go_on() -> None:
    with Takeover() as pair:
        grown(pair, {"counter": Forgetful})
        pair.old.cast("counter", 3)
        pair.old.advance(100.0)
        since, handled = pair.old.kernel.cell_of("counter").since, pair.old.kernel.total_handled
        pair.take_over()
        cell = pair.new.kernel.cell_of("counter")
        assert (cell.handled, cell.since) == (1, since)
        assert pair.new.kernel.total_handled >= handled


def test_a_child_that_somebody_has_stopped_stays_so() -> None:
    from supervision import TerminateChild

    with Takeover() as pair:
        grown(pair, {"counter": Counter})
        pair.old.call(pair.old.address("top"), TerminateChild("counter"))
        pair.take_over()
        assert not pair.new.alive("counter")


def test_messages_for_one_that_is_about_to_come_back_wait_for_it() -> None:
    from supervision import Backoff

    class Patient(Supervisor):
        def init(self, args: Any) -> Any:
            spec = ChildSpec("counter", Counter, on_restart="keep", backoff=Backoff(50.0, 50.0))
            return SupervisorFlags(), [spec]

    with Takeover() as pair:
        pair.old.start(Patient, name="top")
        pair.new.start(Patient, name="top")
        pair.old.cast("counter", -1)
        pair.old.settle()
        pair.old.cast("counter", 5)
        pair.old.settle()
        pair.take_over()
        assert pair.new.call("counter", "count") == 5


# Renamed and moved


class Renamed(Counter):
    carried_as = "Counter"
    was = "top/counter"


class Part(Supervisor):
    def init(self, args: Any) -> Any:
        return SupervisorFlags(), [ChildSpec("counter", Counter)]


class MovedPart(Part):
    was = "top/part"


def test_a_renamed_actor_is_found_from_either_side() -> None:
    for old, new in (
        ({"counter": Counter}, {"other": Renamed}),
        ({"other": Renamed}, {"counter": Counter}),
    ):
        with Takeover() as pair:
            grown(pair, old, new)
            pair.old.cast(next(iter(old)), 3)
            pair.old.settle()
            pair.take_over()
            assert pair.new.call(next(iter(new)), "count") == 3
            assert pair.took.left == []


def test_what_is_below_a_supervisor_that_moved_moves_with_it() -> None:
    for old, new in (
        ({"part": Part}, {"moved": MovedPart}),
        ({"moved": MovedPart}, {"part": Part}),
    ):
        with Takeover() as pair:
            grown(pair, old, new)
            pair.old.cast("counter", 3)
            pair.old.settle()
            pair.take_over()
            assert pair.new.call("counter", "count") == 3


# Configuration


class Configured(Counter):
    def init(self, args: Any) -> None:
        super().init(args)
        self.told: list[Any] = []

    def config_change(self, changed: Any, new: Any, removed: Any) -> None:
        self.told.append((changed, new, removed))


def test_config_change_is_told_exactly_the_three_sets() -> None:
    old, new = {"a": 1, "b": [2], "c": 3}, {"a": 1, "b": [3], "d": 4}
    with Takeover(old_config=old, new_config=new) as pair:
        grown(pair, {"counter": Configured})
        pair.take_over()
        assert pair.new.actor("counter").told == [({"b": [3]}, {"d": 4}, frozenset({"c"}))]


def test_nobody_is_told_of_a_configuration_that_is_the_same() -> None:
    with Takeover(old_config={"a": 1}, new_config={"a": 1}) as pair:
        grown(pair, {"counter": Configured})
        pair.take_over()
        assert pair.new.actor("counter").told == []


# Parts of a state


class Keeping(Counter):
    """Keeps the table of its own configuration, and takes the counts over."""

    carried = int

    def init(self, args: Any) -> None:
        super().init(args)
        self.start_timer(1.0, "own")

    def hand_over(self) -> int:
        return self.state.count

    def adopt(self, state: int) -> None:
        self.state.count += state


def test_an_actor_that_hands_over_a_part_keeps_its_own_timers() -> None:
    with Takeover() as pair:
        grown(pair, {"counter": Keeping})
        pair.old.cast("counter", 3)
        pair.old.advance(0.5)
        pair.take_over()
        assert pair.new.call("counter", "count") == 3
        pair.new.advance(1.0)
        assert [one.payload for one in pair.new.actor("counter").state.seen] == ["own"]


class PartAsker(Asker):
    carried = int

    def hand_over(self) -> int:
        return len(self.state.asked)

    def adopt(self, state: int) -> None:
        self.before = state


def test_an_actor_that_hands_over_a_part_never_hears_of_what_it_asked_before() -> None:
    with Takeover() as pair:
        grown(pair, {"asker": PartAsker, "slow": Slow})
        pair.old.cast("asker", ("slow", 5.0))
        pair.old.settle()
        pair.take_over()
        pair.new.cast("slow", "late")
        pair.new.advance(10.0)
        asker = pair.new.actor("asker")
        assert (asker.before, asker.state.answers) == (1, [])


class PartSlow(Slow):
    carried = int

    def hand_over(self) -> int:
        return len(self.state.calls)

    def adopt(self, state: int) -> None:
        self.before = state


def test_callers_who_are_not_in_the_part_are_told() -> None:
    with Takeover() as pair:
        asker = asking(pair, PartSlow, None)
        assert [type(one) for one in asker.state.answers] == [ServerDied]


class Deaf(Counter):
    carries_mailbox = False


def test_messages_may_be_left_behind_and_are_told_of() -> None:
    with Takeover() as pair:
        grown(pair, {"deaf": Deaf})
        pair.old.kernel.cell_of("deaf").suspended = True
        pair.old.cast("deaf", 1)
        pair.old.settle()
        pair.take_over()
        pair.new.kernel.resume(pair.new.kernel.cell_of("deaf"))
        assert pair.new.call("deaf", "count") == 0
        assert pair.took.left == ["top/deaf: 1 messages"]


class Refusing(Counter):
    def adopt(self, state: Any) -> None:
        if self.address.incarnation == 1:
            raise RuntimeError("not so")


def test_an_adopt_that_raises_is_a_crash_of_that_actor_alone() -> None:
    with Takeover() as pair:
        grown(pair, {"bad": Refusing, "counter": Counter})
        pair.old.cast("counter", 3)
        pair.old.settle()
        pair.take_over()
        assert pair.new.call("counter", "count") == 3
        assert pair.new.alive("bad")
        assert [one.data["reason"] for one in pair.new.reported("crash")] == [
            "error: RuntimeError: not so"
        ]
