"""One floor, on which every strategy chooses somebody else: what each of them goes by."""

import pytest
from routing_kit import AT, core_of, request, tell

from actors.routing_core.facts import Customer

AGENTS = {"anna": 1, "ben": 5, "cleo": 2, "dan": 2}
"""With the level of each."""

SERVED = [(1, "dan"), (2, "dan"), (3, "dan"), (10, "anna"), (15, "cleo"), (20, "anna")]
SERVED += [(28, "ben"), (30, "ben")]
"""Who took a call, and when."""

READY = {"anna": 125, "ben": 135, "cleo": 140, "dan": 150}
"""Since when each has been ready."""

QUEUE = """
[rp.sales]
queue = "q"
[queue.q]
target = "w"
skills = {{ s = 1 }}
strategy = "{0}"
then = "round-robin"
"""


def floor_of(strategy):
    core = core_of(QUEUE.format(strategy))
    for index, (after_s, name) in enumerate(SERVED):
        at = AT + after_s
        tell(core, name, "ready", at, skills={"s": AGENTS[name]})
        assert core.decide(request(call=f"before-{index}"), at).decision.target == name
        tell(core, name, "busy", at + 0.1)
        tell(core, name, "notready", at + 0.2)
    for name, after_s in READY.items():
        tell(core, name, "ready", AT + after_s)
    return core


@pytest.mark.parametrize(
    ("strategy", "order"),
    [
        ("most-idle", ["anna", "ben", "cleo", "dan"]),
        ("round-robin", ["dan", "cleo", "anna", "ben"]),
        ("least-loaded", ["cleo", "anna", "ben", "dan"]),
        ("skills", ["ben", "cleo", "dan", "anna"]),
    ],
)
def test_each_strategy_goes_by_what_it_is_named_for(strategy, order):
    core = floor_of(strategy)
    for index, name in enumerate(order):
        at = AT + 200 + index
        decision = core.decide(request(call=f"now-{index}"), at).decision
        assert (decision.target, decision.rtype) == (name, "direct_agent")
        assert decision.reason == strategy
        assert (
            f"agent {name} of queue q, {strategy} of {len(order) - index} ready"
            in (decision.why[-1])
        )
        tell(core, name, "busy", at)
    assert core.decide(request(call="now-9"), AT + 210).decision.reason == "queued"


def test_the_last_agent_goes_first_and_then_the_strategy_that_is_named_for_it():
    core, known = floor_of("last-agent"), Customer(last_agent="cleo")
    first = core.decide(request(call="now-0", customer=known), AT + 200).decision
    assert (first.target, first.reason) == ("cleo", "last-agent")
    tell(core, "cleo", "busy", AT + 200)
    second = core.decide(request(call="now-1", customer=known), AT + 201).decision
    assert (second.target, second.reason) == ("dan", "round-robin")
    stranger = core.decide(request(call="now-2"), AT + 202).decision
    assert (stranger.target, stranger.reason) == ("anna", "round-robin")


def test_of_calls_that_wait_the_one_of_high_priority_is_first_until_another_has_aged():
    core = core_of(QUEUE.format("most-idle") + "ageing_s = 60\nmax_wait_s = 86400\n")
    tell(core, "anna", "ready", AT, skills={"s": 1})
    tell(core, "anna", "busy", AT)
    for call, prio, after_s in (("old", 0, 0), ("high", 2, 100), ("higher", 2, 130), ("low", 0, 9)):
        decision = core.decide(request(call=call, prio=prio), AT + after_s).decision
        assert decision.reason == "queued"
    served = []
    for index in range(4):
        at = AT + 300 + index
        tell(core, "anna", "ready", at)
        served.append(core.next_call("anna", at).call)
        tell(core, "anna", "busy", at + 0.5)
    # Two steps are worth 120 s: "high" is as one that came at -20, "higher" as one of 10.
    assert served == ["high", "old", "low", "higher"]
