"""A circuit breaker (Nygard, Release It!, 5.2): closed, open, half-open.

Closed, it counts failures in a row. Open, it lets nothing through until its time is up. Then it is
half-open: one attempt is let through, and what comes of that closes it or opens it for longer.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

BreakerState: TypeAlias = Literal["closed", "open", "half-open"]

LONGEST = 8.0
"""How many times the first pause the longest one is, when probe after probe fails."""


class BreakerLimits(Struct, frozen=True):
    """When a breaker opens.

    Attributes:
        failures: In a row; at least 1.
        open_s: How long it is open the first time, seconds; doubled with each probe that fails.
    """

    failures: int
    open_s: float


class Breaker(Struct):
    """What one breaker knows.

    Attributes:
        limits: When it opens.
        state: As above; half-open begins with the probe.
        failed: Failures in a row.
        pause_s: How long it is open this time, or was the last time.
        until: Monotonic seconds: the end of the pause, or of the time that a probe has.
        opened: How often it has opened.
    """

    limits: BreakerLimits
    state: BreakerState = "closed"
    failed: int = 0
    pause_s: float = 0.0
    until: float = 0.0
    opened: int = 0


def permits(breaker: Breaker, now: float) -> bool:
    """Whether something may be tried now; nothing is changed by asking.

    Args:
        breaker: Whose answer is asked for.
        now: Monotonic seconds.
    """
    return breaker.state == "closed" or now >= breaker.until


def begun(breaker: Breaker, now: float) -> None:
    """Something that was permitted is tried: where the pause is over it is the probe.

    Args:
        breaker: What permitted it.
        now: Monotonic seconds. A probe that nothing is heard of for as long as the pause was is
            given up, and another one permitted.
    """
    if breaker.state != "closed":
        breaker.state = "half-open"
        breaker.until = now + breaker.pause_s


def succeeded(breaker: Breaker) -> bool:
    """Something that was tried has worked.

    Returns:
        Whether this closed the breaker. What was begun before it opened does not.
    """
    if breaker.state == "open":
        return False
    closes = breaker.state != "closed"
    breaker.state, breaker.failed, breaker.pause_s = "closed", 0, 0.0
    return closes


def failed(breaker: Breaker, now: float) -> bool:
    """Something that was tried has failed.

    Args:
        breaker: What permitted it.
        now: Monotonic seconds.

    Returns:
        Whether this opened the breaker, from closed or again.
    """
    breaker.failed += 1
    if breaker.state == "open":
        return False  # begun before it opened
    if breaker.state == "closed" and breaker.failed < breaker.limits.failures:
        return False
    first = breaker.limits.open_s
    breaker.pause_s = min(max(2 * breaker.pause_s, first), LONGEST * first)
    breaker.state, breaker.until = "open", now + breaker.pause_s
    breaker.opened += 1
    return True


def left_s(breaker: Breaker, now: float) -> float:
    """How long nothing is permitted yet, seconds; 0 where something is."""
    return 0.0 if permits(breaker, now) else breaker.until - now
