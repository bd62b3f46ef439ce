"""A model of OTP's supervisor, written from its rules alone: the oracle of random runs.

It shares nothing with the supervisor under test but ``Reason.kind`` and ``Reason.clean``. Whatever
takes time (a slow start, a slow end) is a generator that yields the monotonic second at which it
wants to be looked at again; so the model can be compared at any moment, also amid a restart.
"""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace

STATIC = ("one_for_one", "one_for_all", "rest_for_one")
POOL = "simple_one_for_one"
FOREVER = 1e9
TAKES = {"polite": 0.0, "slow": 1.0, "stuck": FOREVER}
"""Seconds that a child of each manner needs to end when it is asked to."""


class Kid:
    """One child: its spec, and where it stands.

    ``where`` is what its supervisor knows: starting, running, stopping, restarting (a start failed
    and will be tried again) or None. ``outcome`` is what became of its last start, ``died`` why it
    ended without having been asked, ``incarnation`` counts the attempts to start it.
    """

    def __init__(self, name, restart, significant, manner, limit):
        self.id, self.restart, self.significant = name, restart, significant
        self.manner, self.limit = manner, limit
        self.where, self.incarnation, self.until = None, 0, 0.0
        self.planned = self.outcome = self.died = None

    @property
    def up(self):
        return self.outcome == "ok"


