"""How each agent is, as `agent.state` has told last: a table of the node's, outside of any actor.

Who routes by it takes it over with one call, `AgentStates.follow`; operators see it in the status
of ctiListener. It is not in the journal: after a crash peers tell it anew.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from protocols.csta.agent_state import AgentStateType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from protocols.csta.agent_state import AgentState

SHOWN = 100
"""Agents that operators are shown one by one, those told of last."""


class AgentRow(Struct, frozen=True, kw_only=True):
    """An agent.

    Attributes:
        agent: who.
        st: what he is now.
        at: since when, seconds since the epoch.
        peer: who has told so.
        reason: why, in the peer's words.
        dev: where calls reach him; None where nobody has said.
        skills: what he can do, each a skill or a skill and its level; None where nobody has said.
    """

    agent: str
    st: AgentStateType
    at: float
    peer: str
    reason: str | None = None
    dev: str | None = None
    skills: tuple[str, ...] | None = None


class AgentStates:
    """The table; one for each node, used on its loop only.

    Args:
        limit: agents that may be in it; those who logged out first give way to others.

    Attributes:
        stale: states that were told too late: a younger one was known.
        refused: states of agents for whom there was no room.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._rows: dict[str, AgentRow] = {}
        self._gone: dict[str, None] = {}
        self._followers: list[Callable[[AgentRow], None]] = []
        self.stale = 0
        self.refused = 0

    def __len__(self) -> int:
        """How many agents are known."""
        return len(self._rows)

    def get(self, agent: str) -> AgentRow | None:
        """How an agent is; None where nobody has told."""
        return self._rows.get(agent)

    def tell(self, state: AgentState, peer: str, wall: float) -> str:
        """Take a change of an agent's state; one older than what is known changes nothing.

        Args:
            state: what he is.
            peer: who tells.
            wall: now, seconds since the epoch; what is told of the future counts from now on.

        Returns:
            The rule to refuse it by; empty where it was taken.
        """
        known, at = self._rows.get(state.agent), min(state.ts, wall)
        if known is not None and at < known.at:
            self.stale += 1
            return ""
        if known is None and not self._has_room():
            self.refused += 1
            return f"csta.max_agents is {self._limit}"
        row = _row(state, peer, at, known)
        self._keep(row)
        for follower in self._followers:
            follower(row)
        return ""

    def _has_room(self) -> bool:
        if len(self._rows) < self._limit:
            return True
        if not self._gone:
            return False
        del self._rows[first := next(iter(self._gone))]
        del self._gone[first]
        return True

    def _keep(self, row: AgentRow) -> None:
        self._rows.pop(row.agent, None)  # the dictionary is in the order of telling
        self._gone.pop(row.agent, None)
        self._rows[row.agent] = row
        if row.st == "logout":
            self._gone[row.agent] = None

    def follow(self, hear: Callable[[AgentRow], None]) -> Callable[[], None]:
        """Hand the table over to who routes by it.

        Args:
            hear: called now with each agent, the longest unchanged first, then with each change.

        Returns:
            Ends that.
        """
        for row in tuple(self._rows.values()):
            hear(row)
        self._followers.append(hear)
        return lambda: self._followers.remove(hear)

    @property
    def rows(self) -> list[AgentRow]:
        """All agents, the longest unchanged first."""
        return list(self._rows.values())

    def carry(self, rows: Iterable[AgentRow]) -> None:
        """Begin with what another process has known."""
        for row in rows:
            self._keep(row)

    def shown(self) -> dict[str, Any]:
        """What operators see."""
        latest = list(self._rows.values())[-SHOWN:]
        return {
            "agents": len(self._rows),
            "states": dict(Counter(row.st for row in self._rows.values())),
            "stale": self.stale,
            "refused": self.refused,
            "latest": {row.agent: structs.asdict(row) for row in reversed(latest)},
        }


def _row(state: AgentState, peer: str, at: float, known: AgentRow | None) -> AgentRow:
    skills = None if state.skills is None else tuple(state.skills)
    dev = state.dev
    if known is not None:
        skills = known.skills if skills is None else skills
        dev = dev or known.dev
    return AgentRow(
        agent=state.agent,
        st=state.st,
        at=at,
        peer=peer,
        reason=state.reason,
        dev=dev,
        skills=skills,
    )
