"""Floors for the bench of queues: one queue of equal agents in virtual time, and a large one."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from actors.config import RoutingPoint
from actors.routing import RoutingTable
from actors.routing_core.agents import AgentEvent
from actors.routing_core.core import RoutingCore
from actors.routing_core.facts import Request
from actors.routing_core.rules_file import parse
from protocols.numbering import Number

HANDLE_S = 180.0
CALLER = Number("+33142345678", "public")
AGENTS, POINTS, SKILLS = 500, 50, 10


@dataclass(frozen=True)
class Case:
    """A queue of equal agents.

    Attributes:
        agents: how many.
        share: of their time that calls take.
        waiting: whether calls may wait; else those that find nobody are turned away.
    """

    agents: int
    share: float
    waiting: bool = True

    @property
    def load(self) -> float:
        """Calls arriving in the time that one takes, erlangs."""
        return self.agents * self.share


@dataclass(frozen=True)
class Tally:
    """What became of calls.

    Attributes:
        calls: how many.
        waited: how many had to wait.
        wait_s: how long they waited, together.
        lost: how many were turned away.
    """

    calls: int
    waited: int
    wait_s: float
    lost: int


def tally(waits: Iterable[float | None]) -> Tally:
    """Count calls.

    Args:
        waits: how long each waited, seconds; None where it was turned away.
    """
    calls = waited = lost = 0
    wait_s = 0.0
    for wait in waits:
        calls += 1
        if wait is None:
            lost += 1
        elif wait:
            waited += 1
            wait_s += wait
    return Tally(calls, waited, wait_s, lost)


def arrivals(case: Case, seed: int, calls: int) -> Iterator[tuple[float, float]]:
    """When calls come, and how long each takes, seconds: both exponential."""
    rng = random.Random(seed)  # noqa: S311 - chance that can be repeated
    now, rate = 0.0, case.load / HANDLE_S
    for _ in range(calls):
        now += rng.expovariate(rate)
        yield now, rng.expovariate(1 / HANDLE_S)


def recursion(case: Case, seed: int, calls: int) -> Iterator[float | None]:
    """What becomes of calls that are served in their order: Kiefer's and Wolfowitz' recursion.

    Who is free first takes the next call: all that is needed is when each agent will be.

    Args:
        case: the queue.
        seed: of all chance; the calls are those of a simulation with this seed.
        calls: how many.

    Yields:
        How long each waits, seconds; None where it is turned away.
    """
    free = [0.0] * case.agents
    for at, takes_s in arrivals(case, seed, calls):
        begins = max(at, free[0])
        if begins > at and not case.waiting:
            yield None
            continue
        heapq.heapreplace(free, begins + takes_s)
        yield begins - at


class Simulation:
    """The routing core with one queue of equal agents in virtual time.

    Args:
        case: the queue.
        seed: of all chance.

    Attributes:
        waits: how long each call waited, seconds; None where it was turned away.
        expected_s: how long those that waited had been told that they would, together.
    """

    def __init__(self, case: Case, seed: int) -> None:
        rules = f"""
            version = 1
            [rp.q]
            queue = "q"
            [queue.q]
            target = "w"
            skills = {{ s = 1 }}
            handle_s = {HANDLE_S}
            max_wait_s = 86400
            max_calls = {1_000_000 if case.waiting else 0}
            reserve_s = 3600
            dissuasion = {{ target = "busy" }}
        """
        self.core = RoutingCore(RoutingTable({}, "7000"), "FR", parse(rules.encode(), "bench"))
        self.case, self.seed = case, seed
        self.waits: list[float | None] = []
        self.expected_s = 0.0
        self._busy: list[tuple[float, str]] = []
        self._takes_s: dict[str, float] = {}
        for index in range(case.agents):
            self.core.tell(AgentEvent(f"a{index}", "ready", 0.0, skills={"s": 1}))

    def run(self, calls: int) -> None:
        """Have so many calls arrive."""
        for index, (at, takes_s) in enumerate(arrivals(self.case, self.seed, calls)):
            self._takes_s[f"c{index}"] = takes_s
            self._end_until(at)
            self._arrive(f"c{index}", at)
        self._end_until(float("inf"))

    def _arrive(self, call: str, at: float) -> None:
        facts = self.core.decide(Request(call=call, rp="q", number=CALLER), at)
        assert facts.decision is not None
        if facts.choice.kind == "agent":
            self.waits.append(0.0)
            self._begin(facts.choice.agent, call, at)
        elif facts.choice.kind == "wait":
            self.waits.append(float("nan"))  # until it is known
            self.expected_s += facts.expected_wait_s or 0.0
        else:
            self.waits.append(None)
            del self._takes_s[call]

    def _begin(self, agent: str, call: str, at: float) -> None:
        self.core.tell(AgentEvent(agent, "busy", at))
        heapq.heappush(self._busy, (at + self._takes_s.pop(call), agent))

    def _end_until(self, until: float) -> None:
        """Agents have done with their calls, and take those that wait."""
        while self._busy and self._busy[0][0] <= until:
            at, agent = heapq.heappop(self._busy)
            self.core.tell(AgentEvent(agent, "ready", at))
            waiting = self.core.next_call(agent, at)
            if waiting is not None:
                self.waits[int(waiting.call[1:])] = at - waiting.since
                self._begin(agent, waiting.call, at)


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