class Model:
    """A supervisor of kids whose next starts are told by ``plans``: (seconds, outcome) by name."""

    def __init__(self, strategy, intensity, period, auto_shutdown, kids, *, now):
        self.strategy, self.intensity, self.period = strategy, intensity, period
        self.auto_shutdown, self.kids, self.now = auto_shutdown, list(kids), now
        self.plans = {}
        self.restarts, self.signals, self.queue, self.boxes = [], [], deque(), []
        self.alive, self.busy, self.errors = set(), [], []
        self.journal, self.reports = [], []
        self.over, self.gone, self.idle = None, False, False
        self._doing, self._due = self._life(), now

    # What happens to it

    def exit(self, name, reason):
        self.signals.append((self._exit, name, reason))

    def shutdown(self, reason):
        self.signals.append((self._shutdown, reason))

    def ask(self, what, *args):
        """Put a management call into the mailbox; return the box of its answer."""
        box = SimpleNamespace(answer="died" if self.gone else None)
        self.boxes.append(box)
        self.queue.append((self._answer, box, getattr(self, what), *args))
        return box

    def settle(self):
        signals, self.signals = self.signals, []
        for what, *args in signals:
            what(*args)
        self._go_on()

    def advance(self, seconds):
        self.settle()
        end = self.now + seconds
        while (due := min(self._dues(), default=FOREVER)) <= end:
            self.now = due
            self._go_on()
        self.now = end

    def _dues(self):
        return [kid.until for kid in self.busy] + ([] if self._due is None else [self._due])

    def _go_on(self):
        self._pass()
        self._due = None if self.gone else next(self._doing, None)
        if self._due is None and self.over is not None and not self.gone:
            self.gone, self.alive, self.busy = True, set(), []
            for box in self.boxes:
                box.answer = box.answer or "died"

    def _exit(self, name, reason):
        kid = next((one for one in self.alive if one.id == name), None)
        killed = reason.kind == "killed"
        if kid is None or (kid.up and kid in self.busy and not killed):
            return
        self.alive.discard(kid)
        self.busy = [one for one in self.busy if one is not kid]
        if not kid.up:
            kid.outcome = "fail"
            return
        kid.died = reason
        if not killed:
            self.journal.append(("ended", kid.id))
        self.queue.append((self._exited, kid, kid.incarnation, reason))

    def _shutdown(self, reason):
        if reason.kind == "killed" and not self.gone:
            self.over, self._doing = "killed", iter(())
        elif self.over in (None, "failed_to_start_child"):
            self._doing = self._end("shutdown")

    # What it does

    def _life(self):
        for kid in tuple(self.kids):
            if (yield from self._start(kid)) == "fail":
                self.reports.append(("start_error", kid.id))
                yield from self._end("failed_to_start_child")
                return
            self._ignored(kid)
        while self.over is None:
            self.idle = not self.queue
            if self.idle:
                yield FOREVER
            else:
                what, *args = self.queue.popleft()
                yield from what(*args) or ()

    def _exited(self, kid, incarnation, reason):
        if kid not in self.kids or (kid.where, kid.incarnation) != ("running", incarnation):
            return
        kid.where = None
        again = kid.restart == "permanent" or (kid.restart == "transient" and not reason.clean)
        if again or not reason.clean:
            self.reports.append(("child_terminated", kid.id))
        if again:
            yield from self._restart(kid)
            return
        self._ignored(kid)
        others = any(one.significant and one.where for one in self.kids)
        if kid.significant and (self.auto_shutdown == "any_significant" or not others):
            yield from self._end("auto_shutdown")

    def _restart(self, kid):
        self.restarts = [at for at in self.restarts if at >= self.now - self.period] + [self.now]
        if len(self.restarts) > self.intensity:
            self.reports.append(("shutdown", kid.id))
            self.kids.remove(kid)
            yield from self._end("reached_max_restart_intensity")
            return
        group = self._group(kid)
        kid.where = None  # it starts with its group, after those before it
        for one in reversed([one for one in group if one is not kid]):
            if one.where == "running":
                yield from self._stop(one)
            one.where = None
            if one.restart == "temporary":
                self.kids.remove(one)
        for one in [one for one in group if one in self.kids]:
            if (yield from self._start(one)) == "fail":
                one.where = "restarting"
                self.reports.append(("start_error", one.id))
                self.queue.append((self._retry, one, one.incarnation))
                return
            self._ignored(one)

    def _group(self, kid):
        if self.strategy == "one_for_all":
            return list(self.kids)
        return self.kids[self.kids.index(kid) :] if self.strategy == "rest_for_one" else [kid]

    def _retry(self, kid, incarnation):
        # OTP would also heed the retry of an earlier failure.
        if kid in self.kids and (kid.where, kid.incarnation) == ("restarting", incarnation):
            yield from self._restart(kid)

    def _start(self, kid):
        kid.where, kid.incarnation, kid.died, kid.outcome = (
            "starting",
            kid.incarnation + 1,
            None,
            None,
        )
        self.alive.add(kid)
        plan = self.plans.get(kid.id)
        seconds, kid.planned = plan.popleft() if plan else (0.0, "ok")
        self._takes(kid, seconds)
        while kid.outcome is None:
            yield kid.until
        kid.where = "running" if kid.up else None
        return kid.outcome

    def _stop(self, kid):
        if kid in self.alive and not kid.up:
            self.alive.discard(kid)  # it goes at once and says nothing
            self.busy.remove(kid)
        elif kid in self.alive and kid.where != "stopping":
            kid.where = "stopping"
            self._takes(kid, min(TAKES[kid.manner], kid.limit))
        while kid in self.alive:
            yield kid.until
        kid.where = None
        if not self._as_asked(kid):
            together = self.strategy == POOL and self.over is not None
            (self.errors if together else self.reports).append(("shutdown_error", kid.id))

    def _takes(self, kid, seconds):
        kid.until = self.now + seconds
        self.busy.append(kid)
        self._pass()

    def _pass(self):
        """Starts and ends that are due happen, whether or not anybody waits for them."""
        for kid in [one for one in self.busy if one.until <= self.now]:
            self.busy.remove(kid)
            if not kid.up:
                kid.outcome = kid.planned
                if kid.up:
                    self.journal.append(("started", kid.id))
                    continue
            elif TAKES[kid.manner] < kid.limit:
                self.journal.append(("ended", kid.id))
            else:
                kid.died = SimpleNamespace(kind="killed", detail=None, clean=False)
            self.alive.discard(kid)

    @staticmethod
    def _as_asked(kid):
        died = kid.died
        if died is None or (died.kind == "killed" and kid.limit == 0):
            return True
        in_order = died.kind == "shutdown" and died.detail is None
        return in_order or (died.clean and kid.restart != "permanent")

    def _end(self, why):
        self.over = why
        leaving = [one for one in reversed(self.kids) if one.where in _THERE]
        if self.strategy != POOL:
            for kid in leaving:
                yield from self._stop(kid)
            return
        stops = [self._stop(kid) for kid in leaving]
        while stops:
            dues = [(stop, next(stop, None)) for stop in stops]
            stops = [stop for stop, due in dues if due is not None]
            if stops:
                yield min(due for _, due in dues if due is not None)
        self.reports += [("shutdown_error", None)] * len(self.errors)  # told when all are gone

    def _ignored(self, kid):
        """Drop one that does not run and leaves no spec behind."""
        leaves = kid.restart != "temporary" and self.strategy != POOL
        if kid.where is None and not leaves:
            self.kids.remove(kid)

    # What it is asked

    def _answer(self, box, what, *args):
        box.answer = yield from what(*args)

    def start_child(self, kid):
        known = self._find(kid.id)
        if known is not None:
            return "already_started" if known.where == "running" else "already_present"
        self.kids.append(kid)
        outcome = yield from self._start(kid)
        if outcome == "fail":
            self.kids.remove(kid)
            return "start_error"
        self._ignored(kid)
        return "started" if outcome == "ok" else "ignored"

    def terminate_child(self, name):
        kid = self._find(name)
        if kid is None:
            return "not_found"
        if kid.where == "running":
            yield from self._stop(kid)
        kid.where = None
        self._ignored(kid)
        return "ok"

    def restart_child(self, name):
        refusal = self._refusal(name)
        if refusal is not None:
            return refusal
        kid = self._find(name)
        outcome = yield from self._start(kid)
        return {"ok": "started", "ignore": "ignored", "fail": "start_error"}[outcome]

    def delete_child(self, name):
        yield from ()
        refusal = self._refusal(name)
        if refusal is not None:
            return refusal
        self.kids.remove(self._find(name))
        return "ok"

    def _refusal(self, name):
        if self.strategy == POOL:
            return "simple_one_for_one"
        kid = self._find(name)
        return "not_found" if kid is None else kid.where

    def _find(self, name):
        return next((kid for kid in self.kids if kid.id == name), None)


_THERE = ("starting", "running", "stopping")
