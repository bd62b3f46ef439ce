"""Whether a call meets a condition of its routing point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.routing_core.facts import Customer, Facts

if TYPE_CHECKING:
    from actors.routing_core.rules import Condition

UNKNOWN = Customer()


def meets(condition: Condition, facts: Facts) -> bool:
    """Whether a call meets each part of a condition; of an unknown customer nothing is met.

    Args:
        condition: checked rules.
        facts: what was found out about the call.
    """
    request = facts.request
    customer = request.customer or UNKNOWN
    lang = request.lang or customer.lang
    return (
        (not condition.segments or customer.segment in condition.segments)
        and (not condition.platforms or facts.platform in condition.platforms)
        and (not condition.langs or lang in condition.langs)
        and (not condition.media or request.media in condition.media)
        and (not condition.dnis or request.dnis in condition.dnis)
        and (not condition.callers or facts.number.number.startswith(condition.callers))
        and (not condition.products or _one_of(customer.products, condition.products))
        and (not condition.services or _one_of(facts.services, condition.services))
        and (not condition.vip or customer.vip)
    )


def _one_of(have: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return any(one in wanted for one in have)
