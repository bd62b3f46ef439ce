"""The supervisor's pure core against a small model written from OTP's rules alone.

The model is the one of supervisor.erl's documentation, in a few lines: it knows nothing of
actions, only who runs after each event. A driver carries out the core's actions on a world in
which starts succeed or fail as the random run says.
"""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from supervision import Backoff, intensity, strategy
from supervision.childspec import ChildSpec, SupervisorFlags
from supervision.eventloop.cell import LocalAddress
from supervision.gen_server import GenServer
from supervision.reasons import KILLED, NORMAL, SHUTDOWN, error, shutdown
from supervision.strategy import Child, SupervisorState

RUNNING, RESTARTING, STOPPED, GONE = "running", "restarting", "stopped", "gone"
REASONS = [NORMAL, SHUTDOWN, shutdown("x"), KILLED, error("x")]
STATIC = ["one_for_one", "one_for_all", "rest_for_one"]


class Model:
    """Children by their names in start order, each with its restart type and where it stands."""

    def __init__(self, flags, types):
        self.flags = flags
        self.types = dict(types)
        self.where = dict.fromkeys(self.types, RUNNING)
        self.restarts = []
        self.over = False
        self.reported = 0

    def exit(self, name, reason, now, starts):
        kind = self.types[name]
        restarts = kind == "permanent" or (kind == "transient" and not reason.clean)
        self.reported += restarts or not reason.clean
        if restarts:
            self.restart(name, now, starts)
        else:
            self.where[name] = GONE if kind == "temporary" else STOPPED

    def restart(self, name, now, starts):
        self.restarts = [at for at in self.restarts if at >= now - self.flags.period] + [now]
        if len(self.restarts) > self.flags.intensity:
            self.over = True
            return
        for one in self.group(name):
            if one != name and self.types[one] == "temporary":
                self.where[one] = GONE
            elif self.where[one] != GONE:
                self.where[one] = STOPPED
        for one in self.group(name):
            if self.where[one] == GONE:
                continue
            self.where[one] = RUNNING if next(starts) else RESTARTING
            if self.where[one] == RESTARTING:
                return

    def group(self, name):
        names = list(self.types)
        match self.flags.strategy:
            case "one_for_all":
                return names
            case "rest_for_one":
                return names[names.index(name) :]
            case _:
                return [name]


class Driven:
    """The core under test, its actions carried out on a world without actors."""

    def __init__(self, flags, types):
        self.state = SupervisorState(flags)
        self.reported = 0
        self.over = False
        self.halted, self.started = [], []
        for name, kind in types:
            spec = ChildSpec(name, GenServer, restart=kind)
            child = Child(spec, name, None, LocalAddress(None, name))
            self.state.children[name] = child
            strategy.started(child, 0.0)

    def carry_out(self, actions, now, starts):
        pending = list(actions)
        while pending:
            match pending.pop(0):
                case strategy.Tell("child_terminated", _, _):
                    self.reported += 1
                case strategy.Halt(child):
                    assert child.status == "running"
                    self.halted.append(child.id)
                    strategy.halted(self.state, child)
                case strategy.Start(child):
                    assert child.status in ("stopped", "restarting")
                    if next(starts):
                        self.started.append(child.id)
                        strategy.started(child, now)
                    else:
                        pending = strategy.start_failed(self.state, child, error("no"), now)
                case strategy.Delay(child, until):
                    assert child.retry_at == until
                case strategy.Escalate(_):
                    self.over = True
                    for child in strategy.shutdown_order(self.state):
                        self.halted.append(child.id)
                        strategy.halted(self.state, child)

    def where(self, names):
        found = {name: self.state.children.get(name) for name in names}
        return {name: GONE if one is None else one.status for name, one in found.items()}


types = st.lists(
    st.sampled_from(["permanent", "transient", "temporary"]), min_size=1, max_size=6
).map(lambda kinds: [(f"c{number}", kind) for number, kind in enumerate(kinds)])

events = st.lists(
    st.tuples(
        st.integers(0, 5),  # which child
        st.sampled_from(REASONS),
        st.sampled_from([0.0, 0.5, 1.0, 2.5]),  # seconds since the event before
        st.lists(st.booleans(), max_size=4),  # whether the next starts succeed; then they do
    ),
    max_size=25,
)


def outcomes(plan):
    yield from plan
    while True:
        yield True


