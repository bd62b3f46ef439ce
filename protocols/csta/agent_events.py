"""Agent events (ECMA-269 clause 22, logical device features): what an agent is ready for."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from protocols.csta import kinds, participants
from protocols.csta.call_events import CAUSE, TIME
from protocols.csta.fields import Codec, Field
from protocols.csta.monitoring import MONITOR
from protocols.csta.values import Device


class AgentEvent(Struct, frozen=True, kw_only=True):
    """What every event of an agent has.

    Attributes:
        monitor: the monitor that the event belongs to.
        device: where the agent works.
        agent: the agent; without one, the device stands for it.
        group: the ACD group that it is about.
        cause: why.
        time: when, seconds since the epoch.
        skills: private data, framing A's.
    """

    monitor: str
    device: Device
    agent: str | None = None
    group: Device | None = None
    cause: str | None = None
    time: float | None = None
    skills: tuple[str, ...] = ()


class AgentLoggedOnEvent(AgentEvent, frozen=True):
    """The agent is there."""


class AgentLoggedOffEvent(AgentEvent, frozen=True):
    """The agent is not there any more."""


class AgentReadyEvent(AgentEvent, frozen=True):
    """The agent takes calls."""


class AgentNotReadyEvent(AgentEvent, frozen=True):
    """The agent takes no calls."""


class AgentBusyEvent(AgentEvent, frozen=True):
    """The agent has a call."""


class AgentWorkingAfterCallEvent(AgentEvent, frozen=True):
    """The agent has work left from a call."""


def _codec(record: type[Any]) -> Codec:
    fields = (
        MONITOR,
        Field("device", "agentDevice", participants.EXTENDED, required=True),
        Field("agent", "agentID", kinds.NAME),
        Field("group", "acdGroup", participants.DEVICE),
        CAUSE,
        TIME,
        Field(
            "skills",
            "extensions/privateData/private/v:skills",
            kinds.list_of("v:skill", kinds.NAME),
        ),
    )
    return Codec(record.__name__, record, fields)


CODECS: Final = tuple(
    _codec(record)
    for record in (
        AgentLoggedOnEvent,
        AgentLoggedOffEvent,
        AgentReadyEvent,
        AgentNotReadyEvent,
        AgentBusyEvent,
        AgentWorkingAfterCallEvent,
    )
)
