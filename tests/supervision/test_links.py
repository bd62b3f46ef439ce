"""Links and monitors: who hears of an end, and what it does to them."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from supervision import ChildSpec, Down, Exit, GenServer, SupervisorFlags, reasons

REASONS = [
    reasons.NORMAL,
    reasons.SHUTDOWN,
    reasons.shutdown("maintenance"),
    reasons.KILLED,
    reasons.error("broken"),
]
every_reason = pytest.mark.parametrize("reason", REASONS, ids=str)


class Plain(GenServer):
    """Does not trap exits."""

    def init(self, args):
        self.ended = args

    def terminate(self, reason):
        if self.ended is not None:
            self.ended.append(reason)


@every_reason
def test_a_monitor_is_told_why_an_actor_ended(kit, reason):
    watcher, victim = kit.probe(), kit.start(Plain)
    ref = watcher.monitor(victim)
    kit.faults.exit(victim, reason)
    kit.settle()
    assert watcher.messages == [Down(ref, victim, reason, incarnation=1)]


def test_a_monitor_is_told_the_crash_of_an_actor(kit):
    watcher, victim = kit.probe(), kit.start(Plain)
    watcher.monitor(victim)
    kit.faults.crash_next(victim, LookupError("lost"))
    kit.send(victim, "boom")
    kit.settle()
    [down] = watcher.messages
    assert (down.reason.kind, down.reason.detail) == ("error", "LookupError: lost")
    assert "LookupError" in down.reason.traceback


def test_a_monitor_of_nobody_is_told_at_once(kit):
    watcher, victim = kit.probe(), kit.start(Plain)
    kit.stop(victim)
    ref = watcher.monitor(victim)
    kit.settle()
    assert watcher.messages == [Down(ref, victim, reasons.NOPROC)]


def test_a_monitor_of_an_actor_that_is_ending_is_told_its_reason(kit):
    class Lingering(GenServer):
        async def terminate(self, reason):
            await asyncio.sleep(5.0)

    watcher, victim = kit.probe(), kit.start(Lingering)
    kit.faults.exit(victim, reasons.error("on its way"))
    kit.settle()
    ref = watcher.monitor(victim)
    kit.advance(5.0)
    assert watcher.messages == [Down(ref, victim, reasons.error("on its way"), incarnation=1)]


def test_each_monitor_is_told_once_in_the_order_they_were_set(kit):
    victim, told = kit.start(Plain), []

    class Noting(GenServer):
        def handle_info(self, message, sender):
            told.append(self.state)

    watchers = [kit.start(Noting) for _ in range(20)]
    for number, watcher in enumerate(watchers):
        kit.actor(watcher).state = number
        kit.actor(watcher).monitor(victim)
    kit.faults.kill(victim)
    kit.settle()
    assert told == list(range(20))


def test_two_monitors_of_one_watcher_are_two_messages(kit):
    watcher, victim = kit.probe(), kit.start(Plain)
    refs = [watcher.monitor(victim), watcher.monitor(victim)]
    kit.faults.kill(victim)
    kit.settle()
    assert [down.ref for down in watcher.messages] == refs


def test_a_monitor_that_was_taken_back_is_not_told(kit):
    watcher, victim = kit.probe(), kit.start(Plain)
    watcher.demonitor(watcher.monitor(victim))
    kit.faults.kill(victim)
    kit.settle()
    assert watcher.messages == []


def test_a_watcher_that_has_ended_is_not_told(kit):
    watcher, victim = kit.probe(), kit.start(Plain)
    watcher.monitor(victim)
    kit.stop(watcher.address)
    kit.faults.kill(victim)
    kit.settle()
    assert kit.kernel.dead_letters.total == 0
    assert not victim.cell


def test_a_monitor_watches_one_incarnation(kit):
    kit.start_supervisor(SupervisorFlags(intensity=5), [ChildSpec("plain", Plain)])
    watcher, plain = kit.probe(), kit.address("top/plain")
    watcher.monitor(plain)
    for _ in range(2):
        kit.faults.kill(plain)
        kit.settle()
    assert len(watcher.messages) == 1


def test_who_is_told_of_an_end_is_told_which_incarnation_it_was(kit):
    kit.start_supervisor(SupervisorFlags(intensity=5), [ChildSpec("plain", Plain)])
    watcher, plain = kit.probe(), kit.address("top/plain")
    for number in (1, 2):
        watcher.monitor(plain)
        watcher.link(plain)
        kit.faults.kill(plain)
        kit.settle()
        assert plain.incarnation == number + 1
    assert [told.incarnation for told in watcher.of_type(Down)] == [1, 2]
    assert [told.incarnation for told in watcher.of_type(Exit)] == [1, 2]
    assert "incarnation=1" in repr(watcher.of_type(Exit)[0])


def test_who_is_told_that_nobody_was_there_is_told_of_no_incarnation(kit):
    watcher, gone = kit.probe(), kit.start(Plain)
    kit.stop(gone)
    watcher.monitor(gone)
    watcher.link(gone)
    kit.settle()
    assert [told.incarnation for told in watcher.of_type((Down, Exit))] == [0, 0]


@every_reason
def test_an_actor_that_traps_exits_is_told_of_the_end_of_a_linked_one(kit, reason):
    trapping, victim = kit.probe(), kit.start(Plain)
    trapping.link(victim)
    kit.faults.exit(victim, reason)
    kit.settle()
    [told] = trapping.of_type(Exit)
    assert (told.address, told.reason) == (victim, reason)
    assert kit.alive(trapping.address)


@every_reason
def test_a_linked_actor_ends_with_the_same_reason_unless_it_is_normal(kit, reason):
    watcher, one, other = kit.probe(), kit.start(Plain), kit.start(Plain)
    watcher.monitor(one)
    kit.actor(one).link(other)
    kit.faults.exit(other, reason)
    kit.settle()
    if reason == reasons.NORMAL:
        assert kit.alive(one)
    else:
        assert [down.reason for down in watcher.messages] == [reason]


def test_a_link_works_both_ways(kit):
    one, other = kit.start(Plain), kit.start(Plain)
    kit.actor(one).link(other)
    kit.faults.exit(one, reasons.error("broken"))
    kit.settle()
    assert not kit.alive(other)


def test_an_end_spreads_along_a_chain_of_links(kit):
    chain = [kit.start(Plain) for _ in range(50)]
    for left, right in itertools.pairwise(chain):
        kit.actor(left).link(right)
    kit.faults.exit(chain[25], reasons.error("broken"))
    kit.settle()
    assert not any(kit.alive(one) for one in chain)


def test_a_linked_actor_has_its_terminate(kit):
    ended = []
    one, other = kit.start(Plain, ended), kit.start(Plain)
    kit.actor(one).link(other)
    kit.faults.exit(other, reasons.error("broken"))
    kit.settle()
    assert ended == [reasons.error("broken")]


def test_a_link_to_nobody_is_an_exit_with_noproc(kit):
    gone, trapping, plain = kit.start(Plain), kit.probe(), kit.start(Plain)
    kit.stop(gone)
    trapping.link(gone)
    kit.actor(plain).link(gone)
    kit.settle()
    assert [told.reason for told in trapping.of_type(Exit)] == [reasons.NOPROC]
    assert not kit.alive(plain)


def test_a_link_made_twice_is_one_link(kit):
    trapping, victim = kit.probe(), kit.start(Plain)
    trapping.link(victim)
    trapping.link(victim)
    kit.faults.kill(victim)
    kit.settle()
    assert len(trapping.of_type(Exit)) == 1


def test_an_actor_linked_to_itself_can_end(kit):
    victim = kit.start(Plain)
    kit.actor(victim).link(victim)
    kit.faults.exit(victim, reasons.error("broken"))
    kit.settle()
    assert not kit.alive(victim)


class Tied(GenServer):
    """Links itself to the actor that it is given, or to its supervisor."""

    def init(self, args):
        self.link(self._myRef.parent.address if args is None else args)


@every_reason
@pytest.mark.parametrize("child", [True, False])
def test_a_supervisor_does_not_end_with_those_it_is_linked_to(kit, reason, child):
    specs = [ChildSpec("tied", Tied), ChildSpec("other", Plain)]
    top = kit.start_supervisor(SupervisorFlags(), specs)
    stranger = kit.start(Tied, top)
    other = kit.actor(kit.address("top/other"))
    kit.faults.exit(kit.address("top/tied") if child else stranger, reason)
    kit.settle()
    assert kit.actor(kit.address("top/other")) is other
    assert kit.address("top/tied").incarnation == (2 if child else 1)
    assert kit.reported("unexpected") == []


def test_links_to_a_supervisor_do_not_disturb_its_end(kit):
    ended = []
    specs = [ChildSpec("first", Tied), ChildSpec("last", Plain, args=ended)]
    top = kit.start_supervisor(SupervisorFlags(), specs)
    stranger, watcher = kit.start(Tied, top), kit.probe()
    watcher.monitor(stranger)
    assert kit.stop(top) == reasons.SHUTDOWN
    assert ended == [reasons.SHUTDOWN]
    assert [down.reason for down in watcher.messages] == [reasons.SHUTDOWN]
    assert kit.kernel.dead_letters.total == 0


def test_what_is_linked_to_a_supervisor_ends_with_its_kill(kit):
    top = kit.start_supervisor(SupervisorFlags(), [ChildSpec("tied", Tied)])
    child, stranger = kit.address("top/tied"), kit.start(Tied, top)
    kit.faults.exit(top, reasons.KILLED)
    kit.settle()
    assert (kit.alive(child), kit.alive(stranger)) == (False, False)
