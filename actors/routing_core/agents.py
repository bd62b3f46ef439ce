"""Who is there to take calls: the agents as `agent.state` tells of them, a pure state.

Every time is an argument, seconds on one clock of the caller's. An agent belongs to the pool of
each queue whose skills he has; a change of his moves him in these alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from actors.routing_core.pool import Member, Pool, Share
from actors.routing_core.refusals import RoutingRefused
from actors.routing_core.waiting import Extra

if TYPE_CHECKING:
    from actors.routing_core.rules import Queue, Rules

AgentStatus: TypeAlias = Literal["login", "ready", "notready", "busy", "wrapup", "logout"]
"""CSTA's agent states, as contract 3 spells them."""

MAX_LEVEL = 100
MAX_SKILL_CHARS = 64
NO_SKILLS: Mapping[str, int] = {}


class AgentEvent(Struct, frozen=True):
    """`agent.state`.

    Attributes:
        agent: who.
        st: what he is now.
        at: since when, seconds.
        device: where calls reach him; empty: as before.
        skills: his levels by skill; None: as before.
    """

    agent: str
    st: AgentStatus
    at: float
    device: str = ""
    skills: Mapping[str, int] | None = None


class Agent(Struct):
    """What is known of an agent.

    Attributes:
        name: who he is.
        device: where calls reach him.
        skills: his levels by skill.
        order: unique; what decides between equals.
        st: what he is.
        at: since when.
        ready_since: when he last became ready.
        busy_since: when his last call began; None: he has none.
        handled: calls since his login.
        queue: whose call he has, or is reserved for.
        reserved_until: he was chosen and is left alone until then; None: he was not.
        told_device: whether an event said where calls reach him; else the rules do.
        told_skills: whether one said what he can do; else the rules do.
    """

    name: str
    device: str
    skills: Mapping[str, int]
    order: int
    st: AgentStatus = "login"
    at: float = 0.0
    ready_since: float = 0.0
    busy_since: float | None = None
    handled: int = 0
    queue: str = ""
    reserved_until: float | None = None
    told_device: bool = False
    told_skills: bool = False


class Handled(Struct, frozen=True):
    """A call that an agent has done with: whose it was, and how long it kept him, seconds."""

    queue: str
    seconds: float


def skills_of(words: Iterable[str], most: int) -> dict[str, int]:
    """Read the skills of an `agent.state`.

    Args:
        words: each a skill, or a skill and its level such as `french:3`; without one it is 1.
        most: how many there may be.

    Raises:
        RoutingRefused: one is none, or there are too many.
    """
    skills: dict[str, int] = {}
    for word in words:
        skill, _, level = word.partition(":")
        if not 1 <= len(skill) <= MAX_SKILL_CHARS:
            raise RoutingRefused("skills", f"must have names of 1 to {MAX_SKILL_CHARS} characters")
        skills[skill] = _level(level) if ":" in word else 1
        if len(skills) > most:
            raise RoutingRefused("skills", f"must be at most {most} skills (limits.agent_skills)")
    return skills


def _level(text: str) -> int:
    plain = text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_LEVEL))
    if not (plain and 1 <= int(text) <= MAX_LEVEL):
        raise RoutingRefused("skills", f"must have levels from 1 to {MAX_LEVEL}")
    return int(text)


