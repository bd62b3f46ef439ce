"""What a supervisor can be asked while it runs (reference: supervisor(3), S-23 and S-24)."""

from __future__ import annotations

import pickle

import pytest

from supervision import (
    IGNORE,
    CallFailed,
    ChildSpec,
    CountChildren,
    CycleChild,
    DeleteChild,
    GenServer,
    GetCallbackModule,
    GetChildSpec,
    Ignored,
    Info,
    Keep,
    Next,
    NoProc,
    Refused,
    RestartChild,
    StartChild,
    Started,
    StateMachine,
    Stop,
    StopMachine,
    SupervisorFlags,
    TerminateChild,
    WhichChild,
    WhichChildren,
    reasons,
)
from supervision.introspection import ActionRefused, Introspection
from supervision.testing.children import Polite, SlowStart, SlowStop, specs


def flags(strategy="one_for_one", intensity=100, **more):
    return SupervisorFlags(strategy=strategy, intensity=intensity, **more)


@pytest.fixture
def top(kit):
    return kit.start_supervisor(flags(), specs("ab"))


@pytest.fixture
def pool(kit):
    return kit.start_supervisor(flags("simple_one_for_one"), specs("t"), name="pool")


def listed(kit, top):
    return [(child.id, child.status) for child in kit.call(top, WhichChildren())]


def counts(kit, top):
    answer = kit.call(top, CountChildren())
    return [answer[key] for key in ("specs", "active", "supervisors", "workers")]


class Refusing(GenServer):
    def init(self, args):
        return Stop(reasons.error("no"))


# A supervisor of known children


def test_a_child_can_be_added(kit, top):
    answer = kit.call(top, StartChild(ChildSpec("c", Polite)))
    assert answer == Started(kit.address("top/c"))
    assert listed(kit, top) == [("c", "running"), ("b", "running"), ("a", "running")]


def test_a_child_that_starts_slowly_is_waited_for(kit, top):
    answer = kit.call(top, StartChild(ChildSpec("c", SlowStart)))
    assert answer == Started(kit.address("top/c"))
    assert kit.clock.elapsed == 2.0


def test_a_child_that_runs_is_not_started_again(kit, top):
    answer = kit.call(top, StartChild(ChildSpec("a", Polite)))
    assert answer == Refused("already_started", kit.address("top/a"))


def test_a_child_that_was_stopped_is_present(kit, top):
    kit.call(top, TerminateChild("a"))
    assert kit.call(top, StartChild(ChildSpec("a", Polite))).why == "already_present"


