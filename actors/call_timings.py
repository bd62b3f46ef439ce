"""What a call's routing decision has taken, by step; pure.

``link``: from the bytes of the request being read until the router is asked. ``facts``: the router
waits for what is known of the customer. ``decide``: the rest of what the router takes. By rules it
also tells each step of the routing core, which are part of ``decide``: ``normalise``,
``interception``, ``customer``, ``platform``, ``services``, ``routing_point``, ``strategy``,
``select``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.customer_lookup import NAME as CUSTOMERS
from actors.router_messages import NAME as ROUTER
from actors.routing import Routed
from actors.session_data import MS_DIGITS

if TYPE_CHECKING:
    from actors.routing import Decision
    from actors.session_data import Took

LINK, FACTS, DECIDE = "link", "facts", "decide"
JOURNAL = "journal"
"""Who is named where the journal was slow."""

_ACTORS = {DECIDE: ROUTER, FACTS: CUSTOMERS, LINK: "ctiLink"}


def took_of(read_at: float, asked_at: float, now: float) -> Took:
    """What a dialogue has taken so far.

    Args:
        read_at: when it began, monotonic seconds.
        asked_at: when the router was asked, likewise.
        now: monotonic seconds.
    """
    link, decide = (asked_at - read_at) * 1000, (now - asked_at) * 1000
    return (LINK, round(link, MS_DIGITS)), (DECIDE, round(decide, MS_DIGITS))


def plain(given: Decision, took: Took) -> tuple[Decision, Took]:
    """Take apart what the router has given.

    Args:
        given: with what it took, where rules have decided.
        took: by the dialogue.

    Returns:
        The decision alone, which is kept, and all that is known of what it took.
    """
    if not isinstance(given, Routed):
        return given, took
    return given.decision, with_steps(took, given.took)


def with_steps(took: Took, steps: Took) -> Took:
    """Put what the router has told of its steps to what a dialogue took.

    Args:
        took: by the dialogue; what it has waited for the router includes waiting for facts.
        steps: of the router.

    Returns:
        All of them; what was waited for facts counts there alone.
    """
    waited = sum(ms for step, ms in steps if step == FACTS)
    apart = [
        (step, round(max(0.0, ms - waited), MS_DIGITS) if step == DECIDE else ms)
        for step, ms in took
    ]
    return (*apart, *steps)


def all_for_facts(took: Took) -> Took:
    """What a dialogue took that has waited for facts until its default answer was due.

    Args:
        took: by the dialogue.
    """
    return tuple((FACTS if step == DECIDE else step, ms) for step, ms in took)


def slowest(took: Took, journal_ms: float) -> str:
    """Name the actor that an answer has taken most of its time for.

    Args:
        took: until it was decided.
        journal_ms: since then, milliseconds.
    """
    parts = dict(took)
    spent = {actor: parts.get(step, 0.0) for step, actor in _ACTORS.items()}
    spent[JOURNAL] = journal_ms
    return max(spent, key=lambda actor: spent[actor])
