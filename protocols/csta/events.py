"""What a link in framing B tells its caller besides framing A's events."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from protocols.csta.system_status import SystemStatusValue
from protocols.cti import events as cti


class MonitorStarted(Struct, frozen=True):
    """The peer will tell events of this device with this reference."""

    device: str
    monitor: str


class MonitorStopped(Struct, frozen=True):
    """The peer tells no more events with this reference.

    Attributes:
        device: what they were about.
        monitor: the reference; empty where the peer has refused to begin.
        why: the peer's error, None where there is none.
    """

    device: str
    monitor: str
    why: str | None = None


class StatusTold(Struct, frozen=True):
    """The peer tells how it is."""

    status: SystemStatusValue


Event: TypeAlias = cti.Event | MonitorStarted | MonitorStopped | StatusTold
