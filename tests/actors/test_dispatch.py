"""Which query runs where: the pure core of connectionRouter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import dispatch
from actors.connectors import host_roles
from actors.connectors.breaker import BreakerLimits
from actors.connectors.host_roles import Seen
from actors.database import (
    OUTCOME_UNKNOWN,
    CircuitOpen,
    DatabaseDown,
    Query,
    QueryFailed,
    QueryTimeout,
    QueueFull,
    Rows,
)
from actors.dispatch import Answer, Freed, Job, Run, Up

DONE = Rows([])


class Caller:
    settled = False


def job(number, *, repeatable=False, deadline=1.0):
    return Job((1, number), Query(sql="SELECT 1", repeatable=repeatable), Caller(), 0.0, deadline)


def router(*connections, limit=3):
    state = dispatch.begin(limit)
    for connection in connections:
        dispatch.said(state, connection, "idle", 0.0)
    return state


def runs(actions):
    return [(action.connection, action.job.id[1]) for action in actions if isinstance(action, Run)]


def answers(actions):
    return [(one.job.id[1], one.answer) for one in actions if isinstance(one, Answer)]


def test_a_query_goes_to_the_connection_that_was_idle_longest():
    state = router("a", "b")
    assert runs(dispatch.submit(state, job(1), 0.1)) == [("a", 1)]
    assert runs(dispatch.submit(state, job(2), 0.1)) == [("b", 2)]
    dispatch.done(state, "b", (1, 2), DONE, 0.2)
    dispatch.done(state, "a", (1, 1), DONE, 0.2)
    assert runs(dispatch.submit(state, job(3), 0.3)) == [("b", 3)]


def test_queries_wait_their_turn_and_one_over_the_limit_is_refused():
    state = router("a", limit=2)
    dispatch.submit(state, job(1), 0.0)
    assert dispatch.submit(state, job(2), 0.0) == []
    assert dispatch.submit(state, job(3), 0.0) == []
    assert answers(dispatch.submit(state, job(4), 0.0)) == [(4, QueueFull(2))]
    actions = dispatch.done(state, "a", (1, 1), DONE, 0.1)
    assert answers(actions) == [(1, DONE)]
    assert runs(actions) == [("a", 2)]


def test_before_any_connection_has_said_a_word_queries_wait():
    state = dispatch.begin(3)
    assert dispatch.submit(state, job(1), 0.0) == []
    dispatch.said(state, "a", "connecting", 0.0)
    assert runs(dispatch.said(state, "a", "idle", 0.1)) == [("a", 1)]


def test_while_every_connection_is_down_queries_fail_at_once():
    state = dispatch.begin(3)
    dispatch.said(state, "a", "connecting", 0.0)
    dispatch.submit(state, job(1), 0.0)
    dispatch.said(state, "b", "down", 0.0, "refused")
    assert answers(dispatch.said(state, "a", "down", 0.0, "no route")) == [
        (1, DatabaseDown("no route"))
    ]
    assert answers(dispatch.submit(state, job(2), 0.0)) == [(2, DatabaseDown("no route"))]
    dispatch.said(state, "b", "idle", 0.1)
    assert runs(dispatch.submit(state, job(3), 0.1)) == [("b", 3)]


def test_without_a_database_every_query_fails_at_once():
    state = dispatch.begin(3, "none is configured")
    assert answers(dispatch.submit(state, job(1), 0.0)) == [(1, DatabaseDown("none is configured"))]


def test_users_are_told_once_when_the_database_becomes_usable():
    state = dispatch.begin(3)
    assert dispatch.said(state, "a", "connecting", 0.0) == []
    assert dispatch.said(state, "a", "idle", 0.0) == [Up()]
    assert dispatch.said(state, "b", "idle", 0.0) == []
    dispatch.said(state, "a", "connecting", 0.0)
    dispatch.said(state, "b", "down", 0.0)
    assert dispatch.said(state, "b", "idle", 0.0) == [Up()]


def test_a_query_whose_time_is_up_while_it_waits_is_never_run():
    state, late = router("a"), job(2, deadline=0.5)
    dispatch.submit(state, job(1), 0.0)
    dispatch.submit(state, late, 0.0)
    assert answers(dispatch.expired(state, late)) == [(2, QueryTimeout("wait", 0.5))]
    assert runs(dispatch.done(state, "a", (1, 1), DONE, 0.6)) == []


def test_a_query_whose_time_is_up_while_it_runs_keeps_its_connection_until_it_has_ended():
    state, slow = router("a"), job(1, deadline=0.5)
    dispatch.submit(state, slow, 0.0)
    assert answers(dispatch.expired(state, slow)) == [(1, QueryTimeout("exec", 0.5))]
    assert dispatch.submit(state, job(2), 0.6) == []
    actions = dispatch.done(state, "a", (1, 1), QueryTimeout("exec", 0.5), 0.7)
    assert answers(actions) == []
    assert runs(actions) == [("a", 2)]


def test_nothing_is_run_for_a_caller_who_has_given_up():
    state, left = router("a"), job(2)
    dispatch.submit(state, job(1), 0.0)
    dispatch.submit(state, left, 0.0)
    left.caller.settled = True
    assert runs(dispatch.done(state, "a", (1, 1), DONE, 0.1)) == []


@pytest.mark.parametrize("how", ["actor", "server"])
def test_a_read_on_a_connection_that_ended_is_run_once_more_before_the_others(how):
    state = router("a", "b")
    dispatch.submit(state, job(1, repeatable=True), 0.0)
    dispatch.submit(state, job(2), 0.0)
    dispatch.submit(state, job(3), 0.0)
    assert end(state, "a", 1, how) == []
    assert runs(dispatch.done(state, "b", (1, 2), DONE, 0.2)) == [("b", 1)]
    ((number, answer),) = answers(end(state, "b", 1, how))
    assert (number, answer.sqlstate) == (1, OUTCOME_UNKNOWN)


def end(state, connection, number, how):
    if how == "actor":
        return dispatch.gone(state, connection, "killed", 0.1)
    dispatch.said(state, connection, "connecting", 0.1)
    return dispatch.lost(state, connection, (1, number), "reset by peer", 0.1)


def test_the_outcome_of_a_write_on_a_connection_that_ended_is_unknown():
    state = router("a", "b")
    dispatch.submit(state, job(1), 0.0)
    assert answers(dispatch.gone(state, "a", "killed", 0.1)) == [
        (1, QueryFailed(OUTCOME_UNKNOWN, "the connection ended: killed"))
    ]


def test_a_write_that_was_not_begun_is_given_to_another_connection():
    state = router("a", "b")
    dispatch.submit(state, job(1), 0.0)
    dispatch.said(state, "a", "connecting", 0.1)
    assert runs(dispatch.refused(state, "a", (1, 1), 0.1)) == [("b", 1)]


def test_a_word_of_idleness_from_before_a_job_does_not_lose_the_job():
    state = router("a")
    dispatch.submit(state, job(1), 0.0)
    assert dispatch.said(state, "a", "idle", 0.1) == []
    assert dispatch.submit(state, job(2), 0.1) == []
    assert answers(dispatch.done(state, "a", (1, 1), DONE, 0.2)) == [(1, DONE)]


def test_what_a_connection_finishes_for_an_earlier_router_only_makes_it_idle():
    state = dispatch.begin(3)
    dispatch.said(state, "a", "busy", 0.0)
    dispatch.submit(state, job(1), 0.0)
    actions = dispatch.done(state, "a", (0, 1), DONE, 0.1)
    assert answers(actions) == []
    assert runs(actions) == [("a", 1)]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["submit", "expire", "done", "idle", "connecting", "down", "lost", "gone"]),
        st.integers(0, 2),
        st.booleans(),
    ),
    max_size=80,
)


@given(EVENTS)
def test_whatever_happens_each_query_is_answered_at_most_once_and_runs_at_most_twice(events):
    state = dispatch.begin(2)
    jobs, answered, started = [], [], []
    for what, index, flag in events:
        connection = "abc"[index]
        running = state.running.get(connection)
        match what:
            case "submit":
                jobs.append(job(len(jobs), repeatable=flag))
                actions = dispatch.submit(state, jobs[-1], 0.0)
            case "expire":
                actions = dispatch.expired(state, jobs[-1]) if jobs else []
            case "done" | "lost" if running is None:
                actions = []
            case "done":
                actions = dispatch.done(state, connection, running.id, DONE, 0.0)
            case "lost":
                dispatch.said(state, connection, "connecting", 0.0)
                actions = dispatch.lost(state, connection, running.id, "x", 0.0)
            case "gone":
                actions = dispatch.gone(state, connection, "x", 0.0)
            case status:
                actions = dispatch.said(state, connection, status, 0.0)
        answered += [number for number, _ in answers(actions)]
        started += [number for _, number in runs(actions)]
        assert len(answered) == len(set(answered))
        assert all(started.count(number) <= 2 for number in started)
        assert len(state.waiting) <= 2 + 3
        busy = set(state.running)
        assert not busy & set(state.idle)
        if state.idle:
            assert not state.waiting
    open_jobs = [one for one in jobs if not one.answered]
    here = [*state.waiting.values(), *state.running.values()]
    assert all(any(one is other for other in here) for one in open_jobs)


def test_two_routers_share_nothing():
    one, other = dispatch.Dispatch(1), dispatch.Dispatch(1)
    for name in ("waiting", "running", "status", "idle"):
        assert getattr(one, name) is not getattr(other, name)


def read(number, **options):
    return Job((1, number), Query(sql="SELECT 1", replica=True, **options), Caller(), 0.0, 1.0)


def cluster(limit=3):
    """A primary `p` with the connections p1 and p2, a replica `r` with r1."""
    hosts = host_roles.begin(("p", "r"), BreakerLimits(2, 1.0))
    state = dispatch.begin(limit, hosts=hosts)
    for connection in ("p1", "p2", "r1"):
        dispatch.said(state, connection, "idle", 0.0, host=connection[0])
    return state


def roles(state, *, p="primary", r="replica"):
    return [
        action
        for name, role in (("p", p), ("r", r))
        for action in dispatch.host_said(state, name, Seen(role, 1 if role == "primary" else 0), 0)
    ]


def test_writes_wait_for_the_first_word_on_the_roles_and_reads_do_not():
    state = cluster()
    assert dispatch.submit(state, job(1), 0.0) == []
    assert runs(dispatch.submit(state, read(2), 0.0)) == [("p1", 2)]
    actions = roles(state)
    assert runs(actions) == [("p2", 1)]
    assert Up() in actions


def test_reads_go_to_the_replica_and_to_the_primary_when_that_is_busy():
    state = cluster()
    roles(state)
    assert runs(dispatch.submit(state, read(1), 0.0)) == [("r1", 1)]
    assert runs(dispatch.submit(state, read(2), 0.0)) == [("p1", 2)]
    assert runs(dispatch.submit(state, job(3), 0.0)) == [("p2", 3)]


def test_without_a_primary_writes_fail_at_once_and_what_is_read_goes_on():
    state = cluster()
    roles(state)
    ((_, failure),) = answers(
        [
            *dispatch.host_said(state, "p", Seen("unreachable", why="refused"), 0.0),
            *dispatch.submit(state, job(1), 0.0),
        ]
    )
    assert failure == DatabaseDown("no primary is reachable (p: refused; r: replica)")
    assert runs(dispatch.submit(state, read(2), 0.0)) == [("r1", 2)]
    actions = dispatch.host_said(state, "r", Seen("primary", 2), 0.0)
    assert Up() in actions
    dispatch.submit(state, job(3), 0.0)
    assert runs(dispatch.done(state, "r1", (1, 2), DONE, 0.0)) == [("r1", 3)]


def test_a_write_that_waits_for_the_primary_does_not_hold_up_reads():
    state = cluster()
    roles(state)
    for number in (1, 2, 3):
        dispatch.submit(state, job(number), 0.0)
    assert runs(dispatch.submit(state, read(4), 0.0)) == [("r1", 4)]


def test_when_no_host_is_left_reads_fail_at_once_until_one_probe_has_succeeded():
    state = router("a")
    state.hosts.by_name[""].breaker.limits = BreakerLimits(2, 1.0)
    first, second = read(1), read(2)
    dispatch.submit(state, first, 0.0)
    assert answers(dispatch.expired(state, first)) == [(1, QueryTimeout("exec", 1.0))]
    dispatch.done(state, "a", first.id, QueryTimeout("exec", 1.0), 1.0)
    dispatch.submit(state, second, 0.0)
    dispatch.submit(state, read(3), 0.0)
    actions = dispatch.expired(state, second)
    dispatch.done(state, "a", second.id, QueryTimeout("exec", 1.0), 1.0)
    assert answers(actions) == [(2, QueryTimeout("exec", 1.0)), (3, CircuitOpen(1.0))]
    assert answers(dispatch.submit(state, read(20), 1.5)) == [(20, CircuitOpen(0.5))]
    assert runs(dispatch.submit(state, job(21), 1.5)) == [("a", 21)]
    dispatch.done(state, "a", (1, 21), DONE, 1.6)
    assert runs(dispatch.submit(state, read(22), 2.0)) == [("a", 22)]
    assert answers(dispatch.submit(state, read(23), 2.1)) == [(23, CircuitOpen(0.9))]
    dispatch.done(state, "a", (1, 22), DONE, 2.2)
    assert runs(dispatch.submit(state, read(24), 2.2)) == [("a", 24)]


def test_the_next_job_is_given_to_a_freed_connection_before_anybody_is_told():
    state = router("a")
    dispatch.submit(state, job(1), 0.0)
    dispatch.submit(state, job(2), 0.0)
    first, second = dispatch.done(state, "a", (1, 1), DONE, 0.1)
    assert (first.connection, first.job.id) == ("a", (1, 2))
    assert (second.job.id, second.answer) == ((1, 1), DONE)


def test_a_connection_that_is_withdrawn_ends_what_it_runs_and_gets_nothing_more():
    state = router("a", "b")
    dispatch.submit(state, job(1), 0.0)
    assert dispatch.withdraw(state, "a") == []
    assert dispatch.withdraw(state, "b") == [Freed("b")]
    assert dispatch.submit(state, job(2), 0.0) == []
    assert dispatch.done(state, "a", (1, 1), DONE, 0.1)[-1] == Freed("a")
    assert dispatch.withdraw(state, "nobody") == []


CLUSTER_EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["read", "write", "done", "slow", "lost", "idle", "down", "role", "gone"]),
        st.integers(0, 2),
        st.sampled_from(["primary", "replica", "unreachable", "unknown"]),
    ),
    max_size=80,
)


@given(CLUSTER_EVENTS)
def test_whatever_happens_to_hosts_writes_run_on_the_primary_only_and_nothing_is_answered_twice(
    events,
):
    state = cluster()
    answered, now, number = [], 0.0, 0
    for what, index, role in events:
        now += 0.1
        connection = ("p1", "p2", "r1")[index]
        running = state.running.get(connection)
        actions = []
        match what:
            case "read" | "write":
                number += 1
                one = read(number, repeatable=True) if what == "read" else job(number)
                actions = dispatch.submit(state, one, now)
            case "done" | "slow" if running is not None:
                answer = DONE if what == "done" else QueryTimeout("exec", 1.0)
                actions = dispatch.done(state, connection, running.id, answer, now)
            case "lost" if running is not None:
                actions = dispatch.said(state, connection, "connecting", now, host=connection[0])
                actions += dispatch.lost(state, connection, running.id, "x", now)
            case "idle" | "down":
                actions = dispatch.said(state, connection, what, now, host=connection[0])
            case "gone":
                actions = dispatch.gone(state, connection, "x", now)
            case "role":
                actions = dispatch.host_said(state, "pr"[index % 2], Seen(role, index), now)
        for action in actions:
            if isinstance(action, Run) and not action.job.replica:
                assert action.connection[0] == state.hosts.primary
        answered += [one for one, _ in answers(actions)]
        assert len(answered) == len(set(answered))
        assert len(state.waiting) <= 3 + 3
