"""Whether what is known of a customer changes where a call goes, worked out once for each rules.

A point whose rules use nothing of it does not wait for a look-up, and does not pay for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.routing_core.rules import Condition, Point, Rules

Need: TypeAlias = Literal["none", "cached", "wanted", "required"]
"""What a routing point needs to know of a customer: nothing; what is there; what can be looked up
in time; the same, and nothing is decided without it."""

_OF_CUSTOMERS = frozenset({"customer", "platform", "services"})
LAST_AGENT = "last-agent"


def needs(rules: Rules) -> dict[str, Need]:
    """What each routing point of the rules needs.

    Args:
        rules: checked.
    """
    return {name: need(rules, point) for name, point in rules.rp.items()}


def need(rules: Rules, point: Point) -> Need:
    """What a routing point needs; ``auto`` is what its rules use.

    Args:
        rules: checked.
        point: of them.
    """
    if point.facts != "auto":
        return point.facts
    return "wanted" if _uses(rules, point) else "none"


def _uses(rules: Rules, point: Point) -> bool:
    if point.follow_services or any(map(_tells, point.send)):
        return True
    if any(map(_asks, point.when)):
        return True
    queues = set(_reached(rules, point))
    if queues and any(service.skill for service in rules.service.values()):
        return True
    return any(rules.queue[name].strategy == LAST_AGENT for name in queues)


def _tells(item: str) -> bool:
    return item.partition(".")[0] in _OF_CUSTOMERS


def _asks(condition: Condition) -> bool:
    """Whether it is about the customer; a language is the customer's where the call has none."""
    return bool(
        condition.segments
        or condition.products
        or condition.platforms
        or condition.services
        or condition.langs
        or condition.vip
    )


def _reached(rules: Rules, point: Point) -> Iterator[str]:
    """The queues that a call may come to: the point's, those beside and those behind."""
    left = [point.queue, *(condition.queue for condition in point.when)]
    seen: set[str] = set()
    while left:
        name = left.pop()
        if not name or name in seen:
            continue
        seen.add(name)
        yield name
        queue = rules.queue[name]
        left += [*queue.overflow, *(one.queue for one in queue.destinations)]
