"""recon's cases: questions that cannot be asked without bounds, and that end by themselves."""

from __future__ import annotations

from itertools import count
from math import inf
from sys import getsizeof
from types import SimpleNamespace

import pytest
from sys_actors import PATH, Account, Add, Door, System, Wait, cast

from supervision import ChildSpec, StartChild, SupervisorFlags
from supervision.introspection import (
    ActionRefused,
    Asked,
    LimitReached,
    NoSuchTrace,
    OutOfBounds,
    pace,
)
from supervision.introspection.events import SystemEvent
from supervision.introspection.size import estimated_size, size_of
from supervision.introspection.top import Heap


@pytest.fixture
def no_pauses(monkeypatch):
    """A machine that stands still takes no virtual time: a window ends when it is due."""
    monkeypatch.setattr(pace, "SLICE_S", inf)


@pytest.fixture
def server(kit):
    return kit.start(Account, name=PATH)


@pytest.fixture
def system(kit):
    return System(kit)


def pool(kit, members):
    """A pool of accounts named m0, m1, ..."""
    flags = SupervisorFlags(strategy="simple_one_for_one")
    top = kit.start_supervisor(flags, [ChildSpec("account", Account)], name=PATH)
    for number in range(members):
        kit.call(top, StartChild(id=f"m{number}", args="ann"))
    return top


# Traces


def test_a_trace_tells_as_many_events_as_it_was_asked_for_and_ends(kit, server, system):
    """recon_trace:calls(Spec, Max)."""
    row = system.trace(PATH, 3, 60.0, Asked("to see", "ann"))
    assert (row.actors, row.ended, row.by, row.reason) == (1, None, "ann", "to see")
    for _ in range(5):
        kit.call(server, Add(1))
    (row,) = system.traces()
    assert (row.events, row.ended, row.actors) == (3, "messages", 0)
    reports = [report.data for report in kit.reported("trace")]
    assert [data.get("number") for data in reports] == [1, 2, 3, None]
    assert [data.get("event") for data in reports] == ["in", "reply", "in", None]
    assert reports[-1] == {"trace": row.id, "ended": "messages", "events": 3}
    assert type(kit.actor(server)) is Account


def test_a_trace_ends_when_its_time_is_over(kit, server, system):
    """recon_trace:calls(Spec, {Max, Milliseconds}): without news too."""
    row = system.trace(PATH, 3, 5.0)
    kit.advance(5.0)
    assert system.traces()[0].ended == "seconds"
    assert system.trace_events(row.id).items == []
    assert system.get_status(PATH).debug == []


@pytest.mark.parametrize(
    ("messages", "seconds", "field"),
    [
        (0, 1.0, "messages"),
        (10_001, 1.0, "messages"),
        (1, 0.0, "seconds"),
        (1, 3_601.0, "seconds"),
        (1, float("inf"), "seconds"),
        (1, float("nan"), "seconds"),
        (-1, 1.0, "messages"),
    ],
)
def test_a_trace_without_limits_is_refused(server, system, messages, seconds, field):
    with pytest.raises(OutOfBounds) as refusal:
        system.trace(PATH, messages, seconds)
    assert refusal.value.field == field
    assert system.traces() == []


def test_an_actor_has_one_trace_at_a_time(kit, server, system):
    first = system.trace(PATH, 3, 5.0)
    with pytest.raises(ActionRefused, match="traced already"):
        system.trace(PATH, 3, 5.0)
    assert system.stop_trace(first.id).ended == "stopped"
    assert system.trace(PATH, 3, 5.0).ended is None


def test_a_node_has_a_bounded_number_of_traces_and_forgets_old_ones(kit):
    for number in range(3):
        kit.start(Account, name=f"s{number}")
    system = System(kit, traces=2)
    first, second = (system.trace(f"s{number}", 3, 5.0) for number in range(2))
    with pytest.raises(LimitReached, match="at most 2 traces"):
        system.trace("s2", 3, 5.0)
    kit.advance(5.0)
    third = system.trace("s2", 3, 5.0)
    assert [row.id for row in system.traces()] == [second.id, third.id]
    with pytest.raises(NoSuchTrace):
        system.trace_events(first.id)


def test_a_trace_below_a_path_watches_a_bounded_number_of_actors(kit):
    pool(kit, 10)
    system = System(kit, traced_actors=4)
    row = system.trace(PATH, 10, 5.0, under=True, of_class="Account")
    assert (row.actors, row.more) == (4, True)
    for number in range(10):
        kit.call(kit.address(f"{PATH}/m{number}"), Add(1))
    events = system.trace_events(row.id).items
    assert {event.path for event in events} == {f"{PATH}/m{number}" for number in range(4)}
    with pytest.raises(OutOfBounds, match="actors must be 1 to 4"):
        system.trace(PATH, 10, 5.0, under=True, actors=5)
    with pytest.raises(ActionRefused, match="nobody"):
        system.trace(PATH, 10, 5.0, under=True, of_class="Door")


