"""What our tests and our users' tests are written with: a node in virtual time.

with Kit() as kit:
switch = kit.probe("switch", answer=lambda request: "ok")
call = kit.start(CallSession, arguments)
kit.advance(2.0)  # seconds, of which none is waited for
assert kit.call(call, "state") == "ringing"
"""

from __future__ import annotations

from supervision.portal import NotStarted
from supervision.testing.clock import VirtualClock
from supervision.testing.faults import Faults, InjectedFault
from supervision.testing.kit import Kit, KitStatistics, Stuck
from supervision.testing.loop import Restless, Unhandled, VirtualLoop
from supervision.testing.probe import Probe, Received
from supervision.testing.round_trips import round_trips
from supervision.testing.takeover import Takeover

__all__ = [
    "Faults",
    "InjectedFault",
    "Kit",
    "KitStatistics",
    "NotStarted",
    "Probe",
    "Received",
    "Restless",
    "Stuck",
    "Takeover",
    "Unhandled",
    "VirtualClock",
    "VirtualLoop",
    "round_trips",
]
