"""The messages about the context of calls, about agents, and about what each end still has."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, field

from protocols.cti.message_base import Count, Message, Name, Names, Text, Time, UserData

AgentStatus: TypeAlias = Literal["login", "ready", "notready", "busy", "wrapup", "logout"]
MAX_SKILLS = 256
MAX_LEVEL = 100
SkillName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Level: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_LEVEL)]
Skills: TypeAlias = Annotated[dict[SkillName, Level], Meta(max_length=MAX_SKILLS)]
"""An agent's level by skill; 0 is none."""


class AgentState(Message, tag="agent.state", frozen=True):
    """What an agent is now; CSTA's agent states.

    Attributes:
        ts: since when.
        dev: where calls reach the agent; None: as before.
        skills: None: as before.
    """

    agent: Name
    st: AgentStatus
    ts: Time
    reason: Text | None = None
    dev: Name | None = None
    skills: Skills | None = None


class DataUpdate(Message, tag="data.update", frozen=True):
    """The context of a call is to be changed, if nobody has changed it meanwhile.

    Attributes:
        rev: the revision that the change is based on.
        set: new values of `auth_level`, `lang`, `digits` and `ud.KEY`.
        session: which context; or
        call: that of this call: one of the two.
        delete: keys that are dropped, or get back the value of a new session; `del` in the frame.
    """

    rev: Count
    set: UserData
    session: Name | None = None
    call: Name | None = None
    delete: Names = field(default_factory=list, name="del")


class DataChanged(Message, tag="data.update", frozen=True):
    """The context of a call has been changed, by whomever.

    Attributes:
        rev: the revision that it has now.
        set: the new values, of changed keys alone.
        delete: keys that are gone; `del` in the frame.
        ref: the number of the frame that asked for it; None where another peer has.
    """

    session: Name
    call: Name
    rev: Count
    set: UserData
    delete: list[str] = field(default_factory=list, name="del")
    ref: Count | None = None


class Snapshot(Message, tag="snapshot", frozen=True):
    """What the sender has; of many calls in several frames.

    Attributes:
        calls: by their ids.
        agents: None: nothing is said of agents.
        more: whether another part follows.
        ref: the number of the `resync` that it answers.
    """

    calls: Names
    agents: Names | None = None
    more: bool = False
    ref: Count | None = None


class Resync(Message, tag="resync", frozen=True):
    """What the receiver is to tell anew.

    Attributes:
        calls: whose context; of vigie's: those that it had no session for.
        agents: whose state.
        more: whether another part follows.
        ref: the number of the `snapshot` that it answers.
    """

    calls: Names = field(default_factory=list)
    agents: Names = field(default_factory=list)
    more: bool = False
    ref: Count | None = None