def test_a_trace_ends_with_the_last_actor_that_it_watches(kit, server, system):
    row = system.trace(PATH, 10, 60.0)
    kit.stop(server)
    assert [event.event for event in system.trace_events(row.id).items] == ["terminate"]
    assert system.traces()[0].ended == "actors"


def test_a_reader_of_a_trace_waits_for_news_and_for_its_end(kit, server, system):
    row = system.trace(PATH, 2, 3.0)
    reading = kit.loop.create_task(system._own.trace_events(row.id, 0, 5.0))
    kit.settle()
    assert not reading.done()
    kit.call(server, Add(1))
    read = reading.result()
    assert ([event.event for event in read.items], read.next) == (["in", "reply"], 2)
    assert [event.event for event in system.trace_events(row.id, 1, 5.0).items] == ["reply"]
    begun = kit.clock.elapsed
    assert system.trace_events(row.id, 2, 5.0).items == []
    assert kit.clock.elapsed == begun
    with pytest.raises(OutOfBounds):
        system.trace_events(row.id, 0, 5.1)


def test_a_trace_shows_no_value_of_a_message(kit, server, system):
    row = system.trace(PATH, 4, 5.0)
    kit.call(server, "my password")
    shown = f"{system.trace_events(row.id).items}{kit.reported('trace')}"
    assert "password" not in shown


def test_a_traced_actor_that_crashes_ends_as_it_would_have(kit, system):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Account)], name=PATH)
    path = f"{PATH}/child"
    system.trace(path, 10, 60.0)
    kit.faults.crash_next(kit.address(path))
    kit.send(kit.address(path), "x")
    kit.settle()
    found = system.actor(path)
    assert (found.status, found.restarts, system.traces()[0].ended) == ("running", 1, "actors")


def test_an_event_is_told_in_one_line():
    event = SystemEvent(at=1.0, path="a", event="out", message="Add(amount)", way="cast", other="b")
    assert event.line() == "a out cast Add(amount) to b"
    timer = SystemEvent(at=1.0, path="a", event="start_timer", message="str", seconds=3.0)
    assert timer.line() == "a start_timer str in 3 s"


# top and window


def test_top_tells_who_has_most(kit, system):
    """recon:proc_count(Attribute, N)."""
    pool(kit, 5)
    for number in (3, 3, 1):
        system.suspend(f"{PATH}/m{number}")
        kit.send(kit.address(f"{PATH}/m{number}"), Add(1))
    top = system.top("mailbox", 2)
    assert [(row.name, row.value) for row in top.items] == [("m3", 2.0), ("m1", 1.0)]
    assert (top.counted, top.seconds) == (6, None)


@pytest.mark.parametrize("attribute", ["rate", "memory", "restarts", "time"])
def test_top_ranks_by_every_attribute(kit, system, attribute):
    kit.start_supervisor(
        SupervisorFlags(intensity=9),
        [ChildSpec("idle", Account), ChildSpec("busy", Account)],
        name=PATH,
    )
    busy = kit.address(f"{PATH}/busy")
    kit.faults.kill(busy)
    kit.settle()
    for _ in range(64):
        kit.call(busy, Add(1))
    kit.kernel.sample(busy.cell, kit.actor(busy), 0.001)
    kit.actor(busy).state.limits = {str(number): number for number in range(100)}
    kit.advance(1.0)
    (row,) = system.top(attribute, 1).items
    assert row.path == f"{PATH}/busy"
    assert row.value > 0


@pytest.mark.usefixtures("no_pauses")
def test_a_window_tells_who_grew_most_while_it_was_open(kit, system):
    """recon:proc_window(Attribute, N, Milliseconds): not what was there before."""
    pool(kit, 3)
    for _ in range(50):
        kit.call(kit.address(f"{PATH}/m0"), Add(1))
    window = kit.loop.create_task(system._own.window("rate", 5, 10.0))
    kit.settle()
    for _ in range(20):
        kit.call(kit.address(f"{PATH}/m2"), Add(1))
    kit.advance(10.0)
    top = window.result()
    assert [(row.name, row.value) for row in top.items] == [("m2", 2.0)]
    assert top.seconds == 10.0


