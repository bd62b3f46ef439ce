"""Supervisors under random events, compared with a model of OTP's after every one of them.

The model (``tests/support/supervisor_model.py``) knows the rules and nothing of our code. Two
machines play the same game: one drives the supervisor itself in virtual time, with children that
start and end slowly; the other the pure core alone, which is so much cheaper that it sees more.
"""

from __future__ import annotations

from collections import Counter, deque
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)
from supervisor_drivers import CoreDriver, KitDriver
from supervisor_model import POOL, STATIC, Kid, Model

from supervision.reasons import KILLED, NORMAL, SHUTDOWN, error, shutdown

NAMES = "abcd"
REASONS = [NORMAL, SHUTDOWN, shutdown("x"), KILLED, error("x")]

names = st.sampled_from(NAMES)
restart_types = st.sampled_from(["permanent", "transient", "temporary"])
outcomes = st.sampled_from(["ok", "fail", "fail", "ignore"])
at_once = st.booleans()


class Game(RuleBasedStateMachine):
    """The rules of the game; what is driven and what may take time is said by the subclasses."""

    driver_class = KitDriver
    manners = st.sampled_from(["polite", "polite", "polite", "slow", "stuck"])
    limits = st.sampled_from([2.0, 2.0, 2.0, 0.0])
    slowly = 1.0
    attempts = st.tuples(st.sampled_from([0.0, 0.0, slowly]), outcomes)

    driver = None

    @property
    def playing(self):
        return self.driver is not None and not self.driver.gone

    @precondition(lambda self: not self.playing)
    @rule(data=st.data())
    def begin(self, data):
        self.finish()
        kind = data.draw(st.sampled_from([*STATIC, POOL]), "strategy")
        auto = data.draw(st.sampled_from(["never", "any_significant", "all_significant"]), "auto")
        self.auto = "never" if kind == POOL else auto
        intensity = data.draw(st.sampled_from([20, 4, 2, 1, 0]), "intensity")
        period = data.draw(st.sampled_from([1.0, 2.0, 5.0]), "period")
        self.template = self.draw_kid(data, "template")
        ids = data.draw(st.permutations(NAMES), "start order")
        kids = [self.template] if kind == POOL else [self.draw_kid(data, name) for name in ids]
        self.driver = self.driver_class(kind, intensity, period, self.auto, kids)
        kids = [] if kind == POOL else [self.copy(kid) for kid in kids]
        self.model = Model(kind, intensity, period, self.auto, kids, now=self.driver.now)
        self.asked, self.order, self.leaving_from = [], [], None
        name, plan = data.draw(st.tuples(names, st.lists(self.attempts, max_size=1)), "first")
        self.plan_starts(name, plan)
        self.driver.begin()
        self.settle()
        for name in ids if kind == POOL else ():
            self.start_one(data, name)

    def draw_kid(self, data, name):
        restart = data.draw(restart_types, "restart")
        fitting = restart != "permanent" and self.auto != "never"
        significant = fitting and data.draw(st.booleans(), "significant")
        manner = data.draw(self.manners, "manner")
        return Kid(name, restart, significant, manner, data.draw(self.limits, "limit"))

    @staticmethod
    def copy(kid):
        return Kid(kid.id, kid.restart, kid.significant, kid.manner, kid.limit)

    # What happens

    @precondition(lambda self: self.playing)
    @rule(name=names, reason=st.sampled_from(REASONS), other=names, data=st.data(), now=at_once)
    def exit(self, name, reason, other, data, now):
        self.plan_starts(other, data.draw(st.lists(self.attempts, max_size=3), "plan"))
        self.die(name, reason, now)

    def die(self, name, reason, now=True):
        kid = next((one for one in self.model.alive if one.id == name), None)
        if kid is not None:
            if kid.manner != "polite":
                reason = KILLED  # what it does on the way is its own; the model knows no such thing
            if name in self.order:
                self.order.remove(name)  # it does not wait for its turn
            self.driver.exit(name, reason)
            self.model.exit(name, reason)
        self.settle(now)

    @precondition(lambda self: self.playing)
    @rule(name=names, data=st.data())
    def plan(self, name, data):
        self.plan_starts(name, data.draw(st.lists(self.attempts, max_size=4), "plan"))

    def plan_starts(self, name, plan):
        self.driver.plans[name], self.model.plans[name] = deque(plan), deque(plan)

    @precondition(lambda self: self.playing)
    @rule(name=names, data=st.data(), now=at_once)
    def start_child(self, name, data, now):
        self.start_one(data, name, now)

    def start_one(self, data, name, now=True):
        kid = self.draw_kid(data, name)
        if self.model.strategy == POOL:
            of = self.template
            kid = Kid(name, of.restart, False, kid.manner, of.limit)
        self.ask("start_child", kid, self.copy(kid), now)

    @precondition(lambda self: self.playing)
    @rule(
        what=st.sampled_from(["terminate_child", "restart_child", "delete_child"]),
        name=names,
        now=at_once,
    )
    def manage(self, what, name, now):
        self.ask(what, name, name, now)

    @precondition(lambda self: self.playing)
    @rule(
        name=names, reason=st.sampled_from(REASONS), what=st.sampled_from(["terminate", "restart"])
    )
    def manage_one_that_dies(self, name, reason, what):
        """Its end comes while the call about it waits."""
        self.ask(f"{what}_child", name, name, now=False)
        self.die(name, reason)

    @precondition(lambda self: self.playing)
    @rule(name=names)
    def terminate_amid_slow_restarts(self, name):
        self.plan_starts(name, [(self.slowly, "fail")] * 3)
        self.die(name, KILLED)
        self.ask("terminate_child", name, name, now=True)

    def ask(self, what, argument, same, now):
        self.asked.append((self.driver.ask(what, argument), self.model.ask(what, same)))
        self.settle(now)

    @precondition(lambda self: self.playing)
    @rule(seconds=st.sampled_from([0.5, 0.5, 1.0, 2.5, None]))
    def time_passes(self, seconds):
        seconds = self.model.period if seconds is None else seconds  # to the edge of the window
        self.driver.advance(seconds)
        self.model.advance(seconds)
        self.compare()

    @precondition(lambda self: self.playing)
    @rule(reason=st.sampled_from([None, None, None, SHUTDOWN, SHUTDOWN, KILLED]))
    def end(self, reason):
        if reason is not None:
            self.leave(reason)

    def leave(self, reason):
        if self.driver.ending:
            return
        if reason is SHUTDOWN and self.model.strategy != POOL:
            self.leaving_from = len(getattr(self.driver, "log", ()))
            at_peace = [] if self.model.signals else self.model.kids
            self.order = [kid.id for kid in at_peace if kid.where == "running"]
        self.driver.shutdown(reason)
        self.model.shutdown(reason)
        self.settle()

    def settle(self, now=True):
        if now:
            self.driver.settle()
            self.model.settle()
            self.compare()

    # What holds after every step

    def compare(self):
        driver, model = self.driver, self.model
        assert driver.journal == model.journal, (driver.journal, model.journal)
        told = [one for one in model.reports if one[0] in driver.tells]
        assert driver.reports == told, (driver.reports, told)
        if model.over != "failed_to_start_child":  # it is still about to start, and cleans up
            assert driver.ending == (model.over is not None)
        assert driver.gone == model.gone
        assert driver.alive == {(kid.id, kid.incarnation) for kid in model.alive}
        if model.gone:
            assert model.over in driver.why or model.over == "auto_shutdown"
        elif model.over is None:
            self.compare_state()
        if model.over is None or model.gone:
            # Amid its end a call is refused earlier or later: nobody waits for which.
            answers = [(ours.answer, theirs.answer) for ours, theirs in self.asked]
            assert [ours for ours, _ in answers] == [theirs for _, theirs in answers]

    def compare_state(self):
        driver, model = self.driver, self.model
        if not model.idle:
            return
        # Start order is the order of the specs, and each has one status.
        where = {child.id: child.status for child in driver.state.children.values()}
        expected = {kid.id: kid.where or "stopped" for kid in model.kids}
        assert list(where.items()) == list(expected.items())
        oldest = model.now - model.period
        used = [at for at in driver.state.restarts if at >= oldest]
        assert used == [at for at in model.restarts if at >= oldest]
        assert len(used) <= model.intensity
        assert Counter(where.values())["running"] == len(driver.alive)

    def teardown(self):
        self.finish()

    def finish(self):
        if self.driver is None:
            return
        try:
            self.settle()
            self.leave(SHUTDOWN)
            self.driver.advance(60.0)
            self.model.advance(60.0)
            self.compare()
            assert self.driver.gone
            assert not self.driver.alive
            self.look_back()
        finally:
            driver, self.driver = self.driver, None
            driver.close()

    def look_back(self):
        """What has to be true of a whole run; nothing where the driver keeps no log."""


