"""What is known of a caller: how it is asked for, and answered without anybody waiting.

An actor calls `look_up`. What is in the cache is there at once; else customerFacts asks PostgreSQL,
and the answer is a message, `Facts`, with the reference that was given. After the asker's deadline
nothing is sent any more: the answer is kept for the next call, and counted as late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from msgspec import Struct

from actors import metrics
from actors.connectors.fact_cache import CacheLimits, FactCache
from supervision.eventloop.calls import PendingCall
from supervision.eventloop.cell import LocalAddress

if TYPE_CHECKING:
    from actors.connectors.fact_cache import Hit
    from actors.customers_config import CustomersConfig
    from supervision import GenServer

NAME = "customerFacts"
"""The name that look-ups are sent to."""

MAX_NUMBER_CHARS = 64

Row: TypeAlias = dict[str, Any]
Outcome: TypeAlias = Literal["found", "unknown", "unavailable"]

_CACHED = metrics.CUSTOMER_LOOKUPS.labels("cached")
_STALE = metrics.CUSTOMER_LOOKUPS.labels("stale")


class Facts(Struct, frozen=True):
    """The answer to a look-up.

    Attributes:
        number: That was asked for.
        outcome: `unknown`: there is no such customer; `unavailable`: nobody can tell now.
        row: What was found, plain data; None where nothing was.
        age_s: How long ago it was read, seconds.
        stale: Whether it is older than it should be, for the database cannot tell now.
        why: Why it is stale or unavailable; for operators.
        ref: As it was given.
    """

    number: str
    outcome: Outcome
    row: Row | None = None
    age_s: float = 0.0
    stale: bool = False
    why: str = ""
    ref: Any = None


class LookUp(Struct, frozen=True):
    """Cast to customerFacts; `Facts` is sent to the asker.

    Attributes:
        number: Of the caller, E.164.
        asker: Who is told: an actor, a call that waits; None where nobody is.
        deadline: When the asker has no use for the answer any more, monotonic seconds.
        ref: Comes back with the answer.
    """

    number: str
    asker: LocalAddress | PendingCall | None
    deadline: float
    ref: Any = None


class Ask(Struct, frozen=True):
    """Call to customerFacts, for who is no actor; answered with `Facts`.

    Attributes:
        number: Of the caller, E.164.
        deadline_s: For how long the answer is of use, seconds.
    """

    number: str
    deadline_s: float


class Refresh(Struct, frozen=True):
    """Cast to customerFacts: what is known of a number is old and in use; nobody is told.

    Attributes:
        number: Of the caller, E.164.
    """

    number: str


class Forget(Struct, frozen=True):
    """Cast to customerFacts: what is known of a number is not true any more; of all, with None."""

    number: str | None


CustomerCache: TypeAlias = FactCache[Row]


def cache_of(config: CustomersConfig) -> CustomerCache:
    """Make the cache of a node; it outlives customerFacts.

    Args:
        config: What it may keep.
    """
    limits = CacheLimits(config.cache_rows, config.max_age_s, config.negative_age_s, config.stale_s)
    return FactCache(limits)


def look_up(
    asker: GenServer, cache: CustomerCache, number: str, deadline_s: float, ref: Any = None
) -> Facts | None:
    """Ask what is known of a caller; nothing is waited for.

    Args:
        asker: Who is told.
        cache: Of the node.
        number: Of the caller, E.164.
        deadline_s: For how long the asker has a use for the answer, seconds.
        ref: Comes back with the answer.

    Returns:
        What is known already, or that nobody can tell; None where a message follows.
    """
    now = asker.now()
    known = cached(cache, number, now, ref)
    if known is not None:
        return known
    why = ask(asker, number, now + deadline_s, ref)
    return Facts(number, "unavailable", why=why, ref=ref) if why else None


def ask(asker: GenServer, number: str, deadline: float, ref: Any = None) -> str:
    """Have the database asked for a number that is not known; `Facts` are sent to the asker.

    Args:
        asker: Who is told.
        number: Of the caller, E.164.
        deadline: When the asker has no use for the answer any more, monotonic seconds.
        ref: Comes back with the answer.

    Returns:
        Why nobody is asked and nothing is going to be sent; empty where somebody is.
    """
    if not 1 <= len(number) <= MAX_NUMBER_CHARS:
        return f"number: 1 to {MAX_NUMBER_CHARS} characters"
    if asker.whereis(NAME) is None:
        return "customerFacts is being restarted"
    asker.cast(NAME, LookUp(number, asker.address, deadline, ref))
    return ""


def refresh(asker: GenServer, number: str) -> None:
    """Have what is old and in use be read anew, for the next one who asks.

    Args:
        asker: Who has used it.
        number: Of the caller, E.164.
    """
    if asker.whereis(NAME) is not None:
        asker.cast(NAME, Refresh(number))


def at_once(cache: CustomerCache, number: str, now: float) -> Hit[Row] | None:
    """Return what is known, fresh or stale, for who waits for nothing newer.

    Args:
        cache: Of the node.
        number: Of the caller, E.164.
        now: Monotonic seconds.
    """
    hit = cache.get(number, now)
    if hit is not None:
        (_STALE if hit.stale else _CACHED).inc()
    return hit


def cached(cache: CustomerCache, number: str, now: float, ref: Any = None) -> Facts | None:
    """Return what is known and fresh.

    Args:
        cache: Of the node.
        number: Of the caller, E.164.
        now: Monotonic seconds.
        ref: Comes back with the answer.
    """
    hit = cache.get(number, now)
    if hit is None or hit.stale:
        return None
    _CACHED.inc()
    return Facts(number, "unknown" if hit.value is None else "found", hit.value, hit.age_s, ref=ref)
