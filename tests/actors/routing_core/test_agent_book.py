"""Agents: what `agent.state` makes of them, and who is available when."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_kit import AT, core_of, ready, ruleset, tell

from actors.routing_core.agents import AgentBook, AgentEvent, skills_of
from actors.routing_core.core import RoutingCore
from actors.routing_core.pool import RANKS
from actors.routing_core.refusals import RoutingRefused

RULES = """
[limits]
agents = 4
agent_skills = 3
pools = 3
[queue.sales]
skills = { sales = 2 }
reserve_s = 10.0
handle_s = 100.0
[queue.all]
skills = { sales = 1 }
strategy = "skills"
[queue.named]
agents = ["a"]
[agent.a]
device = "7100"
skills = { sales = 2 }
"""


@pytest.fixture
def core() -> RoutingCore:
    return core_of(RULES)


def available(core: RoutingCore, queue: str = "sales") -> list[str]:
    return [member.name for member in core.floor.pool(queue).ranked()]


def test_an_agent_is_available_while_he_is_ready_and_at_no_other_time(core):
    seen = {}
    for at, state in enumerate(
        ("login", "ready", "notready", "ready", "busy", "wrapup", "ready", "logout")
    ):
        tell(core, "a", state, AT + at)
        seen[at, state] = bool(available(core))
    assert [seen[key] for key in seen] == [False, True, False, True, False, False, True, False]


def test_what_an_agent_is_from_the_beginning_is_in_the_rules(core):
    ready(core, "a")
    assert core.floor.pool("sales").first().target == "7100"
    assert available(core, "named") == ["a"]


def test_what_the_event_says_of_skills_and_device_wins(core):
    tell(core, "a", "ready", skills={"sales": 1}, device="7999")
    assert available(core) == []
    assert available(core, "all") == ["a"]
    assert core.floor.pool("named").first().target == "7999"
    tell(core, "a", "ready", AT + 1, skills={"sales": 3})
    assert available(core) == ["a"]


def test_an_agent_whom_nothing_is_known_of_does_what_his_skills_allow(core):
    ready(core, "b", skills={"sales": 2})
    assert core.floor.pool("sales").first().target == "b"
    assert available(core, "named") == []


def test_an_event_that_is_older_than_what_is_known_changes_nothing(core):
    tell(core, "a", "busy", AT)
    tell(core, "a", "ready", AT - 1)
    assert available(core) == []
    assert core.floor.book.stale == 1


def test_an_agent_who_was_chosen_is_left_alone_until_he_was_busy_or_time_is_over(core):
    ready(core, "a")
    core.floor.reserve("sales", "a", (), AT)
    assert available(core) == []
    tell(core, "a", "ready", AT + 1)
    assert available(core) == [], "he was ready before: this is no news"
    assert core.floor.expire(AT + 9.9) == []
    assert core.floor.expire(AT + 10) == ["a"]
    assert available(core) == ["a"]


def test_an_agent_who_was_busy_meanwhile_is_not_given_back_by_an_old_reservation(core):
    ready(core, "a")
    core.floor.reserve("sales", "a", (), AT)
    tell(core, "a", "busy", AT + 1)
    tell(core, "a", "ready", AT + 2)
    core.floor.reserve("sales", "a", (), AT + 3)
    assert core.floor.expire(AT + 10) == []
    assert available(core) == []


def test_he_keeps_his_place_among_the_idle_when_his_call_never_came(core):
    ready(core, "a", "b", skills={"sales": 2})
    core.floor.reserve("sales", "a", (), AT)
    core.floor.expire(AT + 10)
    assert available(core) == ["a", "b"]


def test_the_time_that_calls_take_is_learnt_with_the_work_after_them(core):
    ready(core, "a")
    core.floor.reserve("sales", "a", (), AT)
    tell(core, "a", "busy", AT)
    assert core.floor.expected_wait_s("sales", 1) == 200.0
    tell(core, "a", "wrapup", AT + 300)
    tell(core, "a", "ready", AT + 740)
    tell(core, "a", "notready", AT + 741)
    tell(core, "a", "busy", AT + 742)
    assert core.floor.expected_wait_s("sales", 0) == 100 + (740 - 100) / 64


def test_the_expected_wait_is_told_apart_from_none_at_all(core):
    assert core.floor.expected_wait_s("sales", 0) == float("inf")
    ready(core, "a")
    assert core.floor.expected_wait_s("sales", 0) == 100.0
    ready(core, "b", skills={"sales": 2})
    assert core.floor.expected_wait_s("sales", 2) == 150.0


def test_further_skills_narrow_a_queue(core):
    ready(core, "a", "b", skills={"sales": 2})
    tell(core, "b", "ready", AT, skills={"sales": 2, "german": 2})
    for _ in range(2):
        assert [m.name for m in core.floor.pool("sales", (("german", 2),)).ranked()] == ["b"]
    tell(core, "b", "busy", AT + 1)
    assert not len(core.floor.pool("sales", (("german", 2),)))


def test_beyond_the_limit_of_pools_the_answer_is_the_same(core):
    ready(core, "a", "b", skills={"sales": 2, "x": 1})
    for level in range(1, 10):
        expected = ["a", "b"] if level == 1 else []
        pool = core.floor.pool("sales", (("x", level),))
        assert [member.name for member in pool.ranked()] == expected
    tell(core, "a", "busy", AT + 1)
    assert [m.name for m in core.floor.pool("sales", (("x", 1),)).ranked()] == ["b"]


def test_one_agent_more_than_there_may_be_is_refused_by_name(core):
    ready(core, "a", "b", "c", "d")
    with pytest.raises(RoutingRefused) as refused:
        ready(core, "e")
    assert refused.value.field == "agent"
    assert "4 agents (limits.agents)" in refused.value.rule
    tell(core, "a", "logout", AT + 1)
    ready(core, "e")


def test_too_many_skills_are_refused_and_change_nothing(core):
    with pytest.raises(RoutingRefused, match=r"limits\.agent_skills"):
        ready(core, "b", skills=dict.fromkeys("wxyz", 1))
    assert core.floor.book.agents == {}


def test_skills_are_read_with_their_levels():
    assert skills_of(["sales", "french:3"], 5) == {"sales": 1, "french": 3}


@pytest.mark.parametrize("word", ["", ":3", "x:", "x:0", "x:101", "x:-1", "x:1:2", "x:²", "x" * 65])
def test_a_skill_that_is_none_is_refused(word):
    with pytest.raises(RoutingRefused) as refused:
        skills_of([word], 5)
    assert refused.value.field == "skills"


def test_more_skills_than_there_may_be_are_refused_when_they_are_read():
    with pytest.raises(RoutingRefused, match="at most 2"):
        skills_of(["a", "b", "c"], 2)


def test_a_logout_of_somebody_unknown_is_no_news(core):
    tell(core, "x", "logout")
    assert core.floor.book.agents == {}


STATES = st.sampled_from(["login", "ready", "notready", "busy", "wrapup", "logout"])
SKILLS = st.none() | st.dictionaries(st.sampled_from("xy"), st.integers(1, 3), max_size=2)
CHANGES = st.lists(
    st.tuples(st.sampled_from("abcde"), STATES, st.integers(-1, 3), SKILLS, st.booleans()),
    max_size=40,
)


@settings(max_examples=300)
@given(st.sampled_from(sorted({*RANKS} - {"percentage"})), CHANGES)
def test_whatever_happens_the_available_are_those_who_are_ready_in_order_of_their_rank(
    strategy, changes
):
    """The pools, which are changed piece by piece, against all agents looked at anew."""
    text = f"[queue.q]\nskills = {{ x = 2 }}\nstrategy = '{strategy}'\nreserve_s = 2\n"
    book, at = AgentBook(ruleset(text).rules), 10.0
    for name, state, later, skills, reserve in changes:
        at += later
        book.apply(AgentEvent(name, state, at, skills=skills))
        pool = book.pool("q", (("y", 1),) if later == 0 else ())
        first = book.pool("q").first()
        if reserve and first is not None:
            book.pool("q").take(first.name)
            book.reserve(first.name, "q", at + 2)
        book.expire(at)
    for extra in ((), (("y", 1),)):
        pool = book.pool("q", extra)
        fit = [
            agent
            for agent in book.agents.values()
            if agent.skills.get("x", 0) >= 2 and book.has(agent.name, extra)
        ]
        assert set(pool.members) == {agent.name for agent in fit}
        assert pool.staffed == sum(agent.st in {"ready", "busy", "wrapup"} for agent in fit)
        free = [agent.name for agent in fit if agent.st == "ready" and agent.reserved_until is None]
        expected = sorted(free, key=lambda name: RANKS[strategy](pool.members[name]))
        assert [member.name for member in pool.ranked()] == expected
        for name in free:
            assert pool.members[name].idle_since == book.agents[name].ready_since
            assert pool.members[name].handled == book.agents[name].handled
