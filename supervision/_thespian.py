"""The one typed door to Thespian, which ships no type information.

Everything of Thespian that vigie uses is named here, so that a change of Thespian is met in one
place and the rest of the rooms stays under ``mypy --strict``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from thespian.actors import (
    ActorExitRequest,
    ActorSystem,
    ActorSystemException,
    ActorSystemMessage,
    ChildActorExited,
    DeadEnvelope,
    InvalidActorAddress,
    LoadedSource,
    PoisonMessage,
    Thespian_ActorStatus,
    Thespian_StatusReq,
    ThespianGeneration,
    ThespianWatch,
    UnloadedSource,
    ValidatedSource,
    ValidateSource,
    WakeupMessage,
    WatchMessage,
)
from thespian.system import isInternalActorSystemMessage
from thespian.system.simpleSystemBase import defaultLoggingConfig
from thespian.system.sourceLoader import SourceHashFinder, loadModuleFromHashSource
from thespian.system.timing import ExpirationTimer, timePeriodSeconds
from thespian.system.utilis import actualActorClass

if TYPE_CHECKING:
    from datetime import timedelta

    class ActorAddress:
        """Thespian's opaque reference to an actor."""

        _aaddr: Any

        def __init__(self, aaddr: Any) -> None: ...
        @property
        def addressDetails(self) -> Any: ...
        @property
        def actorAddressString(self) -> str: ...

    class Actor:
        """Thespian's actor: ``receiveMessage`` is called with one message at a time."""

        _myRef: Any

        def receiveMessage(self, msg: Any, sender: Any) -> Any: ...
        @property
        def myAddress(self) -> ActorAddress: ...
        def send(self, targetAddr: ActorAddress, msg: Any) -> None: ...
        def createActor(self, actorClass: Any) -> ActorAddress: ...
        def wakeupAfter(self, timePeriod: timedelta, payload: Any = None) -> None: ...

else:
    from thespian.actors import Actor, ActorAddress

__all__ = [
    "Actor",
    "ActorAddress",
    "ActorExitRequest",
    "ActorSystem",
    "ActorSystemException",
    "ActorSystemMessage",
    "ChildActorExited",
    "DeadEnvelope",
    "ExpirationTimer",
    "InvalidActorAddress",
    "LoadedSource",
    "PoisonMessage",
    "SourceHashFinder",
    "ThespianGeneration",
    "ThespianWatch",
    "Thespian_ActorStatus",
    "Thespian_StatusReq",
    "UnloadedSource",
    "ValidateSource",
    "ValidatedSource",
    "WakeupMessage",
    "WatchMessage",
    "actualActorClass",
    "defaultLoggingConfig",
    "isInternalActorSystemMessage",
    "loadModuleFromHashSource",
    "timePeriodSeconds",
]
