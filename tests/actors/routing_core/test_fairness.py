"""Strategies share calls out fairly: within 1 % over 100,000 simulated calls."""

import heapq
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from routing_kit import core_of, ready, request

from actors.routing_core.agents import AgentEvent
from actors.routing_core.pool import Member, Pool

CALLS = 100_000
AGENTS = 10
HANDLE_S = 60.0


def shared_out(strategy: str, load: float, seed: int) -> dict[str, int]:
    """Simulate calls that come at random; those that find nobody ready are lost."""
    floor = core_of(
        f"[queue.q]\nskills = {{ s = 1 }}\nstrategy = '{strategy}'\nreserve_s = 3600\n"
    ).floor
    rng = random.Random(seed)
    names = [f"a{index}" for index in range(AGENTS)]
    counts = dict.fromkeys(names, 0)
    for name in names:
        floor.tell(AgentEvent(name, "ready", 0.0, skills={"s": 1}))
    pool, busy, now = floor.pool("q"), [], 0.0
    for _ in range(CALLS):
        now += rng.expovariate(load * AGENTS / HANDLE_S)
        while busy and busy[0][0] <= now:
            free_at, name = heapq.heappop(busy)
            floor.tell(AgentEvent(name, "ready", free_at))
        member = pool.first()
        if member is not None:
            counts[member.name] += 1
            floor.reserve("q", member.name, (), now)
            floor.tell(AgentEvent(member.name, "busy", now))
            heapq.heappush(busy, (now + rng.uniform(0.5, 1.5) * HANDLE_S, member.name))
    return counts


@pytest.mark.parametrize("strategy", ["round-robin", "most-idle", "least-loaded"])
def test_agents_get_the_same_number_of_calls(strategy):
    counts = shared_out(strategy, 0.5, seed=1)
    mean = sum(counts.values()) / AGENTS
    assert sum(counts.values()) > 0.95 * CALLS
    assert all(abs(count - mean) <= 0.01 * mean for count in counts.values()), counts


def test_destinations_get_their_percentages():
    shares = {"north": 50.0, "south": 33.3, "east": 16.2, "west": 0.5, "shut": 0.0}
    text = "[rp.sales]\nqueue = 'q'\n[queue.q]\nstrategy = 'percentage'\ndestinations = [\n"
    text += "".join(
        f"{{ target = '{name}', percent = {share} }},\n" for name, share in shares.items()
    )
    core = core_of(text + "]\n")
    counts = dict.fromkeys(shares, 0)
    pool = core.floor.pool("q")
    assert core.decide(request(), 0.0).decision.reason == "percentage"
    for index in range(CALLS):
        name = pool.first().name
        counts[name] += 1
        core.floor.place(f"c-{index}", "q", name, 0.0)
        core.over(f"c-{index}", 0.0)
    assert counts["shut"] == 0
    for name, share in shares.items():
        assert abs(counts[name] - CALLS * share / 100) <= 0.01 * max(CALLS * share / 100, 100)


def test_the_less_loaded_destination_is_chosen_for_its_capacity():
    text = "[rp.sales]\nqueue = 'q'\n[queue.q]\nstrategy = 'least-loaded'\ndestinations = [\n"
    core = core_of(text + "{target='large', capacity=30}, {target='small', capacity=10}]\n")
    targets = [core.decide(request(call=f"c-{i}"), 0.0).decision.target for i in range(40)]
    assert (targets.count("large"), targets.count("small")) == (30, 10)
    assert targets[:20].count("small") == 5
    last = core.decide(request(call="c-40"), 0.0)
    assert last.decision.reason == "rp-default"
    core.over("c-3", 1.0)
    assert core.decide(request(call="c-41"), 1.0).decision.target == targets[3]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 300))
def test_after_any_number_of_calls_each_share_is_close_to_its_percentage(weights, calls):
    total = sum(weights)
    pool = Pool("percentage")
    for order, weight in enumerate(weights):
        pool.join(Member(str(order), str(order), order, weight=weight / total))
        pool.offer(str(order))
    for _ in range(calls):
        pool.take(pool.first().name)
    taken = [pool.members[str(order)].share.taken for order in range(len(weights))]
    assert sum(taken) == calls
    most = max(2, Fraction(len(weights), 2))  # Sainte-Lague's quotients keep no quota, but are near
    for weight, count in zip(weights, taken, strict=True):
        assert abs(count - Fraction(calls * weight, total)) <= most


def test_who_was_away_does_not_get_all_that_was_missed():
    pool = Pool("percentage")
    for order, name in enumerate("ab"):
        pool.join(Member(name, name, order, weight=0.5))
        pool.offer(name)
    pool.withdraw("b")
    for _ in range(100):
        pool.take(pool.first().name)
    pool.offer("b")
    following = []
    for _ in range(10):
        following.append(pool.first().name)
        pool.take(following[-1])
    assert following.count("b") in {5, 6}


def test_with_round_robin_a_newcomer_is_next_and_then_one_of_all():
    core = core_of("[rp.sales]\nqueue='q'\n[queue.q]\nstrategy='round-robin'\nskills={s=1}\n")
    ready(core, "a", "b", "c", skills={"s": 1})
    order = []
    pool = core.floor.pool("q")
    for step in range(9):
        if step == 4:
            ready(core, "new", skills={"s": 1})
        order.append(pool.first().name)
        pool.take(order[-1])
    assert order == ["a", "b", "c", "a", "new", "b", "c", "a", "new"]


def test_the_greatest_share_is_first_whatever_the_order_of_the_rules():
    pool = Pool("percentage")
    for order, weight in enumerate((0.1, 0.1, 0.1, 0.7)):
        pool.join(Member(str(order), str(order), order, weight=weight))
        pool.offer(str(order))
    taken = []
    for _ in range(10):
        taken.append(pool.first().name)
        pool.take(taken[-1])
    assert taken[:3] == ["3", "3", "3"]
    assert taken.count("3") == 7
