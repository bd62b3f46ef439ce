"""OTP's gen_event in Python's manner: managers of handlers."""

from __future__ import annotations

from supervision.gen_event.handler import (
    HIBERNATE,
    REMOVE,
    AddHandler,
    AddSupHandler,
    Answer,
    CallHandler,
    DeleteHandler,
    EventHandler,
    GetModules,
    HandlerExit,
    HandlerFailed,
    HandlerState,
    Notify,
    Stopped,
    Swap,
    SwapHandler,
    Swapped,
    SwapSupHandler,
    SyncNotify,
    WhichHandlers,
)
from supervision.gen_event.manager import EventManager

__all__ = [
    "HIBERNATE",
    "REMOVE",
    "AddHandler",
    "AddSupHandler",
    "Answer",
    "CallHandler",
    "DeleteHandler",
    "EventHandler",
    "EventManager",
    "GetModules",
    "HandlerExit",
    "HandlerFailed",
    "HandlerState",
    "Notify",
    "Stopped",
    "Swap",
    "SwapHandler",
    "SwapSupHandler",
    "Swapped",
    "SyncNotify",
    "WhichHandlers",
]