def test_a_new_child_that_does_not_start_leaves_no_spec(kit, top):
    """S-10."""
    answer = kit.call(top, StartChild(ChildSpec("c", Refusing)))
    assert answer == Refused("start_error", reasons.error("no"))
    assert len(listed(kit, top)) == 2


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (StartChild(), "invalid_child_spec"),
        (StartChild("spec"), "invalid_child_spec"),
        (StartChild(ChildSpec("", Polite)), "invalid_id"),
        (StartChild({"start": Polite}), "missing_id"),
        (StartChild({"id": "c"}), "missing_start"),
        (
            StartChild(ChildSpec("c", Polite, restart="temporary", significant=True)),
            "bad_combination",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_spec_is_refused_and_ends_nothing(kit, top, request_, why):
    """S-15."""
    assert kit.call(top, request_).why == why
    assert listed(kit, top) == [("b", "running"), ("a", "running")]


def test_a_spec_may_be_a_mapping_whose_unknown_keys_are_nobodys_business(kit, top):
    """S-15."""
    answer = kit.call(top, StartChild({"id": "c", "start": Polite, "dummy": 1}))
    assert answer == Started(kit.address("top/c"))


def test_a_child_is_terminated_and_stays_so(kit, top):
    assert kit.call(top, TerminateChild("a")) is True
    assert kit.call(top, TerminateChild("a")) is True
    kit.advance(60.0)
    assert listed(kit, top) == [("b", "running"), ("a", "stopped")]
    assert counts(kit, top) == [2, 1, 0, 2]


def test_a_terminated_child_has_ended_when_the_answer_comes(kit):
    journal = []
    top = kit.start_supervisor(flags(), specs("a", SlowStop, journal))
    kit.call(top, TerminateChild("a"))
    assert journal[-1] == ("ended", "a")
    assert kit.clock.elapsed == 1.0


def test_a_temporary_child_that_is_terminated_leaves_no_spec(kit):
    """S-76."""
    top = kit.start_supervisor(flags(), specs("a", restart="temporary"))
    kit.call(top, TerminateChild("a"))
    assert listed(kit, top) == []


def test_a_child_that_died_just_before_its_termination_stays_down(kit, top):
    # Both wait for the supervisor: the request first, then the exit.
    kit.loop.run(kit.base.call, top, TerminateChild("a"))
    kit.faults.exit(kit.address("top/a"), reasons.error("just before"))
    kit.advance(10.0)
    assert listed(kit, top) == [("b", "running"), ("a", "stopped")]
    [report] = kit.reported("supervisor", context="shutdown_error")
    assert report.data["reason"] == "error: just before"


def test_a_stopped_child_is_restarted(kit, top):
    kit.call(top, TerminateChild("a"))
    assert kit.call(top, RestartChild("a")) == Started(kit.address("top/a"))
    assert counts(kit, top) == [2, 2, 0, 2]


def test_a_child_that_cannot_be_restarted_keeps_its_spec(kit, top):
    """S-11."""
    kit.call(top, TerminateChild("a"))
    kit.faults.refuse_starts("top/a")
    assert kit.call(top, RestartChild("a")).why == "start_error"
    assert listed(kit, top) == [("b", "running"), ("a", "stopped")]
    assert isinstance(kit.call(top, RestartChild("a")), Started)


def test_a_stopped_child_is_deleted(kit, top):
    kit.call(top, TerminateChild("a"))
    assert kit.call(top, DeleteChild("a")) is True
    assert listed(kit, top) == [("b", "running")]
    assert kit.call(top, RestartChild("a")) == Refused("not_found", "a")


@pytest.mark.parametrize("request_", [RestartChild("a"), DeleteChild("a")], ids=repr)
def test_a_running_child_is_neither_restarted_nor_deleted(kit, top, request_):
    assert kit.call(top, request_).why == "running"


def test_children_of_other_supervisors_are_known_by_their_names_only(kit, top):
    """S-23."""
    address = kit.address("top/a")
    for kind in (TerminateChild, RestartChild, DeleteChild, GetChildSpec, WhichChild):
        assert kit.call(top, kind(address)) == Refused("not_found", address)
    assert kit.alive(address)


def test_one_child_is_shown_through_its_life(kit, top):
    """S-92."""
    spec = ChildSpec("c", Polite, restart="transient", modules="dynamic")
    kit.call(top, StartChild(spec))
    shown = kit.call(top, WhichChild("c"))
    assert (shown.address, shown.status, shown.type) == (kit.address("top/c"), "running", "worker")
    assert (shown.restart, shown.modules, shown.failures) == ("transient", "dynamic", 0)
    kit.call(top, TerminateChild("c"))
    assert kit.call(top, WhichChild("c")).status == "stopped"
    kit.call(top, DeleteChild("c"))
    assert kit.call(top, WhichChild("c")) == Refused("not_found", "c")


def test_a_spec_is_shown_with_its_defaults(kit, top):
    """S-13."""
    spec = kit.call(top, GetChildSpec("a"))
    assert (spec.shutdown, spec.modules) == (5.0, ("supervision.testing.children",))
    assert kit.call(top, GetChildSpec("z")) == Refused("not_found", "z")


def test_a_supervisor_says_which_class_it_is(kit, top):
    """S-74."""
    assert kit.call(top, GetCallbackModule()) is type(kit.actor(top))


def test_what_init_has_to_say_is_passed_on(kit, top):
    """S-25."""

    class Talking(GenServer):
        def init(self, args):
            return Info("extra")

    answer = kit.call(top, StartChild(ChildSpec("c", Talking)))
    assert answer == Started(kit.address("top/c"), "extra")
    kit.call(top, TerminateChild("c"))
    assert kit.call(top, RestartChild("c")).info == "extra"


def test_a_name_that_is_taken_is_said_to_be(kit, top):
    """S-91: by an actor that is none of the supervisor's."""

    class Named(GenServer):
        def init(self, args):
            self.register("name")

    owner = kit.start(Named)
    answer = kit.call(top, StartChild(ChildSpec("c", Named)))
    assert answer == Refused("already_started", owner)
    assert len(listed(kit, top)) == 2


@pytest.mark.parametrize("kind", [TerminateChild, RestartChild, DeleteChild, CycleChild])
def test_an_unknown_child_is_not_found(kit, top, kind):
    assert kit.call(top, kind("z")) == Refused("not_found", "z")


def test_a_request_that_no_supervisor_knows_is_refused(kit, top):
    assert kit.call(top, "nonsense") == Refused("invalid_request", "str")
    kit.send(top, "nonsense")
    kit.cast(top, "nonsense")
    assert counts(kit, top) == [2, 2, 0, 2]
    assert [r.data["message"] for r in kit.reported("unexpected")] == ["str", "Cast"]


def test_a_supervisor_that_is_gone_answers_nothing(kit, top):
    kit.stop(top)
    with pytest.raises(NoProc):
        kit.call(top, CountChildren())


def test_requests_wait_while_a_child_ends(kit):
    top = kit.start_supervisor(flags(), specs("ab", SlowStop))
    terminated = kit.loop.run(kit.base.call, top, TerminateChild("a"))
    assert counts(kit, top) == [2, 1, 0, 2]
    assert terminated.result() is True


def stuck(kit):
    """A supervisor one of whose children is about to fail its restart three times."""
    top = kit.start_supervisor(flags(intensity=1_000), specs("ab"))
    kit.faults.refuse_starts("top/a", times=3)
    kit.faults.kill(kit.address("top/a"))
    return top


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (RestartChild("a"), "restarting"),
        (DeleteChild("a"), "restarting"),
        (StartChild(ChildSpec("a", Polite)), "already_present"),
    ],
    ids=repr,
)
def test_a_child_that_is_being_restarted_is_neither_here_nor_gone(kit, request_, why):
    """S-80: while the restart fails, requests get in between."""
    top = stuck(kit)
    answers = []

    def ask():
        future = kit.base.call(top, request_)
        future.add_done_callback(lambda done: answers.append(done.result()))

    kit.kernel.reports.subscribe(
        lambda report: ask() if report.data.get("context") == "start_error" else None
    )
    kit.settle()
    assert answers
    assert answers[0].why == why
    assert kit.alive("top/a") is False or kit.address("top/a").incarnation == 5