@pytest.mark.usefixtures("no_pauses")
def test_in_a_window_the_times_of_handlers_are_sampled_for_each_actor(kit, system):
    pool(kit, 2)
    window = kit.loop.create_task(system._own.window("time", 5, 10.0))
    kit.settle()
    cell = kit.address(f"{PATH}/m1").cell
    kit.kernel.sample(cell, cell.actor, 0.001)
    kit.advance(10.0)
    assert [(row.name, row.value) for row in window.result().items] == [("m1", 0.032)]
    assert "sample" not in vars(kit.kernel)


@pytest.mark.usefixtures("no_pauses")
def test_who_was_restarted_within_a_window_is_counted_from_nothing(kit, system):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Account)], name=PATH)
    child = kit.address(f"{PATH}/child")
    for _ in range(50):
        kit.call(child, Add(1))
    windows = [
        kit.loop.create_task(System(kit)._own.window(attribute, 1, 10.0))
        for attribute in ("rate", "restarts")
    ]
    kit.settle()
    kit.faults.kill(child)
    kit.settle()
    for _ in range(5):
        kit.call(child, Add(1))
    kit.advance(10.0)
    values = [[(row.name, row.value) for row in one.result().items] for one in windows]
    assert values == [[("child", 0.5)], [("child", 1.0)]]


def test_questions_beyond_their_bounds_are_refused(kit, system):
    pool(kit, 1)
    for ask, field in (
        (lambda: system.top("mailbox", 101), "n"),
        (lambda: system.top("mailbox", 0), "n"),
        (lambda: system.top("colour", 1), "attribute"),
        (lambda: system.window("rate", 1, 61.0), "seconds"),
        (lambda: system.window("rate", 1, 0.0), "seconds"),
    ):
        with pytest.raises(OutOfBounds) as refusal:
            ask()
        assert refusal.value.field == field


@pytest.mark.usefixtures("no_pauses")
def test_one_window_is_open_at_a_time(kit, system):
    pool(kit, 1)
    first = kit.loop.create_task(system._own.window("rate", 1, 10.0))
    kit.settle()
    with pytest.raises(LimitReached, match="at most 1 windows"):
        system.window("rate", 1, 1.0)
    kit.advance(10.0)
    assert first.done()
    assert system.window("rate", 1, 1.0).items == []


@pytest.fixture
def ticking(monkeypatch):
    """Each look at the clock that slices are measured with takes 10 µs."""
    ticks = count()
    clock = SimpleNamespace(perf_counter=lambda: next(ticks) / 100_000)
    monkeypatch.setattr("supervision.introspection.pace.time", clock)


@pytest.mark.parametrize("attribute", ["memory", "mailbox"])
def test_many_actors_are_looked_at_in_slices_with_pauses_in_between(kit, ticking, attribute):
    """A slice that only lets the loop go round would come between every two of its callbacks."""
    pool(kit, 3_000)
    asked = kit.loop.create_task(System(kit)._own.top(attribute, 10))
    begun = kit.clock.elapsed
    kit.until(asked.done)
    assert (len(asked.result().items), asked.result().counted) == (10, 3_001)
    # 3,001 actors take 30 ms, and a pause four times as long as it comes after each of them.
    assert kit.clock.elapsed - begun == pytest.approx(0.12, rel=0.1)


def test_who_looks_at_many_actors_at_once_shares_the_time_of_one(kit, ticking):
    pool(kit, 3_000)
    system, begun = System(kit)._own, kit.clock.elapsed
    asked = [kit.loop.create_task(system.top("mailbox", 10)) for _ in range(4)]
    kit.until(lambda: all(one.done() for one in asked))
    assert kit.clock.elapsed - begun >= 4 * 0.11


def test_the_pages_of_a_list_and_the_tree_make_pauses_too(kit, ticking):
    pool(kit, 3_000)
    begun = kit.clock.elapsed
    assert System(kit).tree().pool.count == 3_000
    assert kit.clock.elapsed - begun == pytest.approx(0.12, rel=0.1)


def test_one_question_about_memory_is_under_way_at_a_time(kit, ticking):
    pool(kit, 1_000)
    system = System(kit)
    first = kit.loop.create_task(system._own.top("memory", 1))
    kit.settle()
    with pytest.raises(LimitReached, match="at most 1 questions about memory"):
        system.top("memory", 1)
    with pytest.raises(LimitReached, match="at most 1 questions about memory"):
        system.window("memory", 1, 1.0)
    assert system.top("mailbox", 1).counted == 1_001
    kit.until(first.done)
    assert system.top("memory", 1).counted == 1_001


