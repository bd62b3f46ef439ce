"""The routing core: who takes a call, and until when the answer may leave. No actor, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from protocols.cti.messages import RouteType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.config import Config, RoutingConfig, RoutingPoint

DEFAULT_SHARE = 0.8
"""The part of a request's own ``reply_ms`` after which its default answer leaves."""


LATE = "late-default"
"""Why a call goes to the default target: something that was asked had not answered in time."""

ABANDONED = "abandoned"
"""Why a call goes nowhere: it was over before it had been decided where it goes."""

TRIED = "max-tries"
"""Why a call is sent nowhere else: as many targets as may be have not taken it."""

GUARD_MS = 10.0
"""How long after a session's own default answer its link answers for it."""


class Decision(Struct, frozen=True, omit_defaults=True):
    """Where a call goes.

    Attributes:
        target: the device, queue or label; empty when no target is left to be tried.
        rtype: what kind of target it is.
        reason: why, in one word that statistics count.
        alt: further targets, best first.
        why: the steps of the decision, for a person.
        treat: what is done with the call meanwhile, by name: its announcement, its queue.
        send: what is sent along with the call, by key of its user data.
        stale: whether it rests on less than should be known, or on what is old.
    """

    target: str
    rtype: RouteType
    reason: str
    alt: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    treat: tuple[tuple[str, str | float], ...] = ()
    send: tuple[tuple[str, str], ...] = ()
    stale: bool = False


class Routed(Decision, frozen=True, omit_defaults=True):
    """A decision as the router gives it, with what it took; kept without.

    Attributes:
        took: milliseconds, by the name of the step.
    """

    took: tuple[tuple[str, float], ...] = ()

    @property
    def decision(self) -> Decision:
        """The decision alone."""
        return Decision(**{name: getattr(self, name) for name in Decision.__struct_fields__})


class RoutingTable(Struct, frozen=True):
    """What routing knows: the routing points and what holds for the others."""

    points: Mapping[str, RoutingPoint]
    default_target: str


class Marks(Struct, frozen=True):
    """The deadlines of one request, monotonic seconds; names as in ICM.

    Attributes:
        read_at: its bytes were read.
        late_at: an answer after this is counted late.
        default_at: the default answer leaves now, whatever is pending.
        guard_at: the link answers for a session that is mute.
        expires_at: nothing is sent any more.
    """

    read_at: float
    late_at: float
    default_at: float
    guard_at: float
    expires_at: float


def table_of(config: Config) -> RoutingTable:
    """The routing table of a configuration."""
    return RoutingTable(config.rp, config.routing.default_target)


def decide(table: RoutingTable, rp: str, tried: tuple[str, ...] = ()) -> Decision:
    """Choose the target of a call at a routing point.

    Args:
        table: the routing points.
        rp: where the call waits.
        tried: targets that did not take it; none of them is chosen again.
    """
    point = table.points.get(rp)
    if point is None:
        reason = "unknown-rp"
        why = f"routing point {rp!r} is not configured: the node's default target"
    else:
        reason = "rp-default"
        why = f"routing point {rp!r}: {point.target}, then {', '.join(point.alternates) or 'none'}"
    if tried:
        reason, why = "reroute", f"{why}; tried: {', '.join(tried)}"
    return _first_left(table, rp, tried, reason, why)


def late_default(
    table: RoutingTable, rp: str, pending: str, tried: tuple[str, ...] = ()
) -> Decision:
    """The default answer of a routing point, sent because a look-up took too long.

    Args:
        table: the routing points.
        rp: where the call waits.
        pending: who has not answered.
        tried: targets that did not take the call.
    """
    decision = _first_left(table, rp, tried, LATE, f"{pending} had not answered in time")
    return replace(decision, alt=())


def late_end(pending: str) -> Decision:
    """The end of a dialogue whose other target was not found in time, by ``pending``."""
    return Decision("", "default", LATE, (), (f"{pending} had not answered in time",))


def tried_enough(most: int) -> Decision:
    """The end of a dialogue for which as many targets have been tried as may be (``most``)."""
    return Decision("", "default", TRIED, (), (f"routing.max_tries is {most}",))


def call_over() -> Decision:
    """The decision that a call which is over is sent nowhere any more."""
    return Decision("", "default", ABANDONED)


def _first_left(
    table: RoutingTable, rp: str, tried: tuple[str, ...], reason: str, why: str
) -> Decision:
    point = table.points.get(rp)
    rtype: RouteType = "default" if point is None else point.rtype
    targets = [table.default_target] if point is None else [point.target, *point.alternates]
    left = [target for target in targets if target not in tried]
    if not left:
        return Decision("", rtype, "no-target-left", (), (why,))
    return Decision(left[0], rtype, reason, tuple(left[1:]), (why,))


def marks(config: RoutingConfig, read_at: float, reply_ms: int | None) -> Marks:
    """The deadlines of a request; they shrink with its own ``reply_ms``.

    Args:
        config: the configured deadlines, milliseconds.
        read_at: when its bytes were read, monotonic seconds.
        reply_ms: how long the peer waits, where it says so.
    """
    whole = config.request_timeout_ms
    timeout = whole if reply_ms is None else min(whole, reply_ms)
    default = float(config.default_answer_ms)
    if reply_ms is not None:
        default = min(default, DEFAULT_SHARE * reply_ms)
    late = min(config.late_timeout_ms, timeout * config.late_timeout_ms / whole)
    return Marks(
        read_at,
        read_at + late / 1000,
        read_at + default / 1000,
        read_at + min(default + GUARD_MS, (default + timeout) / 2) / 1000,
        read_at + timeout / 1000,
    )
