"""OTP's supervisor cases about cost: S-71, S-72, S-75, S-77 and S-88.

Costs are ratios between few children and many, with the slack that OTP's suite gives them; what a
supervisor remembers of its children is weighed.
"""

from __future__ import annotations

import gc
import time
import tracemalloc

import pytest
from supervisor_children import Plain
from supervisor_steps import child, counts, flags, start_child

from supervision import (
    ChildSpec,
    CountChildren,
    StartChild,
    Supervisor,
    TerminateChild,
    WhichChildren,
)
from supervision.introspection.size import size_of
from supervision.testing import Kit

FEW, MANY = 1_000, 2_000


def pool(kit, **options):
    template = child("child", restart="temporary", **options)
    return kit.start_supervisor(flags("simple_one_for_one"), [template])


def add_members(kit, top, count, args=None):
    """Start as many members of a pool; return their addresses."""
    first = len(kit.actor(top).state.children)
    return [start_child(kit, top, f"m{number}", args) for number in range(first, first + count)]


def kill(kit, addresses):
    for address in addresses:
        kit.faults.kill(address)
    kit.settle()


def peak_of(kit, top, request):
    """The most bytes that are taken at once while a request is answered."""
    gc.collect()
    tracemalloc.start()
    try:
        kit.call(top, request)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_s71_count_children_counts_many_and_copies_none(kit):
    """Counting is right for a thousand and for two, and takes no room for each that it counts."""
    top = pool(kit)
    addresses = add_members(kit, top, FEW)
    assert counts(kit, top) == [1, FEW, 0, FEW]
    kill(kit, addresses)
    assert counts(kit, top) == [1, 0, 0, 0]

    add_members(kit, top, FEW)
    counted = peak_of(kit, top, CountChildren())
    addresses = add_members(kit, top, MANY - FEW)
    assert counts(kit, top) == [1, MANY, 0, MANY]
    assert peak_of(kit, top, CountChildren()) < 2 * counted
    assert peak_of(kit, top, CountChildren()) < peak_of(kit, top, WhichChildren()) / 10
    kill(kit, [info.address for info in kit.call(top, WhichChildren())])
    assert counts(kit, top) == [1, 0, 0, 0]


class Empty(Supervisor):
    def init(self, args):
        return flags(), []


def test_s72_count_children_supervisor_counts_child_supervisors_apart(kit):
    """A thousand members that are supervisors are no workers."""
    top = pool(kit, start=Empty, type="supervisor")
    addresses = add_members(kit, top, FEW)
    assert counts(kit, top) == [1, FEW, FEW, 0]
    kill(kit, addresses)
    assert counts(kit, top) == [1, 0, 0, 0]


STATIC = ["one_for_one", "one_for_all", "rest_for_one"]
ARGUMENTS = [list(range(1_000)) for _ in range(4)]
WEIGHT = sum(map(size_of, ARGUMENTS))


def remembered(kit, top):
    """Bytes of what a supervisor keeps of its children's specs and start arguments."""
    children = kit.actor(top).state.children.values()
    return sum(size_of([child.spec, child.args]) for child in children)


@pytest.mark.parametrize("strategy", [*STATIC, "simple_one_for_one"])
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_s75_do_not_save_start_parameters_for_temporary_children(kit, strategy, restart):
    """Who is never started again needs no start arguments; who may be does."""
    dynamic = strategy == "simple_one_for_one"
    specs = [child(f"m{number}", args, restart=restart) for number, args in enumerate(ARGUMENTS)]
    listed = [child("child", restart=restart)] if dynamic else specs[:2]
    top = kit.start_supervisor(flags(strategy), listed)
    for spec in specs if dynamic else specs[2:]:
        request = StartChild(id=spec.id, args=spec.args) if dynamic else StartChild(spec)
        assert kit.alive(kit.call(top, request).address)
    if restart == "temporary":
        assert remembered(kit, top) < WEIGHT / 10
    else:
        assert remembered(kit, top) > WEIGHT


def timed(work, *args):
    gc.collect()
    began = time.perf_counter()
    result = work(*args)
    return time.perf_counter() - began, result


def terminate_all(kit, top, addresses):
    for address in addresses:
        assert kit.call(top, TerminateChild(address)) is True


def test_s77_simple_one_for_one_scale_many_temporary_children(kit):
    """Ten times as many members take about ten times as long to terminate, not a hundred times."""
    top = pool(kit)
    few, _ = timed(terminate_all, kit, top, add_members(kit, top, 1_000))
    many, _ = timed(terminate_all, kit, top, add_members(kit, top, 10_000))
    assert many / few <= 50
    assert counts(kit, top) == [1, 0, 0, 0]


def start_and_stop(kit, strategy, count):
    """Seconds that a supervisor of as many children needs to start and to end."""
    specs = [ChildSpec(f"c{number}", Plain, shutdown=1.0) for number in range(count)]
    starting, top = timed(kit.start_supervisor, flags(strategy), specs)
    assert counts(kit, top) == [count, count, 0, count]
    stopping, _ = timed(kit.stop, top)
    assert kit.statistics().actors == 0
    return starting, stopping


@pytest.mark.parametrize(
    "count", [200, pytest.param(1_000, marks=pytest.mark.long)], ids="from {} children".format
)
def test_s88_scale_start_stop_many_children_is_no_worse_than_their_number(count):
    """A hundred times as many children: a hundred times as long would be linear."""
    with Kit() as kit:
        few = start_and_stop(kit, "one_for_one", count)
        many = start_and_stop(kit, "one_for_one", 100 * count)
    for small, large in zip(few, many, strict=True):
        assert large / small <= 1_000


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_s88_scale_start_stop_many_children_whatever_the_strategy(strategy):
    """The same for groups, with fewer children."""
    with Kit() as kit:
        few = start_and_stop(kit, strategy, 200)
        many = start_and_stop(kit, strategy, 4_000)
    for small, large in zip(few, many, strict=True):
        assert large / small <= 200
