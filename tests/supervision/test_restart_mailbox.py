"""What becomes of messages over a restart: dropped, or kept for the next incarnation."""

from __future__ import annotations

import asyncio
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervision import (
    IGNORE,
    Backoff,
    CallTimeout,
    ChildSpec,
    CycleChild,
    DeleteChild,
    GenServer,
    MailboxFull,
    NoProc,
    RestartChild,
    ServerDied,
    StartChild,
    Supervisor,
    SupervisorFlags,
    TerminateChild,
    reasons,
)
from supervision.testing import Kit

LONG = Backoff(min_s=10.0, max_s=60.0, jitter=0.0)


class Clerk(GenServer):
    """Writes what it gets into its journal, with its incarnation; ``die`` makes it crash."""

    def init(self, journal):
        self.journal = journal

    def note(self, what):
        self.journal.append((self.address.incarnation, what))

    def handle_call(self, request, from_):
        if request == "die":
            raise LookupError("died of a call")
        self.note(request)
        return request

    def handle_cast(self, request):
        if request == "die":
            raise LookupError("died of a cast")
        if callable(request):
            request(self)
        else:
            self.note(request)

    def handle_info(self, message, sender):
        self.note(message)


def clerk(kit, **options):
    """Start a supervisor with one clerk; return the clerk's address and its journal."""
    journal = []
    flags = SupervisorFlags(intensity=options.pop("intensity", 100), period=1_000.0)
    options.setdefault("on_restart", "keep")
    kit.start_supervisor(flags, [ChildSpec("clerk", Clerk, journal, **options)])
    return kit.address("top/clerk"), journal


def ask(kit, target, request, timeout=None):
    return kit.loop.run(kit.base.call, target, request, timeout)


def post(kit, target, *requests):
    """Cast without letting anything run in between."""
    for request in requests:
        kit.loop.run(kit.base.cast, target, request)


def letters(kit):
    return [(letter.message, letter.reason) for letter in kit.kernel.dead_letters.recent]


def nothing_is_left(kit):
    return len(kit.kernel.held) == 0


def test_by_default_callers_are_told_at_once_and_the_rest_are_dead_letters(kit):
    address, journal = clerk(kit, on_restart="drop")
    post(kit, address, "die", "one")
    call = ask(kit, address, "two")
    kit.settle()
    assert isinstance(call.exception(), ServerDied)
    assert journal == []
    assert letters(kit) == [("Cast", "exited"), ("FutureCall", "exited")]


def test_what_was_not_handled_is_handled_by_the_next_incarnation_in_order(kit):
    address, journal = clerk(kit)
    post(kit, address, "one", "die", "two")
    call = ask(kit, address, "three")
    kit.send(address, "four")
    post(kit, address, "five")
    kit.settle()
    assert journal == [(1, "one"), (2, "two"), (2, "three"), (2, "four"), (2, "five")]
    assert call.result() == "three"
    assert letters(kit) == []
    assert nothing_is_left(kit)


def test_the_caller_whose_call_was_being_handled_is_told_at_once(kit):
    address, journal = clerk(kit)
    died, waiting = ask(kit, address, "die"), ask(kit, address, "next")
    kit.settle()
    assert died.exception().reason.detail == "LookupError: died of a call"
    assert waiting.result() == "next"
    assert journal == [(2, "next")]


def test_messages_that_come_while_a_restart_waits_are_kept_too(kit):
    address, journal = clerk(kit, backoff=LONG)
    post(kit, address, "die", "one")
    kit.settle()
    assert address.cell is None
    post(kit, address, "two")
    call = ask(kit, address, "three", 30.0)
    kit.settle()
    assert journal == []
    kit.advance(10.0)
    assert journal == [(2, "one"), (2, "two"), (2, "three")]
    assert call.result() == "three"
    assert nothing_is_left(kit)


@pytest.mark.parametrize("backoff", [None, LONG])
def test_they_are_kept_over_restarts_that_fail_again_and_again(kit, backoff):
    """Pekko lost them there (#669)."""
    address, journal = clerk(kit, backoff=backoff)
    kit.faults.refuse_starts("top/clerk", times=4)
    post(kit, address, "die", "one", "two")
    kit.settle()
    post(kit, address, "three") if backoff else None
    kit.advance(1_000.0)
    expected = ["one", "two", "three"] if backoff else ["one", "two"]
    assert journal == [(6, what) for what in expected]
    assert nothing_is_left(kit)


def test_one_that_fails_on_every_message_handles_them_one_by_one(kit):
    address, journal = clerk(kit)
    post(kit, address, "die", "one", "die", "two", "die", "three")
    kit.settle()
    assert journal == [(2, "one"), (3, "two"), (4, "three")]


