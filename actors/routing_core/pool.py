"""Those among whom calls of one kind are shared out, the available ones kept in order.

A strategy is the rank by which they are ordered. No rank changes with time, so that one change of
one member moves that member alone, and choosing is looking at the first.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Container, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from actors.routing_core.rules import Strategy


class Share(Struct):
    """What a member has had of its pool's calls.

    Attributes:
        turn: the pool's count when it was last chosen; 0: never.
        taken: how often it was chosen.
        start: where it joined those who share by percent; see `Pool.offer`.
    """

    turn: int = 0
    taken: int = 0
    start: float = 0.0


class Member(Struct):
    """One of a pool.

    Attributes:
        name: unique in its pool.
        target: where its calls go; empty for a queue.
        order: unique in its pool; what decides between equals.
        queue: the queue that it stands for; empty for an agent or a target.
        weight: its share, of strategy `percentage`, 0 to 1.
        level: of its skills, for strategy `skills`.
        capacity: calls that it holds at once; 0 is without limit.
        active: calls that it holds.
        handled: calls that it has had.
        idle_since: when it last became available, seconds.
        staffed: whether it is there at all, available or not.
        share: what it has had of this pool's calls.
    """

    name: str
    target: str
    order: int
    queue: str = ""
    weight: float = 1.0
    level: int = 0
    capacity: int = 0
    active: int = 0
    handled: int = 0
    idle_since: float = 0.0
    staffed: bool = True
    share: Share = field(default_factory=Share)


Rank = tuple[float, ...]


def _load(member: Member) -> float:
    return member.active / member.capacity if member.capacity else float(member.active)


def by_share(member: Member) -> float:
    """How far a member is with its percentage of calls: its next one is due at this count.

    Sainte-Lague's quotients: after any number of calls each member is within a few of its share.
    """
    return member.share.start + (member.share.taken + 0.5) / member.weight


RANKS: Mapping[Strategy, Callable[[Member], Rank]] = {
    "round-robin": lambda member: (member.share.turn, member.order),
    "most-idle": lambda member: (member.idle_since, member.order),
    "skills": lambda member: (-member.level, member.idle_since, member.order),
    "least-loaded": lambda member: (
        _load(member),
        member.handled,
        member.idle_since,
        member.order,
    ),
    "percentage": lambda member: (by_share(member), member.order),
}
"""The rank of a member by strategy: the least is chosen. Its end is the order: no two are equal."""


class Pool:
    """Members, and which of them are available, best first.

    Args:
        strategy: what orders them; `last-agent` is not one that can.
    """

    __slots__ = (
        "_by_order",
        "_by_percent",
        "_ranked",
        "_ranks",
        "_reached",
        "_strategy",
        "members",
        "staffed",
        "turns",
    )

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = RANKS[strategy]
        self._by_percent = strategy == "percentage"
        self._ranks: dict[str, Rank] = {}
        self._ranked: list[Rank] = []
        self._by_order: dict[float, Member] = {}
        self._reached = 0.0
        self.members: dict[str, Member] = {}
        self.staffed = 0
        self.turns = 0

    def __len__(self) -> int:
        """How many are available."""
        return len(self._ranked)

    def join(self, member: Member) -> None:
        """Add a member, who is not available yet; one of that name leaves."""
        self.leave(member.name)
        self.members[member.name] = self._by_order[member.order] = member
        self.staffed += member.staffed
        self.turns = max(self.turns, member.share.turn)
        if self._by_percent and member.weight and member.share.taken:
            self._reached = max(self._reached, by_share(member) - 1 / member.weight)

    def leave(self, name: str) -> None:
        """Drop a member, if there is one of this name."""
        self.withdraw(name)
        member = self.members.pop(name, None)
        if member is not None:
            del self._by_order[member.order]
            self.staffed -= member.staffed

    def staff(self, name: str, *, staffed: bool) -> None:
        """Say whether a member is there at all."""
        member = self.members[name]
        self.staffed += staffed - member.staffed
        member.staffed = staffed

    def offer(self, name: str, *, resumed: bool = False) -> None:
        """Make a member available, or rank it anew.

        One who shares by percent and was away goes on with its share from now: it does not get all
        calls until it has had what it missed.

        Args:
            name: who.
            resumed: whether it was available before this pool was built anew, and so not away.
        """
        member = self.members[name]
        if self._by_percent:
            if not member.weight:
                return
            if name not in self._ranks and not resumed:
                member.share.start += max(0.0, self._reached - by_share(member))
        rank = self._strategy(member)
        before = self._ranks.get(name)
        if before == rank:
            return
        if before is not None:
            del self._ranked[bisect_left(self._ranked, before)]
        self._ranks[name] = rank
        insort(self._ranked, rank)

    def withdraw(self, name: str) -> None:
        """Make a member unavailable, if it is available."""
        rank = self._ranks.pop(name, None)
        if rank is not None:
            del self._ranked[bisect_left(self._ranked, rank)]

    def first(self, without: Container[str] = ()) -> Member | None:
        """Return the available member with the least rank.

        Args:
            without: targets that are passed over.
        """
        for rank in self._ranked:
            member = self._by_order[rank[-1]]
            if not (member.target and member.target in without):
                return member
        return None

    def available(self, name: str) -> Member | None:
        """Return a member if it is available."""
        return self.members[name] if name in self._ranks else None

    def ranked(self) -> Iterable[Member]:
        """Return the available members, best first."""
        return (self._by_order[rank[-1]] for rank in self._ranked)

    def take(self, name: str) -> None:
        """Note that a member was chosen."""
        self.turns += 1
        member = self.members[name]
        if self._by_percent and member.weight:
            self._reached = max(self._reached, by_share(member))
        member.share.turn = self.turns
        member.share.taken += 1
        if name in self._ranks:
            self.offer(name)