def test_a_termination_ends_the_attempts_to_restart(kit):
    """S-80."""
    top = stuck(kit)
    kit.faults.refuse_starts("top/a", times=None)
    kit.kernel.reports.subscribe(
        lambda report: (
            kit.base.call(top, TerminateChild("a"))
            if report.data.get("context") == "start_error"
            else None
        )
    )
    kit.settle()
    assert listed(kit, top) == [("b", "running"), ("a", "stopped")]
    assert len(kit.reported("supervisor", context="start_error")) <= 2


# An operator's restart


@pytest.mark.parametrize("restart", ["permanent", "transient"])
def test_a_child_is_cycled_whatever_its_restart_type(kit, restart):
    journal = []
    top = kit.start_supervisor(flags(intensity=0), specs("a", Polite, journal, restart=restart))
    assert kit.call(top, CycleChild("a")) == Started(kit.address("top/a"))
    assert journal == [("started", "a"), ("ended", "a"), ("started", "a")]
    assert kit.call(top, WhichChildren())[0].restarts == 1
    assert kit.alive(top)


def test_a_stopped_child_is_cycled_into_life(kit, top):
    kit.call(top, TerminateChild("a"))
    kit.call(top, CycleChild("a"))
    assert counts(kit, top) == [2, 2, 0, 2]


def test_a_cycled_child_that_does_not_start_is_tried_again(kit, top):
    kit.faults.refuse_starts("top/a", times=2)
    assert kit.call(top, CycleChild("a")).why == "start_error"
    kit.settle()
    assert kit.alive(kit.address("top/a"))


