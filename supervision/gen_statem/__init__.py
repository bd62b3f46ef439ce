"""OTP's gen_statem in Python's manner; ``supervision.gen_statem.machine`` says how it goes on."""

from __future__ import annotations

from supervision.gen_statem.actions import (
    BadTransition,
    CancelTimeout,
    ChangeCallbacks,
    EventTimeout,
    Hibernate,
    Keep,
    Next,
    NextEvent,
    PopCallbacks,
    Postpone,
    PushCallbacks,
    Repeat,
    Reply,
    SetTimeout,
    Snapshot,
    StateCallbacks,
    StateTimeout,
    StopMachine,
    TimerLeft,
    Transition,
    UpdateTimeout,
)
from supervision.gen_statem.machine import StateMachine

__all__ = [
    "BadTransition",
    "CancelTimeout",
    "ChangeCallbacks",
    "EventTimeout",
    "Hibernate",
    "Keep",
    "Next",
    "NextEvent",
    "PopCallbacks",
    "Postpone",
    "PushCallbacks",
    "Repeat",
    "Reply",
    "SetTimeout",
    "Snapshot",
    "StateCallbacks",
    "StateMachine",
    "StateTimeout",
    "StopMachine",
    "TimerLeft",
    "Transition",
    "UpdateTimeout",
]
