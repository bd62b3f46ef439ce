"""The floor: agents, destinations and waiting calls, as far as they have been told. A pure state.

What is decided changes nothing; the caller commits a decision when it is taken, and tells what
happens afterwards. Every time is an argument, seconds on one clock of the caller's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct

from actors.routing_core.agents import Agent, AgentBook, AgentEvent
from actors.routing_core.pool import Member, Pool, Share
from actors.routing_core.waiting import Extra, Waiting, WaitingLines

if TYPE_CHECKING:
    from actors.routing_core.rules import Destination, Queue, Rules

WHOLE = 100.0
CALLS_OF_THE_MEAN = 64
"""The mean of handling times is mostly that of so many calls."""
MAX_HANDLE_S = 86_400.0
"""What kept an agent longer counts as this: it was a state that nobody ended."""


class Placed(Struct, frozen=True):
    """Where a call is counted: a queue's destination."""

    queue: str
    member: str


class Kept(Struct, frozen=True):
    """Who is kept for a call that waited, until it asks again.

    Attributes:
        agent: who.
        queue: where it waited.
        until: when he is kept no longer, seconds.
    """

    agent: str
    queue: str
    until: float


class FloorState(Struct):
    """A floor as plain data, to be kept, handed over, and taken by other rules.

    Attributes:
        agents: who is there.
        shares: what members have had of each queue's calls, by queue and member.
        waiting: the calls that wait, in the order in which they came.
        placed: the calls that are counted at destinations, by call.
        handle_s: mean handling time by queue.
        kept: who is kept for which call.
    """

    agents: list[Agent] = []
    shares: dict[str, dict[str, Share]] = {}
    waiting: list[Waiting] = []
    placed: dict[str, Placed] = {}
    handle_s: dict[str, float] = {}
    kept: dict[str, Kept] = {}


