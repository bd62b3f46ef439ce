"""Whatever happens to sessions while they are copied, in the end the same ones live there."""

from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from takeover_kit import Two, ask, kept, names, timers

from actors.call_messages import CallTold
from actors.session_api import AddJourneyStep, IdempotentKey, PatchSession, RouteFromIvr
from actors.session_record import VERSION
from protocols.cti.messages import CallEvent
from supervision.supervisor.carrying import past_of

CALLS = ("c0", "c1", "c2", "c3")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("open", "ask", "route", "clear", "transfer", "patch", "step"),
                *("kill", "refuse", "pass", "pass", "some", "all"),
            )
        ),
        st.sampled_from(CALLS),
        st.integers(1, 4),
    ),
    max_size=30,
)


class Run:
    """Does to the old node what a test says, and copies meanwhile."""

    def __init__(self, two):
        self.two, self.old = two, two.old
        self.numbers = count(1)

    def session(self, call):
        return self.old.kernel.registry.whereis(("call", call))

    def event(self, call, ev, **fields):
        session = self.session(call)
        if session is not None:
            number = next(self.numbers)
            told = CallEvent(i=number, call=call, ev=ev, ts=float(number), **fields)
            self.old.send(session, CallTold(told, "link-1"))

    def call(self, call, request):
        session = self.session(call)
        if session is not None:
            self.old.kernel.call(session, request)

    def open(self, call, _):
        if self.session(call) is None and not self.old.kernel.held.awaits(("call", call)):
            self.old.open(call, ani="+33612345678")

    def ask(self, call, number):
        session = self.session(call)
        if session is not None:
            ask(self.old, session, f"{call}-{number}", call=call)

    def route(self, call, _):
        self.call(call, RouteFromIvr("sales"))

    def clear(self, call, _):
        self.event(call, "cleared")

    def transfer(self, call, number):
        self.event(call, "transferred", new_call=CALLS[number % len(CALLS)])

    def patch(self, call, number):
        self.call(call, PatchSession(rev=number, set={"lang": f"l{number}"}, delete=()))

    def step(self, call, number):
        key = IdempotentKey(f"{call}-{number}", "f")
        self.call(call, AddJourneyStep(ev="in", step="menu", once=key))

    def kill(self, call, _):
        session = self.session(call)
        if session is not None:
            self.old.faults.kill(session)

    def refuse(self, call, number):
        session = self.session(call)
        if session is not None:
            self.old.faults.refuse_starts(session.path, 3 * number)
            self.old.faults.kill(session)

    def passes(self, _, number):
        self.old.advance(1.7 * number)

    def some(self, _, number):
        self.two.takes.give(VERSION, self.two.gives.take(number, VERSION))

    def all(self, _, number):
        self.two.copy(number)


def saved(kit):
    """Sessions but for frames that have changed nothing else: those are not saved, nor copied."""
    found = kept(kit).items()
    return {name: (state, replace(data, applied=())) for name, (state, data) in found}


def look(two):
    """The timers of both; one of idleness that is overdue there only looks at the clock again."""
    now, there, here = round(two.new.clock.monotonic(), 4), timers(two.new), timers(two.old)
    for session, running in there.items():
        if running.get("idle", now + 1) <= now:
            running["idle"] = here[session]["idle"]
    return here, there


@settings(max_examples=150, deadline=None)
@given(before=STEPS, during=STEPS)
def test_what_lives_on_the_new_node_is_what_lives_on_the_old_one(before, during):
    with Two(linger_s=4, idle_expiry_s=15) as two:
        run = Run(two)
        for number, (what, call, how) in enumerate((*before, *during)):
            if number == len(before):
                two.gives.begin()
            if two.gives.due or what not in {"some", "all"}:
                getattr(run, what if what != "pass" else "passes")(call, how)
                two.old.settle()
        if not during:
            two.gives.begin()
        two.freeze()
        assert saved(two.old) == saved(two.new)
        assert names(two.old) == names(two.new)
        here, there = look(two)
        assert here == there
        for name, child in two.old.pool.children.items():
            assert past_of(child) == past_of(two.new.pool.children[name])
