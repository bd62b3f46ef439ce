"""The guardian's decisions, without processes and without a clock."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.anchor.lifecycle import decide, initial, next_deadline, restart_delay
from supervision.anchor.messages import ExitCode
from supervision.anchor.spec import AnchorSpec, ProgramSpec, RestartPolicy
from supervision.anchor.states import (
    Announce,
    Begin,
    Exited,
    Finish,
    LastWords,
    Mode,
    Phase,
    Ping,
    Pong,
    Ready,
    Restart,
    Signal,
    Spawn,
    Spawned,
    Stop,
    Tick,
)

POLICY = RestartPolicy(min_s=1.0, max_s=8.0, reset_s=60.0)
STORE = ProgramSpec("store", ("/bin/store",), stop_timeout_s=4.0, restart=POLICY)
NODE = ProgramSpec(
    "node",
    ("/bin/node",),
    awaited=True,
    ready_timeout_s=20.0,
    hang_timeout_s=8.0,
    stop_timeout_s=6.0,
    restart=POLICY,
    final_exit_codes=(64,),
    restart_prevent_exit_codes=(65,),
)
SPEC = AnchorSpec("/data", (STORE, NODE), start_timeout_s=30.0, start_attempts=3)


class Core:
    """A core that is told what happens and when."""

    def __init__(self, spec=SPEC):
        self.spec, self.state, self.now = spec, initial(spec), 1000.0

    def __getitem__(self, name):
        return self.state.programs[name]

    def on(self, event, after=0.0):
        self.now += after
        self.state, actions = decide(self.spec, self.state, event, self.now)
        return actions

    def at_deadline(self):
        """Tick exactly when the core wants to be asked next."""
        self.now = next_deadline(self.state)
        return self.on(Tick())

    def exit(self, name, code=1, after=0.0):
        return self.on(Exited(name, f"exit {code}", code, 0.0), after)

    def run(self):
        """Everything started and ready."""
        self.on(Begin())
        for number, name in enumerate(self.state.programs, 100):
            self.on(Spawned(name, number))
            self.on(Ready(name, {}))
        return self


def test_all_programs_start_at_once_in_their_order():
    assert Core().on(Begin()) == [Spawn("store"), Spawn("node")]


def test_the_start_is_announced_when_the_awaited_program_is_ready_whatever_the_others_do():
    core = Core()
    core.on(Begin())
    assert core.on(Ready("node", {"version": "1"})) == [Announce()]
    assert core.state.mode is Mode.RUNNING
    assert core["store"].phase is Phase.STARTING
    assert core["node"].info == {"version": "1"}


def test_where_nothing_is_awaited_the_start_is_complete_at_once():
    core = Core(AnchorSpec("/data", (STORE,)))
    assert core.on(Begin()) == [Spawn("store"), Announce()]


def test_a_late_start_fails_and_stops_everything_in_the_reverse_order():
    core = Core()
    core.on(Begin())
    core.on(Spawned("node", 1))
    assert core.on(Tick(), after=30.0) == [Signal("node", signal.SIGTERM)]
    assert core.state.reason == "node was not ready within 30 s"
    assert core.exit("node", 0) == [Signal("store", signal.SIGTERM)]
    assert core.exit("store", 0) == [Finish()]
    assert (core.state.mode, core.state.exit_code) == (Mode.STOPPED, ExitCode.FAILED)
    assert core.state.culprit == "node"


def test_a_start_fails_at_the_last_of_its_attempts():
    core = Core()
    core.on(Begin())
    for _ in range(2):
        assert core.exit("node") == []
        assert core.at_deadline() == [Spawn("node")]
    assert core.exit("node") == [Signal("store", signal.SIGTERM)]
    assert core.state.reason == "node ended before it was ready: exit 1"


def test_a_final_exit_code_fails_a_start_but_not_a_running_anchor():
    core = Core()
    core.on(Begin())
    assert core.exit("node", 64) == [Signal("store", signal.SIGTERM)]
    assert core.state.exit_code == 64
    core = Core().run()
    assert core.exit("node", 64) == []
    assert core["node"].phase is Phase.BACKOFF


def test_a_program_that_ends_for_good_is_not_started_again_until_somebody_asks():
    core = Core().run()
    assert core.exit("node", 65) == []
    assert (core["node"].phase, core["node"].restarts) == (Phase.FAILED, 0)
    assert next_deadline(core.state) is None
    assert core.state.mode is Mode.RUNNING
    assert core.on(Restart("node")) == [Spawn("node")]
    assert (core["node"].phase, core["node"].failures) == (Phase.STARTING, 0)


def test_a_program_that_has_failed_has_nothing_to_stop():
    core = Core().run()
    core.exit("node", 65)
    assert core.on(Stop("enough")) == [Signal("store", signal.SIGTERM)]
    assert core["node"].phase is Phase.DOWN


def test_a_program_that_ends_for_good_fails_a_start_with_its_last_words():
    core = Core()
    core.on(Begin())
    core.on(LastWords("node", "the ledger is torn"))
    assert core.exit("node", 65) == [Signal("store", signal.SIGTERM)]
    assert core.state.reason == "node ended before it was ready: exit 65: the ledger is torn"
    assert core.state.exit_code == 65


def test_last_words_are_those_of_one_incarnation():
    core = Core().run()
    core.on(LastWords("node", "farewell"))
    core.exit("node", 1)
    assert core["node"].last_exit.reason == "exit 1: farewell"
    core.at_deadline()
    core.exit("node", 1)
    assert core["node"].last_exit.reason == "exit 1"


def test_a_program_that_is_not_awaited_may_fail_during_the_start():
    core = Core()
    core.on(Begin())
    for _ in range(4):
        core.exit("store")
        assert core.at_deadline() == [Spawn("store")]
    assert core.state.mode is Mode.STARTING


def test_delays_double_up_to_their_bound_and_begin_anew_after_a_healthy_time():
    core, delays = Core(AnchorSpec("/data", (STORE,))).run(), []
    for _ in range(6):
        core.exit("store")
        delays.append(core["store"].deadline - core.now)
        assert core.at_deadline() == [Spawn("store")]
    assert delays == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    core.on(Ready("store", {}))
    core.exit("store", after=60.0)
    assert core["store"].deadline - core.now == 1.0
    assert (core["store"].failures, core["store"].restarts) == (1, 7)


def test_a_program_that_was_up_but_never_ready_is_not_healthy():
    core = Core()
    core.on(Begin())
    core.exit("store")
    core.at_deadline()
    core.on(Ready("node", {}))
    core.exit("store", after=120.0)
    assert core["store"].failures == 2


@given(st.integers(1, 10_000), st.floats(0.0, 1.0, exclude_max=True))
def test_jitter_takes_at_most_half_of_a_delay(failures, jitter):
    whole = restart_delay(POLICY, failures, 0.0)
    assert whole / 2 <= restart_delay(POLICY, failures, jitter) <= whole <= POLICY.max_s


def test_a_restarted_program_that_does_not_get_ready_in_time_is_killed_and_started_again():
    core = Core().run()
    core.exit("node")
    core.at_deadline()
    assert core.on(Tick(), after=20.0) == [Signal("node", signal.SIGKILL)]
    core.exit("node", None)
    assert core["node"].last_exit.reason == "killed: not ready within 20 s"
    assert core["node"].failures == 2


def test_pings_follow_each_other_while_they_are_answered():
    core = Core().run()
    for _ in range(10):
        assert core.at_deadline() == [Ping("node")]
        core.on(Pong("node"), after=0.1)


def test_an_unanswered_ping_kills_exactly_when_the_time_is_over():
    core = Core().run()
    core.at_deadline()
    sent = core.now
    assert core.at_deadline() == []
    assert core.at_deadline() == [Signal("node", signal.SIGKILL)]
    assert core.now == sent + 8.0
    assert next_deadline(core.state) is None
    core.exit("node", None)
    assert core["node"].last_exit.reason == "killed: hung, no answer within 8 s"


def test_an_answer_at_the_last_moment_saves_the_program():
    core = Core().run()
    core.at_deadline()
    core.on(Pong("node"), after=7.9)
    assert core.on(Tick(), after=0.2) == [Ping("node")]


def test_a_program_that_does_not_stop_in_time_is_killed_and_then_the_next_one_is_stopped():
    core = Core().run()
    assert core.on(Stop("enough")) == [Signal("node", signal.SIGTERM)]
    assert core.on(Tick(), after=6.0) == [Signal("node", signal.SIGKILL)]
    assert core.exit("node", None) == [Signal("store", signal.SIGTERM)]
    assert core["node"].last_exit.reason == "killed: not stopped within 6 s"
    assert core.exit("store", 0) == [Finish()]
    assert core.state.exit_code is ExitCode.DONE


def test_a_second_stop_changes_nothing():
    core = Core().run()
    core.on(Stop("once"))
    assert core.on(Stop("twice")) == []
    assert core.state.reason == "once"


def test_a_program_in_backoff_has_nothing_to_stop():
    core = Core().run()
    core.exit("node")
    assert core.on(Stop("enough")) == [Signal("store", signal.SIGTERM)]
    assert core["node"].phase is Phase.DOWN


def test_a_restart_that_was_asked_for_is_orderly_and_no_failure():
    core = Core().run()
    assert core.on(Restart("node")) == [Signal("node", signal.SIGTERM)]
    assert core.exit("node", 0) == [Spawn("node")]
    assert (core["node"].incarnation, core["node"].restarts, core["node"].failures) == (2, 0, 0)


def test_a_restart_of_a_program_in_backoff_is_immediate():
    core = Core().run()
    core.exit("node")
    assert core.on(Restart("node")) == [Spawn("node")]
    assert core["node"].failures == 0


def test_a_stop_during_a_restart_wins():
    core = Core().run()
    core.on(Restart("node"))
    core.on(Stop("enough"))
    assert core.exit("node", 0) == [Signal("store", signal.SIGTERM)]


def test_a_program_that_dies_while_another_is_stopped_is_not_started_again():
    core = Core().run()
    core.on(Stop("enough"))
    assert core.exit("store") == []
    assert core.exit("node", 0) == [Finish()]


NAMES = st.sampled_from(["store", "node"])
EVENTS = st.one_of(
    st.just(Tick()),
    st.builds(Ready, NAMES, st.just({})),
    st.builds(Pong, NAMES),
    st.builds(Restart, NAMES),
    st.builds(Exited, NAMES, st.just("exit 1"), st.just(1), st.floats(0.0, 0.99)),
    st.just(Stop("enough")),
)


@pytest.mark.timeout(60)
@given(st.lists(st.tuples(EVENTS, st.floats(0.0, 40.0)), max_size=60))
def test_whatever_happens_a_program_has_one_process_at_most_and_a_stop_ends(history):
    core, living = Core(), set()

    def perform(actions):
        for action in actions:
            if isinstance(action, Spawn):
                assert action.name not in living
                living.add(action.name)
                core.on(Spawned(action.name, 1))
            elif isinstance(action, Signal):
                assert action.name in living

    perform(core.on(Begin()))
    for event, after in history:
        if isinstance(event, Exited | Ready | Pong) and event.name not in living:
            continue
        if isinstance(event, Exited):
            living.discard(event.name)
        perform(core.on(event, after))
    perform(core.on(Stop("the end")))
    while living:
        stopping = next(name for name in living if core[name].phase is Phase.STOPPING)
        living.discard(stopping)
        perform(core.exit(stopping, 0))
    assert core.state.mode is Mode.STOPPED
