"""What the rules of routing must be among each other: names that exist, shares that sum up."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING

from actors.routing_core.opening import known_zone
from actors.settings import Mistake

if TYPE_CHECKING:
    from actors.routing_core.rules import (
        Calendar,
        Destination,
        InterceptionList,
        Point,
        Queue,
        Rules,
        Service,
    )

WHOLE = 100.0
SHARE_TOLERANCE = 1e-6
LEAP_YEAR = 2024


def mistakes(rules: Rules) -> list[Mistake]:
    """Return what is wrong between keys that are each right by themselves.

    Args:
        rules: as they were read.
    """
    found = [] if rules.version else [Mistake("version", "is required, and 1 or above")]
    for name, calendar in rules.calendar.items():
        found += _calendar(f"calendar.{name}", calendar)
    for name, numbers in rules.interception.items():
        found += _interceptions(f"interception.{name}", numbers)
    for code, service in rules.service.items():
        found += _service(f"service.{code}", service, rules)
    for name, point in rules.rp.items():
        found += _point(f"rp.{name}", point, rules)
    for name, queue in rules.queue.items():
        found += _queue(f"queue.{name}", name, queue, rules)
    found += _agents(rules)
    return found


def _wrong(key: str, rule: str, value: object) -> Mistake:
    return Mistake(key, rule, json.dumps(value))


def _known(key: str, name: str, names: Iterable[str], what: str) -> Iterator[Mistake]:
    if name and name not in names:
        yield _wrong(key, f"must name a {what} that exists", name)


def _calendar(key: str, calendar: Calendar) -> Iterator[Mistake]:
    if not known_zone(calendar.zone):
        yield _wrong(f"{key}.zone", "must be a zone that this machine knows", calendar.zone)
    for table, days in (("week", calendar.week), ("days", calendar.days)):
        for day, periods in days.items():
            for index, period in enumerate(periods):
                start, _, end = period.partition("-")
                if start == end:
                    yield _wrong(f"{key}.{table}.{day}[{index}]", "must not be empty", period)
    for day in calendar.days:
        if not _is_day(day):
            yield _wrong(f"{key}.days.{day}", "must be a day that exists", day)
    for index, day in enumerate(calendar.holidays):
        if not _is_day(day):
            yield _wrong(f"{key}.holidays[{index}]", "must be a day that exists", day)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text if text.count("-") > 1 else f"{LEAP_YEAR}-{text}")
    except ValueError:
        return False
    return True


def _interceptions(key: str, numbers: InterceptionList) -> Iterator[Mistake]:
    for table, entries in (("exact", numbers.exact), ("prefix", numbers.prefix)):
        for number, entry in entries.items():
            if entry.action != "reject" and not entry.target:
                rule = f"is required where the action is {entry.action}"
                yield Mistake(f"{key}.{table}.{number}.target", rule)


def _service(key: str, service: Service, rules: Rules) -> Iterator[Mistake]:
    yield from _known(f"{key}.calendar", service.calendar, rules.calendar, "calendar")


def _point(key: str, point: Point, rules: Rules) -> Iterator[Mistake]:
    yield from _known(f"{key}.calendar", point.calendar, rules.calendar, "calendar")
    yield from _known(f"{key}.queue", point.queue, rules.queue, "queue")
    if point.calendar and not point.closed.target:
        yield Mistake(f"{key}.closed.target", "is required where there is a calendar")
    for index, condition in enumerate(point.when):
        at = f"{key}.when[{index}]"
        yield from _known(f"{at}.queue", condition.queue, rules.queue, "queue")
        if not (condition.queue or point.queue):
            yield Mistake(f"{at}.queue", "is required where the routing point has no queue")


def _queue(key: str, name: str, queue: Queue, rules: Rules) -> Iterator[Mistake]:
    for index, other in enumerate(queue.overflow):
        at = f"{key}.overflow[{index}]"
        yield from _known(at, other, rules.queue, "queue")
        if other == name:
            yield _wrong(at, "must be another queue", other)
    if queue.destinations:
        yield from _distribution(key, queue, rules)
    elif queue.strategy == "percentage":
        yield _wrong(f"{key}.strategy", "must have destinations", queue.strategy)
    if not (queue.target or queue.destinations or queue.skills or queue.agents):
        yield Mistake(key, "must have a target, destinations, skills or agents")


def _distribution(key: str, queue: Queue, rules: Rules) -> Iterator[Mistake]:
    if queue.skills or queue.agents:
        yield Mistake(f"{key}.destinations", "must not stand beside skills or agents")
    if queue.strategy in {"skills", "last-agent"}:
        rule = "must be round-robin, most-idle, least-loaded or percentage with destinations"
        yield _wrong(f"{key}.strategy", rule, queue.strategy)
    total = math.fsum(one.percent for one in queue.destinations)
    if queue.strategy == "percentage" and abs(total - WHOLE) > SHARE_TOLERANCE:
        yield _wrong(f"{key}.destinations", "must have percent that sum up to 100", total)
    seen: set[str] = set()
    for index, one in enumerate(queue.destinations):
        yield from _destination(f"{key}.destinations[{index}]", one, seen, rules)


def _destination(key: str, one: Destination, seen: set[str], rules: Rules) -> Iterator[Mistake]:
    if bool(one.target) is bool(one.queue):
        yield Mistake(key, "must have either a target or a queue")
    yield from _known(f"{key}.queue", one.queue, rules.queue, "queue")
    inner = rules.queue.get(one.queue)
    if inner is not None and inner.destinations:
        yield _wrong(f"{key}.queue", "must name a queue without destinations", one.queue)
    name = one.target or f"queue {one.queue}"
    if name in seen:
        yield _wrong(key, "must be there once", name)
    seen.add(name)


def _agents(rules: Rules) -> Iterator[Mistake]:
    for name, agent in rules.agent.items():
        if len(agent.skills) > rules.limits.agent_skills:
            rule = f"must be at most {rules.limits.agent_skills} skills (limits.agent_skills)"
            yield _wrong(f"agent.{name}.skills", rule, len(agent.skills))
    if len(rules.agent) > rules.limits.agents:
        rule = f"must be at most {rules.limits.agents} agents (limits.agents)"
        yield _wrong("agent", rule, len(rules.agent))