def test_a_registered_name_finds_its_actor_again(kit):
    address, journal = clerk(kit, backoff=LONG)
    kit.cast(address, lambda actor: actor.register("clerk"))
    kit.cast(address, "die")
    kit.settle()
    post(kit, "clerk", "one")
    call = ask(kit, "clerk", "two", 60.0)
    kit.advance(10.0)
    assert journal == [(2, "one"), (2, "two")]
    assert call.result() == "two"
    # It is the actor's own matter to take the name again; nobody holds it now.
    with pytest.raises(NoProc):
        kit.call("clerk", "three")


def test_a_copy_of_the_address_finds_it_too(kit):
    address, journal = clerk(kit, backoff=LONG)
    copied = pickle.loads(pickle.dumps(address))
    kit.cast(address, "die")
    kit.settle()
    kit.send(copied, "one")
    post(kit, copied, "two")
    call = ask(kit, copied, "three", 60.0)
    kit.advance(10.0)
    assert journal == [(2, "one"), (2, "two"), (2, "three")]
    assert call.result() == "three"


def test_what_belongs_to_the_old_incarnation_is_not_handed_on(kit):
    address, journal = clerk(kit)
    probe = kit.probe(answer=lambda request: request)

    def busy(actor):
        actor.start_timer(0.0, "timer")
        actor.monitor(probe.address)
        actor.request(probe.address, "question")
        raise LookupError("busy")

    kit.cast(address, busy)
    kit.stop(probe.address)
    post(kit, address, "one")
    kit.advance(1.0)
    assert journal == [(2, "one")]


def test_a_call_whose_deadline_passes_while_it_is_kept_is_not_handled(kit):
    address, journal = clerk(kit, backoff=LONG)
    post(kit, address, "die")
    before = ask(kit, address, "before", 5.0)
    kit.settle()
    after = ask(kit, address, "after", 5.0)
    kit.advance(5.0)
    assert isinstance(before.exception(), CallTimeout)
    assert isinstance(after.exception(), CallTimeout)
    kit.advance(60.0)
    assert journal == []


def test_there_is_a_bound_to_what_is_kept(kit):
    address, journal = clerk(kit, backoff=LONG, keep_limit=3)
    post(kit, address, "die", "one", "two")
    kit.settle()
    post(kit, address, "three", "four")
    call = ask(kit, address, "five")
    kit.settle()
    assert isinstance(call.exception(), MailboxFull)
    assert letters(kit) == [("Cast", "restarting"), ("FutureCall", "restarting")]
    kit.advance(10.0)
    assert journal == [(2, "one"), (2, "two"), (2, "three")]


def test_more_than_the_bound_in_the_mailbox_is_not_kept(kit):
    address, journal = clerk(kit, keep_limit=1)
    post(kit, address, "die", "one", "two", "three")
    kit.settle()
    assert journal == [(2, "one")]
    assert letters(kit) == [("Cast", "restarting")] * 2


# Nobody comes back


def down(kit, **options):
    """A clerk that is down, with a call and a cast that wait for it."""
    address, journal = clerk(kit, backoff=LONG, **options)
    post(kit, address, "die", "one")
    call = ask(kit, address, "two")
    kit.settle()
    assert not call.done()
    return address, journal, call


def is_over(kit, call, reason):
    assert call.exception().reason == reason
    assert letters(kit)[-2:] == [("Cast", "exited"), ("FutureCall", "exited")]
    assert nothing_is_left(kit)


def test_termination_tells_those_who_wait(kit):
    address, _, call = down(kit)
    kit.call(kit.address("top"), TerminateChild("clerk"))
    is_over(kit, call, reasons.SHUTDOWN)
    with pytest.raises(NoProc):
        kit.call(address, "three")
    assert kit.call(kit.address("top"), DeleteChild("clerk")) is True


def test_the_end_of_the_supervisor_tells_those_who_wait(kit):
    _, _, call = down(kit)
    kit.stop(kit.address("top"))
    kit.settle()
    is_over(kit, call, reasons.SHUTDOWN)


def test_the_kill_of_the_supervisor_tells_those_who_wait(kit):
    _, _, call = down(kit)
    kit.faults.kill(kit.address("top"))
    kit.settle()
    is_over(kit, call, reasons.KILLED)


def test_a_supervisor_that_gives_up_tells_those_who_wait(kit):
    address, _ = clerk(kit, intensity=0)
    post(kit, address, "die", "one")
    call = ask(kit, address, "two")
    kit.settle()
    assert isinstance(call.exception(), ServerDied)
    assert nothing_is_left(kit)


def test_a_child_that_ends_for_good_tells_those_who_wait(kit):
    address, _ = clerk(kit, restart="transient")
    kit.faults.exit(address, reasons.NORMAL)
    post(kit, address, "one")
    call = ask(kit, address, "two")
    kit.settle()
    is_over(kit, call, reasons.NORMAL)


