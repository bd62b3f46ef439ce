"""A node that stands still, and one whose timers are held: nothing runs, nothing is lost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision import NO_REPLY, CallTimeout, GenServer, Timeout
from supervision.release import stragglers
from supervision.testing import Kit


class Writer(GenServer):
    """Writes down what it gets."""

    def init(self, args):
        self.state = []

    def handle_cast(self, request):
        self.state.append(request)

    def handle_info(self, message, sender):
        self.state.append(message.payload if isinstance(message, Timeout) else message)

    def handle_call(self, request, from_):
        match request:
            case ("timer", after_s, payload):
                return self.start_timer(after_s, payload)
            case "never":
                return NO_REPLY
        return list(self.state)


class Slow(GenServer):
    """Waits in its handlers for as long as it is asked to."""

    def init(self, args):
        self.state = []

    async def handle_cast(self, request):
        self.state.append(f"begins {request}")
        try:
            await asyncio.sleep(request)
        except asyncio.CancelledError:
            self.state.append(f"cancelled {request}")
            raise
        self.state.append(f"ends {request}")

    async def handle_call(self, request, from_):
        await self.handle_cast(request)
        return "answered"


class Patient(Slow):
    straggler = "wait"


class Fresh(Slow):
    straggler = "restart"


def state_of(kit, address):
    return kit.actor(address).state


def test_what_is_sent_to_a_node_that_stands_still_waits_in_its_order():
    with Kit() as kit:
        writer = kit.start(Writer)
        kit.cast(writer, 1)
        kit.kernel.freeze()
        for n in (2, 3):
            kit.cast(writer, n)
        kit.settle()
        assert state_of(kit, writer) == []
        kit.kernel.thaw()
        kit.settle()
        assert state_of(kit, writer) == [1, 2, 3]


def test_a_node_that_goes_on_before_the_loop_has_come_round_takes_the_turns_it_would_have():
    def turns(*, still):
        with Kit() as kit:
            writer = kit.start(Writer)
            before = kit.kernel.turns
            kit.cast(writer, 1)
            if still:
                kit.kernel.freeze()
                kit.kernel.thaw()
            kit.settle()
            assert state_of(kit, writer) == [1]
            return kit.kernel.turns - before

    assert turns(still=True) == turns(still=False)


def test_timers_and_deadlines_that_pass_meanwhile_are_over_when_it_goes_on():
    with Kit() as kit:
        writer = kit.start(Writer)
        kit.call(writer, ("timer", 5.0, "five"))
        kit.call(writer, ("timer", 2.0, "two"))
        asked = kit.loop.run(kit.base.call, writer, "never", 3.0)
        kit.settle()
        kit.kernel.freeze()
        kit.advance(10.0)
        assert state_of(kit, writer) == []
        assert not asked.done()
        kit.kernel.thaw()
        kit.settle()
        assert state_of(kit, writer) == ["two", "five"]
        assert isinstance(asked.exception(), CallTimeout)


def test_a_timer_set_while_it_stands_still_fires_at_its_time_after_it_went_on():
    with Kit() as kit:
        writer = kit.start(Writer)
        kit.kernel.freeze()
        kit.actor(writer).start_timer(4.0, "four")
        kit.advance(1.0)
        kit.kernel.thaw()
        kit.advance(2.9)
        assert state_of(kit, writer) == []
        kit.advance(0.1)
        assert state_of(kit, writer) == ["four"]


def test_what_threads_ask_for_is_done_while_it_stands_still():
    with Kit() as kit:
        writer, done = kit.start(Writer), []
        kit.kernel.freeze()
        kit.kernel.post_call(lambda: (done.append(1), kit.kernel.send(writer, "posted", None)))
        kit.settle()
        assert done == [1]
        assert state_of(kit, writer) == []
        kit.kernel.thaw()
        kit.settle()
        assert state_of(kit, writer) == ["posted"]


def test_an_actor_cannot_freeze_its_own_node():
    class Presumptuous(Writer):
        def handle_cast(self, request):
            with pytest.raises(RuntimeError, match="cannot freeze"):
                self._myRef.kernel.freeze()
            self.state.append("refused")

    with Kit() as kit:
        one = kit.start(Presumptuous)
        kit.cast(one, "now")
        kit.settle()
        assert state_of(kit, one) == ["refused"]


def test_a_handler_that_could_go_on_does_so_after_the_standstill():
    with Kit() as kit:
        slow = kit.start(Slow)
        kit.cast(slow, 1)
        kit.settle()
        kit.kernel.freeze()
        kit.advance(2.0)
        assert state_of(kit, slow) == ["begins 1"]
        kit.kernel.thaw()
        kit.settle()
        assert state_of(kit, slow) == ["begins 1", "ends 1"]


def test_held_timers_do_not_fire_and_deadlines_pass():
    with Kit() as kit:
        writer = kit.start(Writer)
        kit.kernel.hold_timers()
        kit.call(writer, ("timer", 1.0, "one"))
        asked = kit.loop.run(kit.base.call, writer, "never", 2.0)
        kit.advance(3.0)
        assert state_of(kit, writer) == []
        assert isinstance(asked.exception(), CallTimeout)
        kit.kernel.release_timers()
        kit.settle()
        assert state_of(kit, writer) == ["one"]


def test_a_node_is_quiet_when_nobody_has_anything_to_handle():
    with Kit() as kit:
        slow = kit.start(Slow)
        assert kit.kernel.quiet
        kit.cast(slow, 1)
        assert not kit.kernel.quiet
        kit.settle()
        assert kit.kernel.quiet
        assert [task.cell.address for task in kit.kernel.under_way] == [slow]
        kit.advance(1.0)
        assert not kit.kernel.under_way


class SlowToBegin(Slow):
    async def init(self, args):
        self.state = []
        await asyncio.sleep(5)


class SlowToEnd(Slow):
    async def terminate(self, reason):
        await asyncio.sleep(5)


def test_handlers_that_wait_are_known_however_they_come_to_an_end():
    with Kit() as kit:
        ends, killed = kit.start(SlowToEnd), kit.start(Slow)
        beginning = kit.kernel.child_address(None, "beginning")
        kit.loop.run(lambda: kit.kernel.spawn(SlowToBegin(), None, parent=None, address=beginning))
        kit.cast(killed, 100)
        kit.settle()
        kit.loop.run(kit.kernel.stop_call, ends)
        kit.settle()
        paths = sorted(task.cell.address.path for task in kit.kernel.under_way)
        assert paths == sorted(["beginning", killed.path, ends.path])
        kit.faults.kill(killed)
        kit.advance(5.0)
        assert not kit.kernel.under_way


def still(kit):
    kit.settle()
    kit.kernel.freeze()
    return stragglers.treat(kit.kernel)


def test_a_straggler_is_cancelled_named_and_its_message_is_delivered_again_first():
    with Kit() as kit:
        slow = kit.start(Slow, name="slow")
        kit.cast(slow, 1)
        kit.cast(slow, 2)
        assert still(kit) == ["slow (int): cancelled, its message is delivered again"]
        assert [entry[0].request for entry in kit.kernel.cell_of(slow).mailbox] == [1, 2]
        assert not kit.kernel.under_way
        kit.kernel.thaw()
        kit.advance(10.0)
        assert state_of(kit, slow) == [
            *("begins 1", "cancelled 1"),
            *("begins 1", "ends 1", "begins 2", "ends 2"),
        ]


def test_a_call_whose_handler_was_cancelled_is_answered_after_the_standstill():
    with Kit() as kit:
        slow = kit.start(Slow)
        asked = kit.loop.run(kit.base.call, slow, 1, None)
        still(kit)
        kit.kernel.thaw()
        kit.advance(1.0)
        assert asked.result() == "answered"


def test_a_straggler_that_asks_for_it_is_waited_for():
    with Kit() as kit:
        patient = kit.start(Patient, name="patient")
        kit.cast(patient, 1)
        kit.settle()
        assert stragglers.waited_for(kit.kernel) == ["patient (int)"]
        kit.advance(1.0)
        assert stragglers.waited_for(kit.kernel) == []


def test_a_straggler_that_is_to_begin_anew_is_left_as_it_is_and_goes_on_here():
    with Kit() as kit:
        fresh = kit.start(Fresh, name="fresh")
        kit.cast(fresh, 1)
        assert still(kit) == ["fresh (int): left behind"]
        assert kit.kernel.cell_of(fresh).task is not None
        kit.kernel.thaw()
        kit.advance(1.0)
        assert state_of(kit, fresh) == ["begins 1", "ends 1"]


def test_a_node_says_what_becomes_of_stragglers_whose_actors_do_not():
    with Kit() as kit:
        slow, patient = kit.start(Slow, name="slow"), kit.start(Patient, name="patient")
        for one in (slow, patient):
            kit.cast(one, 1)
        kit.settle()
        assert stragglers.waited_for(kit.kernel, "wait") == ["patient (int)", "slow (int)"]
        kit.kernel.freeze()
        assert stragglers.treat(kit.kernel, "restart") == [
            "patient (int): left behind",
            "slow (int): left behind",
        ]
        kit.kernel.thaw()


def test_what_a_cancelled_handler_raises_at_its_end_is_reported_and_its_message_stays():
    class Rude(Slow):
        async def handle_cast(self, request):
            try:
                await asyncio.sleep(request)
            except asyncio.CancelledError:
                raise RuntimeError("not now") from None

    with Kit() as kit:
        rude = kit.start(Rude)
        kit.cast(rude, 1)
        still(kit)
        assert kit.reported("unexpected")
        assert kit.kernel.cell_of(rude).depth == 1


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("cast"), st.integers(0, 2)),
        st.tuples(st.just("timer"), st.integers(0, 2)),
        st.tuples(st.just("pass"), st.sampled_from([0.0, 0.5, 1.0])),
        st.tuples(st.sampled_from(["freeze", "thaw", "hold", "release", "both"]), st.just(0)),
    ),
    max_size=40,
)


def handled(steps, *, still):
    """What each of three actors has handled after some steps, in its order."""
    with Kit() as kit:
        writers = [kit.start(Writer) for _ in range(3)]
        for n, (what, value) in enumerate(steps):
            match what:
                case "cast":
                    kit.cast(writers[value], n)
                case "timer":
                    kit.loop.run(kit.actor(writers[value]).start_timer, 1.0 + value, n)
                case "pass":
                    kit.advance(value)
                case _ if still:
                    stand(kit.kernel, what)
        kit.kernel.thaw()
        kit.kernel.release_timers()
        kit.advance(10.0)
        return [state_of(kit, one) for one in writers]


def stand(kernel, what):
    match what:
        case "freeze":
            kernel.freeze()
        case "thaw":
            kernel.thaw()
        case "hold":
            kernel.hold_timers()
        case "release":
            kernel.release_timers()
        case "both":
            kernel.freeze()
            kernel.thaw()


@given(STEPS)
def test_nothing_is_lost_doubled_or_taken_out_of_turn_by_any_standstill(steps):
    """Against a node that never stands still: the same messages, casts and timers in order."""
    for ours, theirs in zip(handled(steps, still=True), handled(steps, still=False), strict=True):
        assert sorted(ours) == sorted(theirs)
        casts = [n for n, (what, _) in enumerate(steps) if what == "cast"]
        assert [n for n in ours if n in casts] == [n for n in theirs if n in casts]
        timers = [n for n, (what, _) in enumerate(steps) if what == "timer"]
        assert [n for n in ours if n in timers] == [n for n in theirs if n in timers]
