"""The agents that CTIs have told of: who is there, in what state, where calls reach him.

The table belongs to the node, as that of its links does: actors come and go. What it is told lies
in the journal before the frame that told it is acknowledged, and comes back from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.journal import versions
from actors.journal.records import Codec
from actors.routing_core.agents import AgentEvent
from protocols.cti.messages import AgentState, AgentStatus
from supervision.release.versions import SAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


KIND = "agent"
"""Of agents in the journal."""

VERSION = 1
WAYS = SAME
"""Between the versions of a record."""


class KnownAgent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of an agent.

    Attributes:
        agent: who.
        st: what he is.
        since: when he became that, seconds since the epoch.
        at: when he was last heard of, likewise.
        reason: why, in the CTI's words.
        dev: where calls reach him; None: no event has said.
        skills: his levels by skill; None: no event has said.
        cti: the name of the peer that told of him last.
    """

    agent: str
    st: AgentStatus
    since: float
    at: float
    cti: str
    reason: str | None = None
    dev: str | None = None
    skills: dict[str, int] | None = None


class AgentJournal(Protocol):
    """What the table needs of the journal."""

    def put(self, kind: str, key: str, value: Any) -> None:
        """Keep the latest state of a key."""

    def delete(self, kind: str, key: str) -> None:
        """Forget a key."""

    def after(self, effect: Callable[[], None], place: tuple[str, str] | None = None) -> None:
        """Have something done once all that was put is durable."""


class AgentTable:
    """The table, by agent; one for each node, used on its loop only.

    Args:
        journal: where agents survive the node.
        limit: how many are known; beyond it those who have logged out longest ago give way.
    """

    def __init__(self, journal: AgentJournal, limit: int) -> None:
        self._journal = journal
        self._limit = limit
        self._agents: dict[str, KnownAgent] = {}
        self._tell: Callable[[AgentEvent], None] | None = None

    def __len__(self) -> int:
        return len(self._agents)

    def known(self) -> list[KnownAgent]:
        """All of them, in the order in which they were first heard of."""
        return list(self._agents.values())

    def get(self, agent: str) -> KnownAgent | None:
        """What is known of one; None of one who is not known."""
        return self._agents.get(agent)

    def hand_to(self, routing: Callable[[AgentEvent], None]) -> None:
        """Have routing told of every agent now, and of every change from now on.

        Args:
            routing: is told; the one told before is told no more.
        """
        self._tell = routing
        for agent in self._agents.values():
            routing(event_of(agent))

    def take(self, message: AgentState, cti: str) -> bool:
        """Note what a CTI tells of an agent; what is older than the last that was heard is not.

        Args:
            message: what it tells.
            cti: its name.

        Returns:
            False where there is no room for one more agent.
        """
        before = self._agents.get(message.agent)
        if before is None and not self._has_room():
            return False
        after = told(before, message, cti)
        if after is not before:
            self._agents[message.agent] = after
            self._journal.put(KIND, after.agent, after)
            if self._tell is not None:
                self._tell(event_of(after))
        return True

    def leave(self, cti: str, present: frozenset[str], wall: float) -> None:
        """Have the agents log out of whom a CTI has told and who are not there any more.

        Args:
            cti: its name.
            present: its agents.
            wall: seconds since the epoch.
        """
        for agent in self.known():
            if agent.cti == cti and agent.st != "logout" and agent.agent not in present:
                at = max(wall, agent.at)
                self.take(AgentState(agent=agent.agent, st="logout", ts=at, reason="resync"), cti)

    def when_durable(self, agent: str, effect: Callable[[], None]) -> None:
        """Have something done once what is known of an agent now is durable."""
        self._journal.after(effect, (KIND, agent))

    def _has_room(self) -> bool:
        if len(self._agents) < self._limit:
            return True
        gone = [agent for agent in self._agents.values() if agent.st == "logout"]
        if not gone:
            return False
        self._forget(min(gone, key=_at).agent)
        return True

    def _forget(self, agent: str) -> None:
        del self._agents[agent]
        self._journal.delete(KIND, agent)

    # What comes from elsewhere

    def restore(self, agents: Iterable[KnownAgent]) -> None:
        """Take in what another process has known; who is known here is known better."""
        for agent in agents:
            known = self._agents.setdefault(agent.agent, agent)
            if known is agent and self._tell is not None:
                self._tell(event_of(agent))

    def carry(self, agents: Iterable[KnownAgent]) -> None:
        """Know what the process knows that this one takes over from, and nothing else."""
        self._agents = {agent.agent: agent for agent in agents}
        if self._tell is not None:
            for agent in self._agents.values():
                self._tell(event_of(agent))


def told(before: KnownAgent | None, message: AgentState, cti: str) -> KnownAgent:
    """What is known of an agent after a message; ``before`` itself where it says nothing new.

    Args:
        before: what was known of him.
        message: about him.
        cti: who tells.
    """
    if before is None:
        return KnownAgent(
            agent=message.agent,
            st=message.st,
            since=message.ts,
            at=message.ts,
            cti=cti,
            reason=message.reason,
            dev=message.dev,
            skills=message.skills,
        )
    if message.ts < before.at:
        return before
    after = replace(
        before,
        st=message.st,
        since=before.since if message.st == before.st else message.ts,
        at=message.ts,
        cti=cti,
        reason=message.reason,
        dev=before.dev if message.dev is None else message.dev,
        skills=before.skills if message.skills is None else message.skills,
    )
    return before if after == before else after


def event_of(agent: KnownAgent) -> AgentEvent:
    """What routing is told of an agent."""
    return AgentEvent(agent.agent, agent.st, agent.since, agent.dev or "", agent.skills)


def _at(agent: KnownAgent) -> float:
    return agent.at


_decoder = msgspec.json.Decoder(KnownAgent)


def decode(text: bytes, version: int) -> KnownAgent:
    """The agent of a JSON text.

    Args:
        text: as ``encode`` made it.
        version: of the schema that it was written with.

    Raises:
        ValueError: another version, or no such record.
    """
    if version != VERSION:
        raise ValueError(f"agents of version {version} are unknown; this is {VERSION}")
    return _decoder.decode(text)


def encode(agent: KnownAgent) -> bytes:
    """The JSON text of an agent."""
    return msgspec.json.encode(agent)


CODEC = Codec(VERSION, encode, decode, *versions.steps(KIND, WAYS))
