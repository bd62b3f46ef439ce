"""The loop guard: how often a call has been routed, and what becomes of one that goes in circles.

A call that is diverted, overflowed or transferred back to a routing point asks again with another
xref each time; ``routing.max_tries``, which bounds the targets of one xref, never sees that. ICM
bounds how often one call is routed for the same reason. Pure functions: a session counts its
routings as long as it lives, and begins with the count of the call that it comes of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from actors.routing import Decision
from actors.session_api import JourneyStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.config import RoutingConfig
    from actors.routing import RoutingTable
    from actors.session_data import Session

LOOP = "loop"
"""Why a call goes to a default target, or is rejected: it has been routed too often."""

REJECTED = "reject"
"""Target of a call that is rejected: no answer is without a target."""

Routings = tuple[str | int, ...]
"""How often a call has been routed: routing points, each with its count after it. Flat, for there
are many sessions; empty while the call has been routed once at most, as nearly all are."""


class Loop(Struct, frozen=True):
    """A call has been routed more often than may be.

    Attributes:
        over: how many times more.
        routings: all of the call.
        why: for a person.
    """

    over: int
    routings: int
    why: str


def pairs(routings: Routings) -> Iterator[tuple[str, int]]:
    """Routing points and counts.

    Args:
        routings: of a call.
    """
    for at in range(0, len(routings), 2):
        yield str(routings[at]), int(routings[at + 1])


def is_new(session: Session) -> bool:
    """Whether the call has not been routed yet."""
    return session.routing is None and not session.dialogues


def of(session: Session) -> Routings:
    """All routings of a call, the first one too.

    Args:
        session: the record.
    """
    if session.routings or is_new(session):
        return session.routings
    return (session.rp or "", 1)


def counted(session: Session, rp: str, config: RoutingConfig, wall: float) -> Session:
    """Count one more routing; to be called before anything of it is noted.

    The first one of a call is counted by the second. A call that waits in a queue, and asks
    whether an agent is there for it, goes in no circle: that is not counted.

    Args:
        session: the record.
        rp: where the call is.
        config: the limits.
        wall: seconds since the epoch.
    """
    if not session.routings and session.routing is None and not session.dialogues:
        return session  # it is new, as nearly all are
    if _asks_from_queue(session, rp, config.queue_poll_ms / 1000, wall):
        return session
    return replace(session, routings=_one_more(of(session), rp, config.max_routings))


def _one_more(routings: Routings, rp: str, most: int) -> Routings:
    """Beyond ``most`` routing points, further ones are counted together, under no name."""
    counts = dict(pairs(routings))
    if rp not in counts and len(counts) > most:
        rp = ""
    counts[rp] = counts.get(rp, 0) + 1
    return _flat(counts)


def _flat(counts: dict[str, int]) -> Routings:
    return tuple(part for pair in counts.items() for part in pair)


def _asks_from_queue(session: Session, rp: str, poll_s: float, wall: float) -> bool:
    routing = session.routing
    if routing is None or session.rp != rp or wall - routing.ts < poll_s:
        return False
    if routing.reason == "queued":
        return True
    decision = session.dialogues[-1][1].decision if session.dialogues else None
    return decision is not None and any(key == "queue" for key, _ in decision.treat)


def merged(mine: Routings, others: Routings) -> Routings:
    """The routings of a call that was two, each of which may know of the other's already.

    Args:
        mine: of the one.
        others: of the other.
    """
    counts = dict(pairs(mine))
    for rp, count in pairs(others):
        counts[rp] = max(count, counts.get(rp, 0))
    return _flat(counts)


def loop_of(session: Session, rp: str, config: RoutingConfig) -> Loop | None:
    """What is wrong with a call, the routings of which have been counted; None: nothing.

    Args:
        session: the record.
        rp: where the call is.
        config: the limits.
    """
    if not session.routings:
        return None
    counts = dict(pairs(session.routings))
    routings, here = sum(counts.values()), counts.get(rp, 0)
    beyond, beyond_here = routings - config.max_routings, here - config.max_rp_routings
    if max(beyond, beyond_here) <= 0:
        return None
    if beyond_here >= beyond:
        why = f"routed {here} times at {rp!r}: routing.max_rp_routings is {config.max_rp_routings}"
    else:
        why = f"routed {routings} times: routing.max_routings is {config.max_routings}"
    return Loop(max(beyond, beyond_here), routings, why)


def way_out(loop: Loop, table: RoutingTable, rp: str, on_loop: str) -> Decision:
    """Where a call goes that has been routed too often.

    To the default target of the routing point; where it comes back from there, to the next of its
    targets, then to the node's, and when all have had it, it is rejected: no loop goes on for ever.

    Args:
        loop: what is wrong.
        table: the routing points.
        rp: where the call is.
        on_loop: ``default``, or ``reject``: it is rejected at once.
    """
    point = table.points.get(rp)
    own = () if point is None else (point.target, *point.alternates)
    targets = tuple(dict.fromkeys((*own, table.default_target)))
    if on_loop == "reject" or loop.over > len(targets):
        return Decision(REJECTED, "reject", LOOP, (), (loop.why,))
    target = targets[loop.over - 1]
    rtype = "default" if point is None or target not in own else point.rtype
    return Decision(target, rtype, LOOP, (), (loop.why,))


def with_loop(session: Session, loop: Loop, rp: str, longest: int, wall: float) -> Session:
    """Note in the journey that a call was taken out of a loop.

    Args:
        session: the record.
        loop: what is wrong.
        rp: where the call is.
        longest: greatest number of steps; beyond it the oldest gives way.
        wall: seconds since the epoch.
    """
    said = {"rp": rp, "routings": loop.routings, "why": loop.why}
    step = JourneyStep(ts=wall, step=LOOP, ev=LOOP, data=said)
    return replace(session, journey=(*session.journey, step)[-longest:], updated=wall)