class GameOfCore(Game):
    driver_class = CoreDriver
    manners = st.just("polite")
    limits = st.just(2.0)
    slowly = 0.0
    attempts = st.tuples(st.just(slowly), outcomes)


class GameOfSupervisor(Game):
    def look_back(self):
        """Properties that need no model: they are read off the log of births and deaths."""
        living = {}
        for what, name, incarnation, _ in self.driver.log:
            if what == "born":
                assert name not in living, "two actors with one id"
                living[name] = incarnation
            else:
                assert living.pop(name) == incarnation
        assert not living
        self.look_at_the_end()
        self.look_at_restarts()

    def look_at_the_end(self):
        if self.leaving_from is None:
            return
        left = [name for what, name, *_ in self.driver.log[self.leaving_from :] if what == "dead"]
        places = [self.order.index(name) for name in left if name in self.order]
        assert all(one > other for one, other in pairwise(places)), "not the reverse of the start"

    def look_at_restarts(self):
        if self.model.strategy not in ("one_for_one", POOL):
            return
        times, most = self.driver.restart_times, self.model.intensity
        for first, last in zip(times, times[most:], strict=False):
            assert last - first > self.model.period, "more restarts than the intensity allows"


SHORT = settings(
    report_multiple_bugs=False,
    deadline=None,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def play(game, examples, steps=25):
    chosen = settings(SHORT, max_examples=examples, stateful_step_count=steps)
    run_state_machine_as_test(game, settings=chosen)


def test_the_core_does_what_the_model_says():
    play(GameOfCore, 200)


def test_the_supervisor_does_what_the_model_says():
    play(GameOfSupervisor, 150)


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("game", [GameOfCore, GameOfSupervisor], ids=["core", "supervisor"])
def test_long_games_are_won_too(game):
    play(game, 3_000, steps=60)