@pytest.mark.parametrize("backoff", [None, LONG])
def test_a_member_that_is_given_up_when_it_does_not_start_tells_those_who_wait(kit, backoff):
    flags = SupervisorFlags(
        "simple_one_for_one", 100, 1_000.0, child_intensity=3, backoff=backoff
    )  # fmt: skip
    top = kit.start_supervisor(flags, [ChildSpec("t", Clerk, on_restart="keep")])
    address = kit.call(top, StartChild(id="clerk", args=[])).address
    kit.faults.refuse_starts("top/clerk", times=None)
    post(kit, address, "die", "one")
    call = ask(kit, address, "two")
    kit.advance(500.0)
    assert kit.reported("supervisor", context="child_given_up")
    is_over(kit, call, reasons.GAVE_UP)
    with pytest.raises(NoProc):
        kit.call(address, "three")


def test_a_child_that_asks_to_be_left_out_when_it_is_started_again_tells_those_who_wait(kit):
    class Reluctant(Clerk):
        def init(self, journal):
            super().init(journal)
            return IGNORE if self.address.incarnation > 1 else None

    top = kit.start_supervisor(
        SupervisorFlags(intensity=100), [ChildSpec("clerk", Reluctant, [], on_restart="keep")]
    )
    address = kit.address("top/clerk")
    post(kit, address, "die", "one")
    call = ask(kit, address, "two")
    kit.settle()
    is_over(kit, call, reasons.SHUTDOWN)
    assert kit.call(top, DeleteChild("clerk")) is True


def test_a_child_that_became_temporary_while_its_restart_waits_still_starts(kit):
    class Wishes(Supervisor):
        def init(self, args):
            restart = args[-1]
            spec = ChildSpec("clerk", Clerk, args[0], restart, on_restart="keep", backoff=LONG)
            return SupervisorFlags(), [spec]

    journal, args = [], []
    args += [journal, "permanent"]
    kit.start(Wishes, args, name="top")
    address = kit.address("top/clerk")
    post(kit, address, "die", "one")
    kit.settle()
    args.append("temporary")
    kit.run(kit.actor(kit.address("top")).system_code_change(None, None))
    kit.advance(10.0)
    assert journal == [(2, "one")]
    assert nothing_is_left(kit)


def test_a_temporary_child_keeps_nothing(kit):
    address, _ = clerk(kit, restart="temporary")
    post(kit, address, "die", "one")
    call = ask(kit, address, "two")
    kit.settle()
    assert isinstance(call.exception(), ServerDied)
    assert nothing_is_left(kit)


def test_a_sibling_that_was_to_start_with_a_terminated_child_keeps_nothing(kit):
    journal = []
    flags = SupervisorFlags("rest_for_one", 100, 1_000.0, backoff=LONG)
    names = ("first", "second")
    kit.start_supervisor(flags, [ChildSpec(n, Clerk, journal, on_restart="keep") for n in names])
    second = kit.address("top/second")
    kit.cast(kit.address("top/first"), "die")
    kit.settle()
    call = ask(kit, second, "wait")
    kit.settle()
    assert not call.done()
    kit.call(kit.address("top"), TerminateChild("first"))
    assert isinstance(call.exception(), ServerDied)
    assert nothing_is_left(kit)


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_siblings_that_are_restarted_with_it_keep_theirs(kit, strategy):
    journal = []
    flags = SupervisorFlags(strategy, 100, 1_000.0, backoff=LONG)
    names = ("first", "second")
    kit.start_supervisor(flags, [ChildSpec(n, Clerk, journal, on_restart="keep") for n in names])
    second = kit.address("top/second")
    kit.cast(kit.address("top/first"), "die")
    kit.settle()
    post(kit, second, "one")
    kit.advance(10.0)
    assert journal == [(2, "one")]


# Other ways to come back


def test_members_of_a_pool_keep_theirs(kit):
    flags = SupervisorFlags("simple_one_for_one", 100)
    kit.start_supervisor(flags, [ChildSpec("clerk", Clerk, on_restart="keep")])
    journals = [[], []]
    for number, journal in enumerate(journals):
        kit.call(kit.address("top"), StartChild(id=f"c{number}", args=journal))
        post(kit, kit.address(f"top/c{number}"), "die", number)
    kit.settle()
    assert journals == [[(2, 0)], [(2, 1)]]
    assert nothing_is_left(kit)


class LongGoodbye(Clerk):
    async def terminate(self, reason):
        self.note("ending")
        await asyncio.sleep(2.0)
        self.note("ended")

    async def init(self, journal):
        super().init(journal)
        self.note("starting")
        await asyncio.sleep(1.0)
        self.note("started")