class AgentBook:
    """The agents, and the pools that they are in.

    Args:
        rules: the queues and what is known of the agents beforehand.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.agents: dict[str, Agent] = {}
        self.stale = 0
        self._orders = 0
        self._reservations: list[tuple[float, str]] = []
        self._pools: dict[tuple[str, Extra], Pool] = {}
        self._joined: dict[str, list[Pool]] = {}
        self._served: dict[str, list[str]] = {}
        self._shown: dict[str, tuple[bool, bool]] = {}
        for name, queue in rules.queue.items():
            if queue.skills or queue.agents:
                self._pools[name, ()] = Pool(rank_strategy(queue))

    def apply(self, event: AgentEvent) -> Handled | None:
        """Take a change of an agent's state; one that is older than what is known changes nothing.

        Args:
            event: what he is now.

        Returns:
            The call that he has done with, if he has.

        Raises:
            RoutingRefused: there are as many agents, or skills of his, as there may be.
        """
        agent = self.agents.get(event.agent)
        self._check_skills(event)
        if agent is None:
            if event.st == "logout":
                return None
            agent = self._added(event)
        elif event.at < agent.at:
            self.stale += 1
            return None
        self._learn(agent, event)
        handled = _changed(agent, event)
        if event.st == "logout":
            self._forget(agent)
        else:
            self._show(agent)
        return handled

    def reserve(self, name: str, queue: str, until: float) -> None:
        """Leave an agent alone who was chosen, until he is seen busy or the time is over.

        Args:
            name: who.
            queue: for a call of which queue.
            until: seconds.
        """
        agent = self.agents[name]
        agent.reserved_until = until
        agent.queue = queue
        heappush(self._reservations, (until, name))
        self._show(agent)

    def release(self, name: str) -> None:
        """Make an agent available again who was chosen, and not seen busy since."""
        agent = self.agents[name]
        agent.reserved_until, agent.queue = None, ""
        self._show(agent)

    def expire(self, at: float) -> list[str]:
        """Make agents available again who were chosen and not seen busy in time.

        Args:
            at: now.

        Returns:
            Who they are.
        """
        back = []
        while self._reservations and self._reservations[0][0] <= at:
            until, name = heappop(self._reservations)
            agent = self.agents.get(name)
            if agent is not None and agent.reserved_until == until:
                self.release(name)
                back.append(name)
        return back

    def pool(self, queue: str, extra: Extra = ()) -> Pool | None:
        """Return those who take a queue's calls and have some skills besides.

        Args:
            queue: the queue.
            extra: skills and levels.

        Returns:
            None when it is no queue of agents.
        """
        known = self._pools.get((queue, extra))
        if known is not None or not extra or (queue, ()) not in self._pools:
            return known
        pool = Pool(rank_strategy(self._rules.queue[queue]))
        kept = len(self._pools) < self._rules.limits.pools
        if kept:
            self._pools[queue, extra] = pool
        for agent in self.agents.values():
            self._join(agent, queue, extra, pool, kept=kept)
        return pool

    def served_by(self, name: str) -> list[str]:
        """Return the queues whose calls an agent takes, in the order of the rules."""
        return self._served.get(name, [])

    def has(self, name: str, extra: Extra) -> bool:
        """Whether an agent has some skills at their levels."""
        skills = self.agents[name].skills
        return all(skills.get(skill, 0) >= level for skill, level in extra)

    def take_back(self, agents: Iterable[Agent], shares: Mapping[str, Mapping[str, Share]]) -> None:
        """Take agents as another book knew them; what was never told of them is in these rules.

        Args:
            agents: who they are.
            shares: what they have had of the queues' calls, as `shares` returned it.
        """
        for agent in agents:
            self.agents[agent.name] = agent
            self._profiled(agent)
            self._orders = max(self._orders, agent.order)
            if agent.reserved_until is not None:
                heappush(self._reservations, (agent.reserved_until, agent.name))
            for (queue, extra), pool in self._pools.items():
                share = shares.get(queue, {}).get(agent.name)
                self._join(agent, queue, extra, pool, share=share)

    def shares(self) -> dict[str, dict[str, Share]]:
        """Return what agents have had of each queue's calls, by queue and agent."""
        return {
            queue: {name: member.share for name, member in pool.members.items()}
            for (queue, extra), pool in self._pools.items()
            if not extra
        }

    def _added(self, event: AgentEvent) -> Agent:
        most = self._rules.limits.agents
        if len(self.agents) >= most:
            raise RoutingRefused("agent", f"must be one of at most {most} agents (limits.agents)")
        self._orders += 1
        agent = Agent(event.agent, event.agent, NO_SKILLS, self._orders)
        self.agents[agent.name] = agent
        self._profiled(agent)
        self._rejoin(agent)
        return agent

    def _profiled(self, agent: Agent) -> None:
        """Take what was never told of an agent from the rules."""
        profile = self._rules.agent.get(agent.name)
        if not agent.told_device:
            agent.device = (profile.device if profile else "") or agent.name
        if not agent.told_skills:
            agent.skills = profile.skills if profile else NO_SKILLS

    def _check_skills(self, event: AgentEvent) -> None:
        most = self._rules.limits.agent_skills
        if event.skills is not None and len(event.skills) > most:
            raise RoutingRefused("skills", f"must be at most {most} skills (limits.agent_skills)")

    def _learn(self, agent: Agent, event: AgentEvent) -> None:
        moved = bool(event.device) and event.device != agent.device
        learnt = event.skills is not None and dict(event.skills) != dict(agent.skills)
        if event.device:
            agent.device, agent.told_device = event.device, True
        if event.skills is not None:
            agent.skills, agent.told_skills = dict(event.skills), True
        if moved or learnt:
            self._rejoin(agent)

    def _forget(self, agent: Agent) -> None:
        for pool in self._joined.pop(agent.name, ()):
            pool.leave(agent.name)
        self._served.pop(agent.name, None)
        self._shown.pop(agent.name, None)
        del self.agents[agent.name]

    def _rejoin(self, agent: Agent) -> None:
        before = {id(pool) for pool in self._joined.pop(agent.name, ())}
        self._served.pop(agent.name, None)
        for (queue, extra), pool in self._pools.items():
            share = pool.members[agent.name].share if id(pool) in before else None
            pool.leave(agent.name)
            self._join(agent, queue, extra, pool, share=share)

    def _join(
        self,
        agent: Agent,
        queue: str,
        extra: Extra,
        pool: Pool,
        *,
        kept: bool = True,
        share: Share | None = None,
    ) -> None:
        if not self._serves(agent, queue, extra):
            return
        level = sum(agent.skills.get(skill, 0) for skill in self._rules.queue[queue].skills)
        level += sum(agent.skills.get(skill, 0) for skill, _ in extra)
        member = Member(agent.name, agent.device, agent.order, level=level, share=share or Share())
        pool.join(member)
        if kept:
            self._joined.setdefault(agent.name, []).append(pool)
            if not extra:
                self._served.setdefault(agent.name, []).append(queue)
        _place(agent, pool, available=_is_available(agent), staffed=_is_staffed(agent))

    def _serves(self, agent: Agent, queue: str, extra: Extra) -> bool:
        rules = self._rules.queue[queue]
        if agent.name not in rules.agents:
            wanted = rules.skills.items()
            if not wanted or any(agent.skills.get(skill, 0) < level for skill, level in wanted):
                return False
        return all(agent.skills.get(skill, 0) >= level for skill, level in extra)

    def _show(self, agent: Agent) -> None:
        """Show what an agent is in his pools, unless he was as little available before."""
        available, staffed = shown = (_is_available(agent), _is_staffed(agent))
        if available or shown != self._shown.get(agent.name):
            self._shown[agent.name] = shown
            for pool in self._joined.get(agent.name, ()):
                _place(agent, pool, available=available, staffed=staffed)


