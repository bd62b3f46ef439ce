"""Look at a live tree and steer it: OTP's ``sys`` for every actor, bounded as ``recon`` is."""

from supervision.introspection.records import (
    ActorDetail,
    ActorRow,
    ActorState,
    DeadLetterRow,
    Intensity,
    LastExit,
    PoolSummary,
    RestartRow,
    TimerRow,
    TreeNode,
)
from supervision.introspection.tree import ActionRefused, Introspection, NoSuchActor

__all__ = [
    "ActionRefused",
    "ActorDetail",
    "ActorRow",
    "ActorState",
    "DeadLetterRow",
    "Intensity",
    "Introspection",
    "LastExit",
    "NoSuchActor",
    "PoolSummary",
    "RestartRow",
    "TimerRow",
    "TreeNode",
]