def test_a_new_incarnation_starts_when_the_old_one_has_ended_and_handles_what_waits(kit):
    journal = []
    spec = ChildSpec("clerk", LongGoodbye, journal, on_restart="keep")
    kit.start_supervisor(SupervisorFlags(), [spec])
    address = kit.address("top/clerk")
    journal.clear()
    kit.cast(address, "die")
    kit.cast(address, "while it ends")
    kit.advance(2.5)
    kit.cast(address, "while it starts")
    kit.advance(1.0)
    assert journal == [
        *[(1, "ending"), (1, "ended"), (2, "starting"), (2, "started")],
        *[(2, "while it ends"), (2, "while it starts")],
    ]


def test_an_operators_restart_keeps_them(kit):
    journal = []
    spec = ChildSpec("clerk", LongGoodbye, journal, on_restart="keep")
    top = kit.start_supervisor(SupervisorFlags(), [spec])
    cycled = ask(kit, top, CycleChild("clerk"))
    kit.advance(1.0)
    kit.cast(kit.address("top/clerk"), "meanwhile")
    kit.advance(3.0)
    assert cycled.done()
    assert journal[-1] == (2, "meanwhile")


def test_a_supervisor_that_is_restarted_itself_keeps_its_own_messages(kit):
    class Inner(Supervisor):
        def init(self, journal):
            return SupervisorFlags(intensity=0), [ChildSpec("clerk", Clerk, journal)]

    journal = []
    spec = ChildSpec("inner", Inner, journal, type="supervisor", on_restart="keep", backoff=LONG)
    kit.start_supervisor(SupervisorFlags(), [spec])
    inner = kit.address("top/inner")
    kit.cast(kit.address("top/inner/clerk"), "die")
    kit.settle()
    answer = ask(kit, inner, StartChild(ChildSpec("more", Clerk, journal)), 60.0)
    kit.advance(10.0)
    assert answer.result().address.path == "top/inner/more"


# Whatever happens

operations = st.lists(
    st.one_of(
        st.just("cast"),
        st.just("call"),
        st.just("die"),
        st.just("kill"),
        st.just("settle"),
        st.just(TerminateChild("clerk")),
        st.just(RestartChild("clerk")),
        st.just(CycleChild("clerk")),
        st.integers(1, 3),  # starts that fail
        st.sampled_from([0.5, 10.0, 100.0]),  # seconds that pass
    ),
    max_size=40,
)


def operate(kit, address, operation, number, calls):
    match operation:
        case "cast":
            post(kit, address, number)
        case "call":
            calls.append((number, ask(kit, address, number, 50.0)))
        case "die":
            post(kit, address, "die")
        case "kill":
            kit.faults.kill(address) if address.cell is not None else None
        case "settle":
            kit.settle()
        case int():
            kit.faults.refuse_starts("top/clerk", times=operation)
        case float():
            kit.advance(operation)
        case request:
            ask(kit, kit.address("top"), request)


@settings(max_examples=200, deadline=None)
@given(operations, st.sampled_from([None, LONG]), st.sampled_from([3, 1_000]))
def test_a_message_is_handled_once_and_in_order_or_accounted_for(run, backoff, limit):
    with Kit() as kit:
        address, journal = clerk(kit, backoff=backoff, keep_limit=limit, intensity=100_000)
        sent, died, calls = [], 0, []
        for number, operation in enumerate(run):
            operate(kit, address, operation, number, calls)
            sent += [number] if operation in ("cast", "call") else []
            died += operation == "die"
        kit.faults.refuse_starts("top/clerk", times=0)
        kit.advance(1_000.0)
        handled = [what for _, what in journal]
        assert handled == sorted(handled)  # and none twice:
        assert len(handled) == len(set(handled))
        assert [incarnation for incarnation, _ in journal] == sorted(i for i, _ in journal)
        expired = sum(isinstance(call.exception(), CallTimeout) for _, call in failed(calls))
        lost = kit.statistics().dead_letters
        # A call that nobody was there for is told so, and is no letter.
        unheard = sum(isinstance(call.exception(), NoProc) for _, call in failed(calls))
        crashes = len(kit.reported("crash", message="str"))
        assert len(handled) + crashes + lost + expired + unheard == len(sent) + died
        assert all(number in handled for number, call in calls if call.exception() is None)
        if limit > len(run) and not any(isinstance(one, TerminateChild) for one in run):
            assert lost == unheard == 0
        assert nothing_is_left(kit) or address.cell is not None
        kit.stop(kit.address("top"))
        assert nothing_is_left(kit)


def failed(calls):
    assert all(call.done() for _, call in calls)
    return [(number, call) for number, call in calls if call.exception() is not None]
