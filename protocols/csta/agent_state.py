"""What an agent is ready for: contract 3's ``agent.state`` as a typed record."""

from __future__ import annotations

from typing import Literal, TypeAlias

from protocols.cti.messages import Message, Name, Names, Text, Time

AgentStateType: TypeAlias = Literal["login", "ready", "notready", "busy", "wrapup", "logout"]


class AgentState(Message, tag="agent.state", frozen=True):
    """An agent's state has changed."""

    agent: Name
    st: AgentStateType
    ts: Time
    reason: Text | None = None
    dev: Text | None = None
    skills: Names | None = None
