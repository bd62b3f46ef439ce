"""Who waits for a decision of a call's session, and what has been decided and not been told yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from actors.dialogues import Asker, Dialogue
    from actors.session_api import IdempotentKey
    from supervision.eventloop.calls import PendingCall


class Caller(Struct, frozen=True):
    """IVR applications that wait for one decision.

    Attributes:
        calls: to be answered.
        once: the idempotency key that they came with.
    """

    calls: tuple[PendingCall, ...]
    once: IdempotentKey | None = None


class Promise(Struct):
    """A decision that waits to be durable before it is told.

    Attributes:
        dialogue: decided.
        askers: those that have not been told.
        made_at: monotonic seconds.
        told: whether somebody has been told.
        void: whether another decision has taken its place meanwhile.
        took: what the decision took, milliseconds by the name of the step.
    """

    dialogue: Dialogue
    askers: list[Asker]
    made_at: float
    told: bool = False
    void: bool = False
    took: tuple[tuple[str, float], ...] = ()