@settings(max_examples=500)
@given(
    st.sampled_from(STATIC),
    st.integers(0, 3),
    st.sampled_from([1.0, 2.0, 5.0]),
    types,
    events,
)
def test_the_core_does_what_the_model_says(kind, intensity, period, children, run):
    flags = SupervisorFlags(strategy=kind, intensity=intensity, period=period)
    model, driven = Model(flags, children), Driven(flags, children)
    names, now = [name for name, _ in children], 0.0
    for pick, reason, wait, plan in run:
        now += wait
        name = names[pick % len(names)]
        if model.where[name] == RUNNING:
            driven.halted, driven.started = [], []
            child = driven.state.children[name]
            driven.carry_out(strategy.exited(driven.state, child, reason, now), now, outcomes(plan))
            model.exit(name, reason, now, outcomes(plan))
        elif model.where[name] == RESTARTING:
            driven.halted, driven.started = [], []
            child = driven.state.children[name]
            again = strategy.retry(driven.state, child, now, child.trouble.attempts)
            driven.carry_out(again, now, outcomes(plan))
            model.restart(name, now, outcomes(plan))
        check(model, driven, names)
        if model.over:
            return


def check(model, driven, names):
    assert driven.over == model.over
    assert driven.reported == model.reported
    if model.over:
        assert RUNNING not in driven.where(names).values()
        return
    assert driven.where(names) == {name: model.where.get(name, GONE) for name in names}
    # What ends, ends in the reverse of the start order; what starts, starts in it.
    assert driven.halted == sorted(driven.halted, key=names.index, reverse=True)
    assert driven.started == sorted(driven.started, key=names.index)
    assert len(driven.state.restarts) <= driven.state.flags.intensity


# Restarts that wait: the model of them is the core itself without waits


class Patient(Driven):
    """Carries out everything at once, retries and waits included, until nothing is left to do."""

    def settle(self, actions, now, starts):
        self.carry_out(actions, now, starts)
        while not self.over and (due := self.next()) is not None:
            if due.retry_at is not None:
                further = strategy.due(self.state, due)
            else:
                further = strategy.retry(self.state, due, now, due.trouble.attempts)
            self.carry_out(further, now, starts)

    def next(self):
        return next((c for c in self.state.children.values() if c.status == "restarting"), None)

    def exit(self, name, reason, now, plan):
        child = self.state.children.get(name)
        if child is not None and child.status == "running" and not self.over:
            starts = outcomes(plan)
            actions = strategy.exited(self.state, child, reason, now)
            self.settle(actions, now, starts)


@settings(max_examples=300)
@given(
    st.sampled_from(STATIC),
    st.integers(0, 4),
    types,
    events,
    st.sampled_from([Backoff(1.0, 4.0, jitter=0.0), Backoff(0.1, 0.1)]),
)
def test_waits_change_when_children_start_and_nothing_else(kind, intensity, children, run, waits):
    flags = SupervisorFlags(kind, intensity, 5.0)
    names = [name for name, _ in children]
    at_once = Patient(flags, children)
    waiting = Patient(msgspec.structs.replace(flags, backoff=waits), children)
    now = 0.0
    for pick, reason, wait, plan in run:
        now += wait
        for driven in (at_once, waiting):
            driven.exit(names[pick % len(names)], reason, now, plan)
        assert waiting.over == at_once.over
        assert waiting.started == at_once.started
        assert waiting.reported == at_once.reported
        assert list(waiting.state.restarts) == list(at_once.state.restarts)
        if not at_once.over:
            assert waiting.where(names) == at_once.where(names)
            assert failures(waiting) == failures(at_once)


def failures(driven):
    return {one.id: len(one.exits or ()) for one in driven.state.children.values()}


def test_a_wait_that_is_not_the_present_one_is_nobodys():
    flags = SupervisorFlags(intensity=9, backoff=Backoff(1.0, 8.0, jitter=0.0))
    driven = Driven(flags, [("a", "permanent")])
    child = driven.state.children["a"]
    *_, first = strategy.exited(driven.state, child, error("x"), 0.0)
    assert first == strategy.Delay(child, 1.0)
    assert strategy.retry(driven.state, child, 0.5, child.trouble.attempts) == []
    *_, second = strategy.start_failed(driven.state, child, error("no"), 0.5)
    assert second == strategy.Delay(child, 2.5)
    assert strategy.due(driven.state, child, first.until) == []
    assert kinds(strategy.due(driven.state, child, second.until)) == ["Start"]


# What the model does not know: pools, and what management does


