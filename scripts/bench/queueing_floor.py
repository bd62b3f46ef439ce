"""Floors for the bench of queues: one queue of equal agents in virtual time, and a large one."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

from actors.config import RoutingPoint
from actors.routing import RoutingTable
from actors.routing_core.agents import AgentEvent
from actors.routing_core.core import RoutingCore
from actors.routing_core.facts import Request
from actors.routing_core.rules_file import parse
from protocols.numbering import Number

HANDLE_S = 180.0
WARM_UP = 0.02
"""The share of calls that is not counted: the floor is empty at first."""
CALLER = Number("+33142345678", "public")
AGENTS, POINTS, SKILLS = 500, 50, 10


@dataclass
class Seen:
    """What became of the calls of a simulation.

    Attributes:
        calls: how many there were.
        waited: how many had to wait.
        wait_s: how long all of them did, together.
        expected_s: how long the core had said that those who waited would.
        lost: how many were let in nowhere.
        by_agent: calls by agent.
    """

    calls: int = 0
    waited: int = 0
    wait_s: float = 0.0
    expected_s: float = 0.0
    lost: int = 0
    by_agent: dict[str, int] = field(default_factory=dict)


class Simulation:
    """One queue of equal agents in virtual time.

    Args:
        agents: how many.
        load: the share of their time that calls take.
        seed: of all chance.
        waiting: whether calls may wait.
    """

    def __init__(self, agents: int, load: float, seed: int, *, waiting: bool) -> None:
        rules = f"""
            version = 1
            [rp.q]
            queue = "q"
            [queue.q]
            target = "w"
            skills = {{ s = 1 }}
            handle_s = {HANDLE_S}
            max_wait_s = 86400
            max_calls = {1_000_000 if waiting else 0}
            reserve_s = 3600
            dissuasion = {{ target = "busy" }}
        """
        self.core = RoutingCore(RoutingTable({}, "7000"), "FR", parse(rules.encode(), "bench"))
        self.rng = random.Random(seed)  # noqa: S311 - chance that can be repeated
        self.rate = agents * load / HANDLE_S
        self.now = 0.0
        self.busy: list[tuple[float, str]] = []
        self.seen = Seen()
        for index in range(agents):
            self.core.tell(AgentEvent(f"a{index}", "ready", 0.0, skills={"s": 1}))

    def run(self, calls: int) -> Seen:
        """Have calls arrive until so many have been counted."""
        first = int(calls * WARM_UP)
        for index in range(first + calls):
            if index == first:
                self.seen = Seen()
            self.now += self.rng.expovariate(self.rate)
            self.end_until(self.now)
            self.arrive(f"c{index}")
        self.end_until(float("inf"))
        return self.seen

    def arrive(self, call: str) -> None:
        """A call comes."""
        self.seen.calls += 1
        facts = self.core.decide(Request(call=call, rp="q", number=CALLER), self.now)
        assert facts.decision is not None
        if facts.choice.kind == "agent":
            self.begin(facts.choice.agent, self.now)
        elif facts.choice.kind == "wait":
            self.seen.waited += 1
            self.seen.expected_s += facts.expected_wait_s or 0.0
        else:
            self.seen.lost += 1

    def begin(self, agent: str, at: float) -> None:
        """An agent takes a call."""
        self.seen.by_agent[agent] = self.seen.by_agent.get(agent, 0) + 1
        self.core.tell(AgentEvent(agent, "busy", at))
        heapq.heappush(self.busy, (at + self.rng.expovariate(1 / HANDLE_S), agent))

    def end_until(self, until: float) -> None:
        """Agents have done with their calls, and take those that wait."""
        while self.busy and self.busy[0][0] <= until:
            at, agent = heapq.heappop(self.busy)
            self.core.tell(AgentEvent(agent, "ready", at))
            waiting = self.core.next_call(agent, at)
            if waiting is not None:
                self.seen.wait_s += at - waiting.since
                self.begin(agent, at)


def large_core(rng: random.Random) -> RoutingCore:
    """A core with 500 agents, 50 routing points, 50 queues of all strategies, and 1,000 numbers.

    Args:
        rng: who has which skills.
    """
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    parts = ["version = 1", "[calendar.c]", "zone = 'Europe/Paris'"]
    parts += [f"week.{day} = ['00:00-24:00']" for day in days]
    parts += ["[platforms.product]", "fibre = 'north'", "[interception.i]"]
    parts += [f"exact.'+3399900{index:04}' = {{ action = 'reject' }}" for index in range(1_000)]
    strategies = ("most-idle", "skills", "round-robin", "least-loaded", "last-agent")
    for index in range(POINTS):
        parts.append(
            f"""
            [rp.p{index}]
            calendar = "c"
            closed = {{ target = "closed" }}
            queue = "q{index}"
            send = ["ani", "platform", "customer"]
            [[rp.p{index}.when]]
            segments = ["gold"]
            prio = 2
            [queue.q{index}]
            target = "w{index}"
            strategy = "{strategies[index % len(strategies)]}"
            skills = {{ s{index % SKILLS} = 1 }}
            max_wait_s = 86400
            reserve_s = 3600
            """
        )
    table = RoutingTable({f"p{i}": RoutingPoint(target=f"t{i}") for i in range(POINTS)}, "7000")
    core = RoutingCore(table, "FR", parse("\n".join(parts).encode(), "bench"))
    for index in range(AGENTS):
        skills = {f"s{skill}": rng.randint(1, 5) for skill in rng.sample(range(SKILLS), 4)}
        core.tell(AgentEvent(f"a{index}", "ready", float(index), skills=skills))
    return core