def test_of_a_large_pool_the_memory_of_some_members_is_measured(kit, system, monkeypatch):
    """The same ones at both ends of a window, so that none seems to have grown."""
    monkeypatch.setattr("supervision.introspection.finding.MEASURED_MEMBERS", 50)
    pool(kit, 500)
    assert 25 <= system.top("memory", 1).counted <= 100
    assert system.top("mailbox", 1).counted == 501
    assert system.window("memory", 1, 1.0).items == []


def test_the_size_of_a_state_is_estimated_from_a_few_of_its_objects():
    texts = [f"{number:05}" * 20 for number in range(10_000)]
    for value in (texts, dict(enumerate(texts)), {"a": {"b": texts}}):
        whole = sum(map(getsizeof, texts))
        assert whole < estimated_size(value) < 2 * whole
    assert estimated_size([None] * 8) == size_of([None] * 8)
    looked = []

    class Looked(dict):
        def __sizeof__(self):
            looked.append(1)
            return 100

    nested = [[[Looked() for _ in range(20)] for _ in range(20)] for _ in range(20)]
    assert estimated_size(nested) > sum(map(getsizeof, nested))
    assert len(looked) < 128


def test_a_heap_keeps_the_greatest_and_of_equal_ones_those_that_came_first():
    heap = Heap(3)
    for number, value in enumerate([5, 1, 5, 9, 5, 5]):
        heap.offer(value, number)
    assert list(heap) == [(9, 3), (5, 0), (5, 2)]


# info, detail and the node


def test_info_tells_everything_but_what_the_mailbox_holds(kit, system):
    """recon:info/1: meta, signals, memory_used, work."""
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Account)], name=PATH)
    path = f"{PATH}/child"
    kit.actor(kit.address(path)).register("account")
    watcher = kit.probe("watcher")
    kit.actor(watcher.address).monitor(kit.address(path))
    system.suspend(path)
    kit.send(kit.address(path), "my password")
    info = system.info(path)
    assert info.meta.actor_class == "sys_actors.Account"
    assert (info.meta.names, info.meta.ancestors) == (["account"], [PATH])
    assert (info.signals.watched_by, info.signals.trap_exit) == ([watcher.address.path], False)
    assert (info.memory.mailbox, info.work.handled) == (1, 0)
    assert "password" not in repr(info)


def test_the_detail_of_an_actor_has_spec_history_and_ties(kit, system):
    spec = ChildSpec("child", Account, "ann", shutdown=7.0)
    kit.start_supervisor(SupervisorFlags(intensity=3, period=30.0), [spec], name=PATH)
    path = f"{PATH}/child"
    system.log(path, "on")
    kit.faults.crash_next(kit.address(path))
    kit.send(kit.address(path), 1)
    kit.advance(2.0)
    found = system.actor(path)
    assert (found.actor_class, found.shutdown_s, found.spec.restart) == (
        "Account",
        7.0,
        "permanent",
    )
    assert "InjectedFault" in found.history[0].traceback
    assert (found.failures, found.version, found.debug) == (1, 2, [])
    top = system.actor(PATH)
    assert (top.flags.intensity, top.shutdown_s) == (3, 7.0)
    assert (top.intensity.used, top.intensity.free_in_s) == (1, pytest.approx(28.0))
    assert top.children_count == {"specs": 1, "active": 1, "supervisors": 0, "workers": 1}
    assert [(row.id, row.status, row.restarts) for row in system.children(PATH)] == [
        ("child", "running", 1)
    ]


def test_a_child_in_a_crash_loop_is_shown_with_its_next_restart(kit, system):
    from supervision import Backoff

    flags = SupervisorFlags(intensity=100, backoff=Backoff(4.0, 60.0, jitter=0.0))
    kit.start_supervisor(flags, [ChildSpec("child", Account)], name=PATH)
    path = f"{PATH}/child"
    for wait in (4.0, 8.0, 16.0):
        kit.faults.kill(kit.address(path))
        kit.settle()
        kit.advance(wait)
    kit.faults.kill(kit.address(path))
    kit.settle()
    kit.advance(2.0)
    found = system.actor(path)
    assert (found.status, found.failures, found.retry_in_s) == (
        "crash_loop",
        4,
        pytest.approx(30.0),
    )
    assert system.tree(PATH).children[0].status == "crash_loop"


def test_the_statistics_of_a_node_are_told(kit, server, system):
    system.log(PATH, "on")
    kit.call(server, Add(1))
    cast(kit, Wait(0.0))
    statistics = system.node_statistics()
    assert (statistics.watched, statistics.reports["operator"]) == (1, 1)
    assert statistics.handled >= 2
    assert statistics.memory_peak_bytes > 1_000_000


def test_a_machine_is_shown_as_such(kit, system):
    kit.start(Door, name=PATH)
    assert system.info(PATH).meta.kind == "statem"
