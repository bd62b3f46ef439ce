"""Waiting calls: order by priority with ageing, and that nobody waits for ever."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_kit import AT, core_of, ready, request, tell

from actors.routing_core.waiting import WaitingLines


def lines(ageing_s: float = 60.0, most: int = 1_000) -> WaitingLines:
    return WaitingLines({"q": ageing_s, "other": ageing_s}, most)


def served(line: WaitingLines) -> list[str]:
    order = []
    while (first := line.first(["q"], lambda _: True)) is not None:
        order.append(line.leave(first.call).call)
    return order


def test_a_step_of_priority_is_worth_its_time_of_waiting():
    line = lines(60.0)
    line.enter("early", "q", 0.0, 0)
    line.enter("soon after", "q", 59.0, 1)
    line.enter("later", "q", 61.0, 1)
    line.enter("much later", "q", 119.0, 2)
    assert served(line) == ["soon after", "much later", "early", "later"]


def test_without_ageing_who_came_first_is_first():
    line = lines(0.0)
    line.enter("early", "q", 0.0, -5)
    line.enter("late", "q", 1.0, 100)
    assert served(line) == ["early", "late"]


def test_equals_are_served_as_they_came():
    line = lines()
    for call in "abc":
        line.enter(call, "q", 5.0, 1)
    assert served(line) == ["a", "b", "c"]


def test_a_call_that_asks_again_keeps_its_place_and_one_that_moves_does_not():
    line = lines()
    line.enter("a", "q", 0.0, 0)
    line.enter("b", "q", 1.0, 0)
    line.enter("a", "q", 9.0, 5)
    assert line.ahead("q", "a", 9.0, 0) == 0
    line.enter("a", "other", 9.0, 0)
    assert line.length("q") == 1
    assert line.get("a").queue == "other"
    assert len(line) == 2


def test_how_many_are_ahead_is_known_before_a_call_waits():
    line = lines(60.0)
    for index in range(5):
        line.enter(f"c{index}", "q", index * 60.0, 0)
    assert line.ahead("q", "new", 300.0, 0) == 5
    assert line.ahead("q", "new", 300.0, 2) == 4
    assert line.ahead("q", "new", 300.0, 100) == 0


CALLS = st.lists(
    st.tuples(st.integers(-3, 3), st.floats(0, 30), st.integers(0, 2)), min_size=1, max_size=40
)


@settings(max_examples=300)
@given(CALLS, st.sampled_from([0.0, 1.0, 10.0]))
def test_no_call_is_overtaken_by_one_that_comes_later_than_ageing_makes_up_for(calls, ageing_s):
    """So it never starves: those who may go before it are those who came by then, and no others."""
    line, now, order, came = lines(ageing_s), 0.0, [], {}
    for index, (prio, later, serve) in enumerate(calls):
        now += later
        came[f"c{index}"] = (now, prio)
        line.enter(f"c{index}", "q", now, prio)
        for _ in range(serve):
            first = line.first(["q"], lambda _: True)
            if first is not None:
                order.append(line.leave(first.call).call)
    order += served(line)
    assert sorted(order) == sorted(came)
    places = {call: index for index, call in enumerate(order)}
    for call, (since, prio) in came.items():
        bound = since + (3 - prio) * ageing_s
        late = [other for other, (at, _) in came.items() if at > bound + 1e-6]
        assert all(places[other] > places[call] for other in late)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(-2, 2)), max_size=40))
def test_the_place_in_a_line_is_the_number_of_those_ahead_whoever_comes_and_goes(steps):
    line, now = lines(2.0), 0.0
    for comes, name, prio in steps:
        now += 1
        if comes:
            line.enter(f"c{name}", "q", now, prio)
        else:
            line.leave(f"c{name}")
        assert line.length("q") == len(line)
    order = {waiting.call: line.ahead("q", waiting.call, now, 0) for waiting in line}
    assert served(line) == sorted(order, key=order.get)


RULES = """
[queue.q]
target = "w1"
skills = { x = 1 }
[queue.other]
target = "w2"
skills = { y = 1 }
[rp.sales]
queue = "q"
[rp.support]
queue = "other"
[[rp.support.when]]
langs = ["de"]
skills = { german = 1 }
"""


@pytest.fixture
def waiting():
    core = core_of(RULES)
    tell(core, "x-only", "busy", skills={"x": 1})
    tell(core, "both", "busy", skills={"x": 1, "y": 1, "german": 1})
    tell(core, "y-only", "busy", skills={"y": 1})
    core.decide(request("support", "german", lang="de"), AT)
    core.decide(request("support", "y"), AT + 1)
    core.decide(request("sales", "x"), AT + 2)
    assert len(core.floor.lines) == 3
    return core


@pytest.mark.parametrize(("agent", "call"), [("x-only", "x"), ("both", "german"), ("y-only", "y")])
def test_an_agent_who_becomes_ready_gets_the_first_call_that_he_can_take(waiting, agent, call):
    assert waiting.next_call(agent, AT + 3) is None, "he is busy"
    tell(waiting, agent, "ready", AT + 3)
    assert waiting.next_call(agent, AT + 3).call == call
    assert waiting.next_call(agent, AT + 3) is None, "he is reserved for it"
    assert waiting.floor.lines.get(call) is None


def test_a_call_that_comes_now_does_not_take_the_agent_of_one_that_waits(waiting):
    tell(waiting, "y-only", "ready", AT + 3)
    assert waiting.decide(request("support", "new"), AT + 3).choice.kind == "wait"
    assert waiting.decide(request("support", "y"), AT + 3).choice.agent == "y-only"


def test_a_call_that_is_over_waits_no_longer(waiting):
    waiting.over("y", AT + 3)
    tell(waiting, "y-only", "ready", AT + 4)
    assert waiting.next_call("y-only", AT + 4) is None


def test_a_call_that_nothing_is_heard_of_is_forgotten(waiting):
    waiting.floor.expire(AT + 14_400)
    assert [call.call for call in waiting.floor.lines] == ["y", "x"]


def test_nobody_unknown_gets_a_call(waiting):
    assert waiting.next_call("nobody", AT) is None


def test_no_more_calls_wait_than_may():
    core = core_of("[limits]\nwaiting = 2\n" + RULES + "[queue.q.dissuasion]\ntarget='ann-busy'")
    ready(core, "a", skills={"x": 1})
    tell(core, "a", "busy", AT + 1)
    reasons = [core.decide(request("sales", f"c{i}"), AT + i).decision.reason for i in range(4)]
    assert reasons == ["queued", "queued", "dissuasion", "dissuasion"]
    assert core.decide(request("sales", "c0"), AT + 9).decision.reason == "queued"


def test_a_call_of_low_priority_is_served_while_those_of_high_priority_never_end():
    text = "[rp.sales]\nqueue='q'\n[queue.q]\ntarget='w'\nskills={x=1}\nageing_s=60\n"
    core = core_of(text + "max_wait_s=86400")
    tell(core, "a", "ready", AT, skills={"x": 1})
    core.decide(request(call="first"), AT)
    tell(core, "a", "busy", AT)
    core.decide(request(call="low"), AT)
    served, now = [], AT
    while "low" not in served:
        for index in range(2):
            core.decide(request(call=f"high-{now}-{index}", prio=5), now)
        now += 10
        tell(core, "a", "ready", now)
        served.append(core.next_call("a", now).call)
        tell(core, "a", "busy", now)
    assert now - AT > 5 * 60, "priority counts"
    assert now - AT <= 2 * 5 * 60 + 20, "those who came within 300 s go before it, and nobody else"
