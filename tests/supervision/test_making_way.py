"""Supervisors of many children: what they do at once, and how they let others run meanwhile."""

from __future__ import annotations

import pytest

from supervision import ChildSpec, GenServer, StartChild, SupervisorFlags, TerminateChild, reasons

MANY = 1_000


class Counted(GenServer):
    """Notes that it starts and ends; its end may take time."""

    def init(self, args):
        self.journal, self.takes = args
        self.journal.append(("started", self.address.name))

    def terminate(self, reason):
        self.takes()
        self.journal.append(("ended", self.address.name))


class Stopper(GenServer):
    """Has children of its own; exits one and stops another, in one handler."""

    def init(self, journal):
        kernel = self.kernel
        self.cells = []
        for name in ("first", "second"):
            address = kernel.child_address(self._myRef, name)
            kernel.spawn(Counted(), (journal, int), parent=self._myRef, address=address)
            self.cells.append(address.cell)

    def handle_call(self, request, from_):
        first, second = self.cells
        if request == "exit, then stop":
            self.kernel.exit(first, reasons.SHUTDOWN)
        gone = self.kernel.stop(second, reasons.SHUTDOWN, 5.0)
        return gone.settled


def some_of(journal, seen):
    """Note how long the journal is whenever the loop goes round."""
    seen.append(len(journal))


def watch(kit, journal):
    seen = []

    def look():
        some_of(journal, seen)
        if len(seen) < 10_000:
            kit.loop.call_soon(look)

    kit.loop.call_soon(look)
    return seen


def many(journal, takes=int):
    return [ChildSpec(id=f"c{n}", start=Counted, args=(journal, takes)) for n in range(MANY)]


def between(seen):
    return [length for length in set(seen) if 0 < length < MANY]


def test_the_loop_goes_round_while_many_children_start(kit):
    journal = []
    seen = watch(kit, journal)
    kit.start_supervisor(SupervisorFlags(), many(journal))
    assert len(journal) == MANY
    assert between(seen)


@pytest.mark.parametrize("strategy", ["one_for_one", "simple_one_for_one"])
def test_others_run_while_many_children_take_their_time_to_end(kit, strategy):
    journal = []
    takes = lambda: kit.clock.advance(0.0005)
    if strategy == "one_for_one":
        top = kit.start_supervisor(SupervisorFlags(), many(journal, takes))
    else:
        template = ChildSpec(id="t", start=Counted)
        top = kit.start_supervisor(SupervisorFlags(strategy=strategy), [template])
        for number in range(MANY):
            kit.call(top, StartChild(id=f"c{number}", args=(journal, takes)))
    journal.clear()
    seen = watch(kit, journal)
    kit.stop(top)
    assert len(journal) == MANY
    longest = max(
        after - before for before, after in zip(sorted(seen), sorted(seen)[1:], strict=False)
    )
    assert longest <= 32  # a turn has room for ten of them


def test_a_child_that_is_stopped_alone_has_ended_when_its_parent_goes_on(kit):
    journal = []
    stopper = kit.start(Stopper, journal)
    assert kit.call(stopper, "stop") is True
    assert ("ended", "second") in journal


def test_what_was_told_to_end_first_ends_first(kit):
    journal = []
    stopper = kit.start(Stopper, journal)
    assert kit.call(stopper, "exit, then stop") is False
    assert journal[2:] == [("ended", "first"), ("ended", "second")]


def test_a_child_that_ends_at_once_leaves_no_timer_behind(kit):
    journal = []
    top = kit.start_supervisor(SupervisorFlags(), many(journal)[:3])
    before = len(kit.kernel.timers)
    assert kit.call(top, TerminateChild("c1"), timeout=None) is True
    assert len(kit.kernel.timers) == before
