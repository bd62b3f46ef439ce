"""Refusals of a peer's frames: told when they hold, as answers are.

Were a refusal told before the record that covers the refused frame is durable, a crash could take
it back: the peer would send the frame again, and it would be carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols.cti import flow
from protocols.cti.link_session import FOR_EVER, LinkSession, Withheld, confirm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocols.cti.messages import Error

ANSWER_SHARE = 0.8
"""Share of a request's time after which its refusal is told, durable or not."""


def answer_by(session: LinkSession, reply_ms: int | None, at: float) -> float:
    """When a request must have its refusal, monotonic seconds.

    Args:
        session: whose limits count.
        reply_ms: how long its peer waits, where it says so.
        at: when it was received, monotonic seconds.
    """
    wait_s = session.limits.request_s
    if reply_ms is not None:
        wait_s = min(wait_s, reply_ms / 1000)
    return at + ANSWER_SHARE * wait_s


def refuse(session: LinkSession, error: Error, now: float, until: float = FOR_EVER) -> None:
    """Refuse a frame, and keep the refusal until it holds.

    Args:
        session: the link session.
        error: what the peer will be told; `ref` is the number of its frame.
        now: monotonic seconds.
        until: when it is told in any case.
    """
    flow.close(session.window, error.ref)
    confirm(session, error.ref, now)
    session.withheld.append(Withheld(error, until))


def due(session: LinkSession) -> float:
    """When the next refusal is told in any case, monotonic seconds."""
    return min((one.until for one in session.withheld), default=FOR_EVER)


def take(session: LinkSession, now: float, *, at_once: bool) -> Sequence[Error]:
    """Take the refusals that are to be told now.

    Args:
        session: the link session.
        now: monotonic seconds.
        at_once: nothing becomes durable, so nobody waits for it.

    Returns:
        Them, in the order in which they were made; beyond a window of them the oldest wait no more.
    """
    if not session.withheld:
        return ()
    beyond = len(session.withheld) - session.limits.window
    told: list[Withheld] = []
    kept: list[Withheld] = []
    for place, one in enumerate(session.withheld):
        holds = one.error.ref <= session.durable_in
        ripe = holds or at_once or one.until <= now or place < beyond
        (told if ripe else kept).append(one)
    session.withheld = kept
    return [one.error for one in told]