def rank_strategy(
    queue: Queue,
) -> Literal["round-robin", "most-idle", "skills", "least-loaded", "percentage"]:
    """The strategy that orders a queue's members."""
    return queue.then if queue.strategy == "last-agent" else queue.strategy


def _is_available(agent: Agent) -> bool:
    return agent.st == "ready" and agent.reserved_until is None


def _is_staffed(agent: Agent) -> bool:
    return agent.st in {"ready", "busy", "wrapup"}


def _place(agent: Agent, pool: Pool, *, available: bool, staffed: bool) -> None:
    """Show in one pool what an agent is."""
    member = pool.members[agent.name]
    member.idle_since = agent.ready_since
    member.handled = agent.handled
    if member.staffed is not staffed:
        pool.staff(agent.name, staffed=staffed)
    if available:
        pool.offer(agent.name)
    else:
        pool.withdraw(agent.name)


def _changed(agent: Agent, event: AgentEvent) -> Handled | None:
    """Change what an agent is."""
    before, agent.st, agent.at = agent.st, event.st, event.at
    if event.st == before:
        return None
    if event.st == "busy":
        agent.reserved_until = None
        agent.handled += 1
        agent.busy_since = event.at
        return None
    if event.st == "wrapup":
        agent.reserved_until = None
        return None
    if event.st == "ready":
        agent.ready_since = event.at
    return _done(agent, event.at)


def _done(agent: Agent, at: float) -> Handled | None:
    """Note that an agent has no call any more."""
    agent.reserved_until = None
    queue, since = agent.queue, agent.busy_since
    agent.queue, agent.busy_since = "", None
    return Handled(queue, at - since) if queue and since is not None else None
