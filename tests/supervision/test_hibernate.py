"""Hibernation: idle servers keep their state packed, and nobody notices but the memory."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import msgspec
import pytest

from supervision import GenServer, Next, Reply, StateMachine, reasons
from supervision.eventloop.hibernation import LOOK_FROM

Record = msgspec.defstruct(
    "Record",
    [
        *((f"text_{number}", str) for number in range(16)),
        *((f"number_{number}", int) for number in range(6)),
        *((f"time_{number}", float) for number in range(4)),
    ],
)
"""26 fields, as a call session has."""


def record(seed):
    """A record of values that nothing else holds."""
    return Record(
        *(f"value {seed}-{number}" for number in range(16)),
        *(seed * 1_000 + number + 1_000 for number in range(6)),
        *(seed + number / 7 for number in range(4)),
    )


class Sleeper(GenServer):
    """Hibernates after a minute; tells and changes a field of its state."""

    hibernate_after_s = 60.0
    state_type = Record

    def init(self, args):
        self.state = record(args)
        self.ended = None

    def handle_call(self, request, from_):
        if request == "crash":
            raise LookupError("crash")
        if request == "sleep":
            self.hibernate()
        return self.state.text_0

    def handle_cast(self, request):
        self.state.text_0 = request

    def terminate(self, reason):
        self.ended = self.state.text_0

    def format_status(self, state):
        return {"text_0": state.text_0}


class Light(GenServer):
    """Packs in its own way, and only when it says so."""

    def init(self, args):
        self.state = {"numbers": list(range(args))}

    def pack(self, state):
        return len(state["numbers"])

    def unpack(self, packed):
        return {"numbers": list(range(packed))}

    async def handle_call(self, request, from_):
        await asyncio.sleep(request)
        self.hibernate()
        return len(self.state["numbers"])


@pytest.fixture
def sleeper(kit):
    actor = kit.actor(kit.start(Sleeper, 7, name="sleeper"))
    kit.advance(120.0)
    assert actor.hibernating
    return actor


def test_a_server_that_has_had_nothing_to_do_hibernates(kit):
    actor = kit.actor(kit.start(Sleeper, 7))
    kit.advance(59.0)
    assert not actor.hibernating
    kit.advance(1.0)
    assert actor.hibernating
    assert isinstance(actor.state, bytes)


def test_a_message_wakes_it_with_its_state(kit, sleeper):
    assert kit.call(sleeper.address, "question") == "value 7-0"
    assert not sleeper.hibernating
    assert sleeper.state == record(7)


def test_it_hibernates_again_and_keeps_what_changed(kit, sleeper):
    kit.cast(sleeper.address, "changed")
    kit.advance(120.0)
    assert sleeper.hibernating
    assert kit.call(sleeper.address, "question") == "changed"


def test_a_server_that_has_something_to_do_does_not_hibernate(kit):
    actor = kit.actor(kit.start(Sleeper, 7))
    for _ in range(100):
        kit.advance(30.0)
        kit.cast(actor.address, "busy")
        assert not actor.hibernating


def test_it_is_shown_without_being_woken(kit, sleeper):
    assert sleeper.status() == {"text_0": "value 7-0"}
    assert sleeper.system_get_state() == record(7)
    assert sleeper.hibernating


def test_a_new_state_wakes_it(kit, sleeper):
    sleeper.system_replace_state(lambda state: msgspec.structs.replace(state, text_0="new"))
    assert not sleeper.hibernating
    assert kit.call(sleeper.address, "question") == "new"


def test_its_terminate_finds_the_state(kit, sleeper):
    kit.stop(sleeper.address)
    assert sleeper.ended == "value 7-0"


def test_it_can_be_killed_as_it_is(kit, sleeper):
    kit.faults.kill(sleeper.address)
    kit.settle()
    assert not kit.alive(sleeper.address)
    kit.advance(1_000.0)
    assert kit.kernel.statistics().timers == 0


def test_a_crash_after_waking_shows_the_state(kit, sleeper):
    kit.loop.run(kit.base.call, sleeper.address, "crash").add_done_callback(
        lambda one: one.exception()
    )
    kit.settle()
    assert kit.reported("crash")[0].data["state"] == {"text_0": "value 7-0"}


def test_a_server_can_hibernate_at_once_and_only_when_it_is_done(kit):
    actor = kit.actor(kit.start(Sleeper, 7))
    assert kit.call(actor.address, "sleep") == "value 7-0"
    assert actor.hibernating
    kit.loop.run(kit.base.call, actor.address, "sleep")
    kit.cast(actor.address, "waits behind")
    kit.settle()
    assert not actor.hibernating
    kit.advance(120.0)
    assert actor.hibernating


def test_sleeping_and_waking_leave_nothing_behind(kit):
    actor = kit.actor(kit.start(Sleeper, 7))
    for _ in range(100):
        kit.call(actor.address, "sleep")
        kit.call(actor.address, "question")
    assert kit.kernel.statistics().timers == 1
    assert sum(len(queue.entries) for queue in kit.kernel.sweeper._queues.values()) == 1


def test_an_asynchronous_handler_can_say_it_last(kit):
    light = kit.actor(kit.start(Light, 1_000))
    assert kit.call(light.address, 1.0) == 1_000
    assert (light.hibernating, light.state) == (True, 1_000)
    assert kit.call(light.address, 0.0) == 1_000


def test_a_state_that_cannot_be_packed_is_reported_once_and_stays(kit):
    class Odd(Sleeper):
        def init(self, args):
            self.state = object()

        def format_status(self, state):
            return None

    odd = kit.actor(kit.start(Odd, None, name="odd"))
    kit.advance(1_000.0)
    [report] = kit.reported("unexpected")
    assert report.path == "odd"
    assert "not hibernated" in report.data["error"]
    assert not odd.hibernating


def test_a_state_that_would_not_come_back_as_it_was_stays(kit):
    class Loose(msgspec.Struct):
        anything: object

    class Holder(GenServer):
        state_type = Loose

        def init(self, args):
            self.state = Loose(args)

    fits, other = (kit.actor(kit.start(Holder, value)) for value in ([1, 2], (1, 2)))
    fits.hibernate()
    other.hibernate()
    kit.settle()
    assert (fits.hibernating, fits.unpacked()) == (True, Loose([1, 2]))
    assert (other.hibernating, other.state) == (False, Loose((1, 2)))
    assert "does not come back as it was" in kit.reported("unexpected")[0].data["error"]


def test_a_packed_state_that_cannot_be_unpacked_is_a_crash(kit, sleeper):
    sleeper.state = b"broken"
    kit.cast(sleeper.address, "hello")
    kit.settle()
    assert not kit.alive(sleeper.address)
    first = kit.reported("crash")[0]
    assert "DecodeError" in first.data["reason"] or "ValidationError" in first.data["reason"]
    assert "format_status failed" in first.data["state"]


def test_a_class_that_hibernates_has_to_say_how(kit):
    with pytest.raises(TypeError, match="Vague hibernates: it needs a state_type"):
        type("Vague", (GenServer,), {"hibernate_after_s": 1.0})
    assert "no state_type" in str(_packing_failure(kit))


def _packing_failure(kit):
    with pytest.raises(TypeError) as failure:
        kit.actor(kit.start(GenServer)).pack(None)
    return failure.value


def test_a_restarted_server_hibernates_too(kit):
    actor = kit.start(Sleeper, 1)
    kit.stop(actor)
    again = kit.actor(kit.start(Sleeper, 2))
    kit.advance(120.0)
    assert again.hibernating
    assert kit.stop(again.address, reasons.SHUTDOWN) == reasons.SHUTDOWN


def test_the_data_of_an_idle_state_machine_is_packed(kit):
    class Machine(StateMachine):
        hibernate_after_s = 60.0
        state_type = Record

        def init(self, args):
            return "idle", record(args)

        def handle_event(self, kind, event, state, data):
            (_, from_) = event
            return Next("asked", data, Reply(from_, (state, data.text_0)))

    machine = kit.actor(kit.start(Machine, 3))
    kit.advance(120.0)
    assert machine.hibernating
    assert machine.status() == {"state": "idle", "data": record(3)}
    assert kit.call(machine.address, "question") == ("idle", "value 3-0")
    assert (machine.hibernating, machine.data) == (False, record(3))


def test_those_that_have_ended_do_not_gather_for_their_patience(kit):
    lasting = [kit.actor(kit.start(Sleeper, number)) for number in range(10)]

    def come_and_go():
        for number in range(5 * LOOK_FROM):
            address = kit.kernel.child_address(None, f"brief {number}")
            kit.kernel.spawn(Sleeper(), number, parent=None, address=address)
            kit.kernel.exit(address.cell, reasons.KILLED)
            if number % 100 == 0:
                kit.clock.advance(0.01)

    for _ in range(3):
        kit.loop.run(come_and_go)
        kit.settle()
    [queue] = kit.kernel.sweeper._queues.values()
    assert len(queue.entries) <= 11 * LOOK_FROM
    kit.advance(120.0)
    assert all(actor.hibernating for actor in lasting)
    assert kit.kernel.sweeper._queues == {}


def test_ten_thousand_idle_servers_take_less_than_half_the_memory(kit):
    gc.collect()
    tracemalloc.start()
    try:
        bare = tracemalloc.get_traced_memory()[0]
        actors = [kit.actor(kit.start(Sleeper, number)) for number in range(10_000)]
        gc.collect()
        awake = tracemalloc.get_traced_memory()[0] - bare
        kit.advance(120.0)
        gc.collect()
        asleep = tracemalloc.get_traced_memory()[0] - bare
    finally:
        tracemalloc.stop()
    assert all(actor.hibernating for actor in actors)
    print(f"bytes a server: {awake / 10_000:.0f} awake, {asleep / 10_000:.0f} asleep")  # noqa: T201
    assert asleep < awake / 2