def test_a_temporary_child_is_not_cycled_for_its_arguments_are_gone(kit):
    journal = []
    top = kit.start_supervisor(flags(), specs("a", Polite, journal, restart="temporary"))
    assert kit.call(top, CycleChild("a")) == Refused("temporary", kit.address("top/a"))
    assert journal == [("started", "a")]
    assert listed(kit, top) == [("a", "running")]


# A pool


def test_an_empty_pool_counts_its_template(kit, pool):
    """S-24."""
    assert counts(kit, pool) == [1, 0, 0, 0]


def test_a_member_of_a_pool_is_started_with_its_arguments(kit, pool):
    journal = []
    assert kit.call(pool, StartChild(id="one", args=journal)) == Started(kit.address("pool/one"))
    assert journal == [("started", "one")]


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (StartChild(), "invalid_id"),
        (StartChild(id="a/b"), "invalid_id"),
        (StartChild(id=7), "invalid_id"),
        (StartChild(ChildSpec("x", Polite)), "bad_start_spec"),
    ],
)
def test_a_pool_refuses_members_without_a_proper_name(kit, pool, request_, why):
    assert kit.call(pool, request_).why == why
    assert counts(kit, pool) == [1, 0, 0, 0]


def test_a_member_of_a_pool_that_is_terminated_is_forgotten(kit, pool):
    kit.call(pool, StartChild(id="one"))
    assert kit.call(pool, TerminateChild("one")) is True
    assert kit.call(pool, TerminateChild("one")).why == "not_found"
    assert kit.call(pool, DeleteChild("one")).why == "simple_one_for_one"


def test_a_member_of_a_pool_is_known_by_its_address_too(kit, pool):
    """S-14, S-24."""
    address = kit.call(pool, StartChild(id="one")).address
    copied = pickle.loads(pickle.dumps(address))
    for named in ("one", address, copied):
        assert kit.call(pool, WhichChild(named)).id == "one"
        assert kit.call(pool, GetChildSpec(named)).id == "t"
    assert kit.call(pool, TerminateChild(address)) is True
    assert listed(kit, pool) == []
    assert not kit.alive(address)


def test_a_member_that_has_ended_is_as_good_as_terminated(kit):
    """S-24."""
    pool = kit.start_supervisor(flags("simple_one_for_one"), specs("t", restart="temporary"))
    address = kit.call(pool, StartChild(id="one")).address
    kit.faults.kill(address)
    kit.settle()
    assert kit.call(pool, TerminateChild(address)) is True
    assert kit.call(pool, WhichChild(address)) == Refused("not_found", address)


def test_a_stranger_is_not_found_and_left_alone(kit, pool, top):
    """S-24."""
    stranger = kit.address("top/a")
    kit.call(pool, StartChild(id="a"))
    for request in (TerminateChild(stranger), GetChildSpec(stranger), WhichChild(stranger)):
        assert kit.call(pool, request) == Refused("not_found", stranger)
    assert kit.alive(stranger)
    assert kit.alive(kit.address("pool/a"))


@pytest.mark.parametrize("request_", [RestartChild("one"), DeleteChild("one"), RestartChild("z")])
def test_members_of_a_pool_are_neither_restarted_nor_deleted(kit, pool, request_):
    """S-24."""
    kit.call(pool, StartChild(id="one"))
    assert kit.call(pool, request_) == Refused("simple_one_for_one")


def test_a_member_of_a_pool_that_ignores_its_start_leaves_nothing(kit):
    """S-06, S-07."""

    class Ignoring(GenServer):
        def init(self, args):
            return IGNORE

    top = kit.start_supervisor(flags("simple_one_for_one"), specs("t", Ignoring))
    assert kit.call(top, StartChild(id="a")) == Ignored()
    assert listed(kit, top) == []
    assert kit.stop(top) == reasons.SHUTDOWN


def test_thousands_of_members_are_counted(kit, pool):
    """S-71."""
    for number in range(2_000):
        kit.call(pool, StartChild(id=f"c{number}"))
    assert counts(kit, pool) == [1, 2_000, 0, 2_000]