def pool(count, **flags):
    template = ChildSpec("template", GenServer, restart="permanent")
    state = SupervisorState(SupervisorFlags(strategy="simple_one_for_one", **flags), template)
    for number in range(count):
        child = Child(template, f"c{number}", None, LocalAddress(None, f"c{number}"))
        state.children[child.id] = child
        strategy.started(child, 0.0)
    return state


def kinds(actions):
    return [type(action).__name__ for action in actions]


def crash(state, name, now):
    actions = strategy.exited(state, state.children[name], error("x"), now)
    if name in state.children:
        strategy.started(state.children[name], now)
    return kinds(actions)


def test_a_pool_restarts_only_the_member_that_ended():
    state = pool(3)
    assert crash(state, "c1", 0.0) == ["Tell", "Start"]


def test_the_share_of_a_pool_that_may_restart_grows_with_it():
    state = pool(1_000, intensity=1, pool_ratio=0.01)
    assert state.allowed == 10
    for number in range(10):
        assert crash(state, f"c{number}", 0.0) == ["Tell", "Start"]
    assert crash(state, "c10", 0.0) == ["Tell", "Tell", "Escalate"]


def test_a_small_pool_has_the_plain_intensity():
    assert pool(5, intensity=3, pool_ratio=0.01).allowed == 3


def test_one_bad_child_of_a_pool_is_given_up_alone():
    state = pool(3, intensity=100, child_intensity=2)
    for _ in range(2):
        assert crash(state, "c0", 0.0) == ["Tell", "Start"]
    actions = strategy.exited(state, state.children["c0"], error("x"), 0.0)
    assert [action.context for action in actions] == [
        *("child_terminated", "crash_loop", "child_given_up")
    ]
    assert list(state.children) == ["c1", "c2"]
    assert len(state.restarts) == 2


def test_one_bad_child_of_a_pool_waits_alone_where_it_is_not_to_be_given_up():
    wait = Backoff(1.0, 4.0, jitter=0.0)
    state = pool(3, intensity=2, period=10.0, child_intensity=2, child_backoff=wait)
    for _ in range(2):
        assert crash(state, "c0", 0.0) == ["Tell", "Start"]
    child, now, waits = state.children["c0"], 0.0, []
    for _ in range(4):
        *_, delay = strategy.exited(state, child, error("x"), now)
        waits.append(delay.until - now)
        now = delay.until
        assert kinds(strategy.due(state, child, now)) == ["Start"]
        strategy.started(child, now)
    assert waits == [1.0, 2.0, 4.0, 4.0]
    assert len(state.restarts) == 2
    assert crash(state, "c0", now + 10.0)[-1] == "Start"


def test_a_child_of_a_pool_that_holds_out_is_not_given_up():
    state = pool(1, intensity=100, period=5.0, child_intensity=2)
    for number in range(20):
        assert crash(state, "c0", 3.0 * number)[-1] == "Start"
    assert strategy.crash_looping(state.children["c0"])


def test_a_window_includes_its_edge():
    state = SupervisorState(SupervisorFlags(intensity=1, period=5.0))
    assert intensity.charge(state, 0.0)
    assert not intensity.charge(state, 5.0)
    assert intensity.charge(state, 10.1)


def test_a_retry_of_a_child_that_was_stopped_meanwhile_does_nothing():
    driven = Driven(SupervisorFlags(), [("a", "permanent")])
    child = driven.state.children["a"]
    *_, again = strategy.start_failed(driven.state, child, error("no"), 0.0)
    strategy.forget(driven.state, child)
    assert strategy.retry(driven.state, child, 1.0, again.attempt) == []


def test_a_retry_that_comes_after_another_failure_does_nothing():
    driven = Driven(SupervisorFlags(intensity=9), [("a", "permanent")])
    child = driven.state.children["a"]
    *_, late = strategy.start_failed(driven.state, child, error("no"), 0.0)
    strategy.forget(driven.state, child)
    *_, again = strategy.start_failed(driven.state, child, error("no"), 1.0)
    assert strategy.retry(driven.state, child, 1.0, late.attempt) == []
    assert strategy.retry(driven.state, child, 1.0, again.attempt) == [strategy.Start(child)]


def test_the_last_ends_of_a_child_are_remembered():
    state = pool(1, intensity=1_000)
    for number in range(100):
        crash(state, "c0", float(number))
    child = state.children["c0"]
    assert child.last_exit == (error("x"), 99.0)
    assert len(child.exits) == strategy.EXITS_KEPT