class Floor:
    """Who is there, and who waits.

    Args:
        rules: checked rules.
        state: a floor to go on with; calls whose queue these rules do not have are in `strays`.
    """

    def __init__(self, rules: Rules, state: FloorState | None = None) -> None:
        state = FloorState() if state is None else state
        self.rules = rules
        self.book = AgentBook(rules)
        self.strays: list[Waiting] = []
        ageing_s = {name: queue.ageing_s for name, queue in rules.queue.items()}
        self.lines = WaitingLines(ageing_s, rules.limits.waiting)
        self._placed: dict[str, Placed] = {}
        self._kept: dict[str, Kept] = {}
        self._handle_s = {name: queue.handle_s for name, queue in rules.queue.items()}
        self._destinations = {
            name: _distribution(queue, state.shares.get(name, {}))
            for name, queue in rules.queue.items()
            if queue.destinations
        }
        self._take_back(state)

    def tell(self, event: AgentEvent) -> None:
        """Take a change of an agent's state.

        Args:
            event: what he is now.

        Raises:
            RoutingRefused: there are as many agents, or skills of his, as there may be.
        """
        handled = self.book.apply(event)
        if handled is not None and handled.queue in self._handle_s:
            mean = self._handle_s[handled.queue]
            seconds = min(handled.seconds, MAX_HANDLE_S)
            self._handle_s[handled.queue] = mean + (seconds - mean) / CALLS_OF_THE_MEAN

    def pool(self, queue: str, extra: Extra = ()) -> Pool | None:
        """Return who takes a queue's calls: its destinations, or its agents with some skills.

        Args:
            queue: a queue of the rules.
            extra: skills and levels besides the queue's.

        Returns:
            None for a queue that has neither.
        """
        return self._destinations.get(queue) or self.book.pool(queue, extra)

    def expected_wait_s(self, queue: str, ahead: int, extra: Extra = ()) -> float | None:
        """How long a call is going to wait that nobody is ready for.

        For each call ahead and for itself one of the agents must have done with another: it waits
        their number times the mean handling time, divided by the agents.

        It is exact for equal agents, all of them busy, who take calls of this queue alone and times
        that are distributed exponentially (M/M/c); otherwise an estimate.

        Args:
            queue: where.
            ahead: calls that are served before.
            extra: skills that it asks for.

        Returns:
            Seconds; infinity when nobody is there; None when nobody can know: a queue without
            agents of its own.
        """
        if queue in self._destinations:
            return None
        pool = self.book.pool(queue, extra)
        if pool is None:
            return None
        if not pool.staffed:
            return math.inf
        return (ahead + 1) * self._handle_s[queue] / pool.staffed

    @property
    def placed(self) -> int:
        """How many calls are counted at destinations."""
        return len(self._placed)

    @property
    def kept(self) -> int:
        """How many calls an agent is kept for."""
        return len(self._kept)

    @property
    def kept_calls(self) -> tuple[str, ...]:
        """The calls that an agent is kept for."""
        return tuple(self._kept)

    @property
    def full(self) -> bool:
        """Whether no further call can be counted at destinations."""
        return len(self._placed) >= self.rules.limits.placed

    def reserve(self, queue: str, agent: str, extra: Extra, at: float) -> None:
        """Note that an agent was chosen for a call.

        Args:
            queue: of which queue.
            agent: who.
            extra: skills that it asked for.
            at: now.
        """
        pool = self.book.pool(queue, extra)
        if pool is not None:
            pool.take(agent)
        self._reserve(queue, agent, at)

    def _reserve(self, queue: str, agent: str, at: float) -> float:
        until = at + self.rules.queue[queue].reserve_s
        self.book.reserve(agent, queue, until)
        return until

    def place(self, call: str, queue: str, member: str, at: float) -> None:
        """Count a call at a destination; one that was counted elsewhere is there no longer.

        Args:
            call: its id.
            queue: whose destination.
            member: which one.
            at: now.
        """
        self.displace(call, at)
        pool = self._destinations[queue]
        pool.take(member)
        self._placed[call] = Placed(queue, member)
        destination = pool.members[member]
        destination.active += 1
        destination.handled += 1
        _offer(pool, destination)

    def displace(self, call: str, at: float) -> None:
        """Count a call at its destination no longer.

        Args:
            call: its id.
            at: now.
        """
        placed = self._placed.pop(call, None)
        if placed is not None:
            pool = self._destinations[placed.queue]
            destination = pool.members[placed.member]
            destination.active -= 1
            destination.idle_since = at
            _offer(pool, destination)

    def over(self, call: str, at: float) -> None:
        """Note that a call is over: it waits nowhere and is counted nowhere.

        Args:
            call: its id.
            at: now.
        """
        self.lines.leave(call)
        self.displace(call, at)
        self.let_go(call)

    @property
    def idle(self) -> bool:
        """Whether nobody is there, waits or is counted."""
        return not (self.book.agents or len(self.lines) or self._placed)

    def kept_for(self, call: str) -> Kept | None:
        """Return who is kept for a call that waited, while he is.

        Args:
            call: its id.
        """
        kept = self._kept.get(call)
        if kept is None:
            return None
        agent = self.book.agents.get(kept.agent)
        return kept if agent is not None and agent.reserved_until == kept.until else None

    def take_kept(self, call: str, at: float) -> None:
        """Have a call take the agent who is kept for it; he is left alone for as long again.

        Args:
            call: its id.
            at: now.
        """
        kept = self._kept.pop(call)
        self._reserve(kept.queue, kept.agent, at)

    def let_go(self, call: str) -> None:
        """Keep nobody for a call any more: he is ready for another one.

        Args:
            call: its id.
        """
        kept = self.kept_for(call)
        self._kept.pop(call, None)
        if kept is not None:
            self.book.release(kept.agent)

    def is_available(self, agent: str) -> bool:
        """Whether an agent is ready, and not chosen already."""
        known = self.book.agents.get(agent)
        return known is not None and known.st == "ready" and known.reserved_until is None

    def next_call(self, agent: str) -> Waiting | None:
        """Return the waiting call that an agent is to have now; it goes on waiting.

        Args:
            agent: who.

        Returns:
            None when there is none for him, or he is not ready.
        """
        if not self.is_available(agent):
            return None
        return self.lines.first(
            self.book.served_by(agent), lambda extra: self.book.has(agent, extra)
        )

    def give(self, waiting: Waiting, agent: str, at: float) -> None:
        """Give a waiting call to an agent: he is reserved, and it waits no longer.

        Args:
            waiting: of `next_call`.
            agent: who.
            at: now.
        """
        self.lines.leave(waiting.call)
        self.reserve(waiting.queue, agent, waiting.extra, at)
        until = at + self.rules.queue[waiting.queue].reserve_s
        self._kept[waiting.call] = Kept(agent, waiting.queue, until)

    def expire(self, at: float) -> list[str]:
        """Forget what was not heard of in time; to be called before decisions, now and then.

        Args:
            at: now.

        Returns:
            Agents who are available again: they may have a call that waits.
        """
        for waiting in self.lines.older_than(at - self.rules.limits.waiting_s):
            self.lines.leave(waiting.call)
        back = self.book.expire(at)
        if back:
            self._kept = {call: one for call, one in self._kept.items() if one.until > at}
        return back

    def dump(self) -> FloorState:
        """Return the floor as plain data."""
        shares = self.book.shares()
        for name, pool in self._destinations.items():
            shares[name] = {member: one.share for member, one in pool.members.items()}
        return FloorState(
            list(self.book.agents.values()),
            shares,
            list(self.lines),
            dict(self._placed),
            dict(self._handle_s),
            dict(self._kept),
        )

    def _take_back(self, state: FloorState) -> None:
        self.book.take_back(state.agents, state.shares)
        for name, mean in state.handle_s.items():
            if name in self._handle_s:
                self._handle_s[name] = mean
        for waiting in state.waiting:
            if waiting.queue in self.rules.queue and not self.lines.full:
                self.lines.enter(
                    waiting.call, waiting.queue, waiting.since, waiting.prio, waiting.extra
                )
            else:
                self.strays.append(waiting)
        self._place_back(state)

    def _place_back(self, state: FloorState) -> None:
        for call, placed in state.placed.items():
            pool = self._destinations.get(placed.queue)
            if pool is not None and placed.member in pool.members:
                self._placed[call] = placed
                pool.members[placed.member].active += 1
        for call, kept in state.kept.items():
            if kept.queue in self.rules.queue:
                self._kept[call] = kept
        for name, pool in self._destinations.items():
            known = state.shares.get(name, {})
            for destination in pool.members.values():
                _offer(pool, destination, resumed=destination.name in known)


def member_name(destination: Destination) -> str:
    """How a destination is called in its queue.

    Args:
        destination: checked rules.
    """
    return destination.target or f"queue {destination.queue}"


def _distribution(queue: Queue, shares: dict[str, Share]) -> Pool:
    strategy = queue.strategy
    assert strategy != "last-agent"
    pool = Pool(strategy)
    for order, one in enumerate(queue.destinations):
        name = member_name(one)
        share = shares.get(name, Share())
        member = Member(
            name,
            one.target,
            order,
            queue=one.queue,
            weight=one.percent / WHOLE,
            capacity=one.capacity,
            handled=share.taken,
            share=share,
        )
        pool.join(member)
    return pool


def _offer(pool: Pool, destination: Member, *, resumed: bool = False) -> None:
    if destination.capacity and destination.active >= destination.capacity:
        pool.withdraw(destination.name)
    else:
        pool.offer(destination.name, resumed=resumed)