# Kept states


class Counter(StateMachine):
    """Counts its casts; crashes, stops in order or stops in error on demand."""

    def init(self, args):
        return "fresh", 0

    def restore(self, args, state, data):
        return "restored", data

    def handle_event(self, kind, event, state, data):
        match event:
            case "crash":
                raise LookupError("crash")
            case "stop":
                return StopMachine(reasons.NORMAL, data + 100)
            case "fail":
                return StopMachine(reasons.error("on purpose"), data + 100)
            case ("state", from_):
                self.reply(from_, (state, data))
                return Keep()
            case _:
                return Next(state, data + 1)


@pytest.fixture
def counter(kit):
    kit.start_supervisor(flags(), specs("m", Counter, keep_state=True))
    address = kit.address("top/m")
    for _ in range(3):
        kit.cast(address, "count")
    kit.settle()
    return address


def test_a_killed_machine_comes_back_with_its_last_handled_state(kit, counter):
    kit.faults.kill(counter)
    kit.settle()
    assert kit.call(counter, "state") == ("restored", 3)
    kit.cast(counter, "count")
    kit.faults.kill(counter)
    kit.settle()
    assert kit.call(counter, "state")[1] in (3, 4)


def test_a_machine_that_crashed_comes_back_with_the_state_before(kit, counter):
    kit.cast(counter, "crash")
    kit.settle()
    assert kit.call(counter, "state") == ("restored", 3)


def test_a_machine_that_stopped_in_order_begins_anew(kit, counter):
    kit.cast(counter, "stop")
    kit.settle()
    assert kit.call(counter, "state") == ("fresh", 0)


def test_a_machine_that_stopped_in_error_comes_back_with_its_last_state(kit, counter):
    kit.cast(counter, "fail")
    kit.settle()
    assert kit.call(counter, "state") == ("restored", 103)


def test_a_machine_that_was_terminated_begins_anew(kit, counter):
    kit.call(kit.address("top"), TerminateChild("m"))
    kit.call(kit.address("top"), RestartChild("m"))
    assert kit.call(counter, "state") == ("fresh", 0)


def test_a_machine_that_an_operator_restarts_keeps_its_state(kit, counter):
    kit.call(kit.address("top"), CycleChild("m"))
    assert kit.call(counter, "state") == ("restored", 3)


def test_a_machine_whose_spec_does_not_say_so_begins_anew(kit):
    kit.start_supervisor(flags(), specs("m", Counter))
    address = kit.address("top/m")
    kit.cast(address, "count")
    kit.settle()
    kit.faults.kill(address)
    kit.settle()
    assert kit.call(address, "state") == ("fresh", 0)


def test_a_call_that_a_killed_machine_had_taken_fails(kit, counter):
    answer = kit.loop.run(kit.base.call, counter, "no answer", None)
    kit.settle()
    kit.faults.kill(counter)
    kit.settle()
    assert isinstance(answer.exception(), CallFailed)


def test_keys_that_nobody_knows_are_ignored_and_told(kit):
    """As in OTP they do nothing; whoever misspelt one is told."""
    spec = {"id": "a", "start": Polite, "restrt": "temporary"}
    top = kit.start_supervisor({"stategy": "one_for_all", "intensity": 3}, [spec])
    kit.call(top, StartChild({"id": "b", "start": Polite, "shutdwn": 7}))
    kit.call(top, StartChild({"id": "c", "start": Polite, "shutdown": 7}))
    assert [one.data["error"] for one in kit.reported("unexpected")] == [
        "unknown key in flags: stategy",
        "unknown key in the spec of a: restrt",
        "unknown key in the spec of b: shutdwn",
    ]
    assert kit.call(top, GetChildSpec("a")).restart == "permanent"


def test_an_operator_is_told_in_words_why_a_temporary_child_is_not_started_again(kit):
    kit.start_supervisor(flags(), specs("a", restart="temporary"))
    with pytest.raises(ActionRefused, match="cannot be started again, as its start arguments"):
        kit.run(Introspection(kit.kernel).restart("top/a"))
    assert kit.alive(kit.address("top/a"))
