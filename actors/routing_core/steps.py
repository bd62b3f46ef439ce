"""The steps of a decision up to its strategy, each a function from facts to facts.

Each step finds out one thing, says so in one line of `why`, and may decide. Who takes them one by
one can measure each; `core.route` takes them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from actors.routing import Decision, decide, late_default
from actors.routing_core import interception
from actors.routing_core.conditions import meets
from actors.routing_core.facts import Facts, Request, World
from actors.routing_core.opening import local_time
from actors.routing_core.waiting import Extra
from protocols.numbering import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.routing_core.facts import Customer, Ground
    from actors.routing_core.interception import Hit
    from actors.routing_core.rules import Point, Service, Treatment
    from protocols.cti.messages import RouteType

INTERCEPTED = "intercepted"
CLOSED = "closed"
NO_TARGET_LEFT = "no-target-left"
UNKNOWN_POINT = "unknown-rp"
POINT_DEFAULT = "rp-default"
REJECT = "reject"
"""Target of a call that is rejected, where the rules name none: no answer is without a target."""


def begin(request: Request, at: float) -> Facts:
    """Return what is known before the first step.

    Args:
        request: what was asked.
        at: when, seconds since the epoch.
    """
    return Facts(request, at, request.rp, prio=request.prio)


def normalise_caller(world: World, facts: Facts) -> Facts:
    """Read the caller's number as E.164, unless the request has it so already."""
    request = facts.request
    number = request.number or normalise(request.ani, world.ground.region)
    why = f"caller: {number.number or 'withheld'} ({number.type})"
    return replace(facts, number=number, why=(*facts.why, why))


def intercept(world: World, facts: Facts) -> Facts:
    """Look for the caller on the interception lists."""
    lists = world.ground.interceptions
    hit = interception.look_up(lists, facts.number.number, facts.request.dnis, facts.at)
    if hit is None:
        return _with(facts, "interception: on no list" if lists else "interception: no lists")
    entry = hit.entry
    why = f"interception: list {hit.numbers}, {hit.match}: {entry.action}"
    target = entry.target or REJECT
    return _ended(_with(facts, why), target, _intercepted_type(hit), INTERCEPTED, entry.message)


def know_customer(world: World, facts: Facts) -> Facts:
    """Say what is known of the customer: it is given, or it is missing."""
    customer, missing = facts.request.customer, facts.request.missing
    if customer is None:
        late = f"{missing} {facts.request.missing_why or 'had not answered in time'}"
        facts = _with(facts, f"customer: {late if missing else 'nothing is known'}")
        required = missing and world.ground.needs.get(facts.rp) == "required"
        return _not_without(world, facts) if required else facts
    old = f", {customer.age_s:.3g} s old and stale" if customer.stale else ""
    if not customer.known:
        return _with(facts, f"customer: the number is of none{old}")
    why = f"customer: {customer.id or 'known'}, segment {customer.segment or 'none'}{old}"
    return _with(facts, why)


def _not_without(world: World, facts: Facts) -> Facts:
    """The default target, for a call that must not be decided without its customer."""
    request = facts.request
    facts = _with(facts, f"rp.{facts.rp}.facts: required")
    decision = late_default(world.ground.table, facts.rp, request.missing, request.tried)
    return replace(facts, decision=replace(decision, why=facts.why))


def platform_of(ground: Ground, number: str, customer: Customer | None) -> str | None:
    """Who serves a customer: the number's platform, then that of the first product.

    Args:
        ground: what decisions rest on.
        number: normalised.
        customer: what is known; None: nothing.
    """
    own = customer.platform if customer else ""
    products = customer.products if customer else ()
    named = own or ground.number_platform(number)
    return named or next(filter(None, map(ground.product_platform, products)), None)


def find_platform(world: World, facts: Facts) -> Facts:
    """Find out who serves the customer: the number's platform, then that of the first product."""
    ground, customer = world.ground, facts.request.customer
    own = customer.platform if customer else ""
    platform = own or ground.number_platform(facts.number.number)
    if platform:
        why = f"platform: {platform}, of the number"
        return replace(facts, platform=platform, why=(*facts.why, why))
    for product in customer.products if customer else ():
        platform = ground.product_platform(product)
        if platform:
            why = f"platform: {platform}, of product {product}"
            return replace(facts, platform=platform, why=(*facts.why, why))
    return _with(facts, "platform: none")


def find_services(world: World, facts: Facts) -> Facts:
    """Find out which technical services of the customer's are looked after now."""
    customer = facts.request.customer
    if customer is None or not customer.services:
        return _with(facts, "services: none")
    known = [(code, world.ground.service(code)) for code in customer.services]
    served = [(code, one) for code, one in known if one and _is_served(world, one, facts.at)]
    extra = _extra((one.skill, one.level) for _, one in served if one.skill)
    codes = tuple(code for code, _ in served)
    why = f"services: {', '.join(codes) or 'none that is looked after now'}"
    return replace(facts, services=codes, extra=extra, why=(*facts.why, why))


def enter_point(world: World, facts: Facts) -> Facts:
    """Look at the routing point: is another one meant, and is it open?"""
    rp = _followed(world, facts)
    point = world.ground.point(rp)
    if point is None:
        return replace(facts, rp=rp, why=(*facts.why, f"routing point {rp}: no rules"))
    opening = world.ground.hours(point.calendar)
    if opening is None:
        return replace(facts, rp=rp, why=(*facts.why, f"routing point {rp}: always open"))
    if opening.is_open(facts.at):
        why = f"routing point {rp}: open, calendar {point.calendar}"
        return replace(facts, rp=rp, why=(*facts.why, why))
    when = local_time(opening, facts.at)
    why = f"routing point {rp}: closed on {when}, calendar {point.calendar}"
    return _treated(replace(facts, rp=rp, why=(*facts.why, why)), point.closed, CLOSED)


def choose_queue(world: World, facts: Facts) -> Facts:
    """Find the queue, the priority and the skills: the first condition that the call meets."""
    point = world.ground.point(facts.rp)
    if point is None:
        return _with(facts, "strategy: the target in the node's configuration")
    limit = world.ground.rules.limits.priority
    queue, prio, extra, words = _met(point, facts)
    prio = max(-limit, min(limit, prio))
    skills = "".join(f", {skill}:{level}" for skill, level in extra)
    priority = f", priority {prio}" if prio else ""
    why = f"strategy: {f'queue {queue}' if queue else 'no queue'}{priority}{skills}{words}"
    return replace(facts, queue=queue, prio=prio, extra=extra, why=(*facts.why, why))


def default(world: World, facts: Facts, why: str) -> Facts:
    """Decide for the target in the node's configuration, or for the first one left.

    Args:
        world: what decisions rest on.
        facts: what was found out.
        why: why nothing else was decided.
    """
    table = world.ground.table
    decision = decide(table, facts.rp, facts.request.tried)
    if decision.reason == UNKNOWN_POINT and world.ground.point(facts.rp):
        decision = replace(decision, reason=POINT_DEFAULT)
    lines = (*facts.why, why, *decision.why)
    return replace(facts, decision=replace(decision, why=lines), why=lines)


def treated(facts: Facts, treatment: Treatment, reason: str, why: str) -> Facts:
    """Decide for a treatment, such as dissuasion.

    Args:
        facts: what was found out.
        treatment: where the call goes.
        reason: why, in one word.
        why: why, for a person.
    """
    return _treated(_with(facts, why), treatment, reason)


def _treated(facts: Facts, treatment: Treatment, reason: str) -> Facts:
    target = treatment.target
    return _ended(facts, target, treatment.rtype, reason, treatment.message)


def _ended(facts: Facts, target: str, rtype: RouteType, reason: str, message: str) -> Facts:
    """Decide for a target that has no other beside it, unless it was tried."""
    if target in facts.request.tried:
        why = (*facts.why, f"{target} was tried: no target is left")
        decision = Decision("", rtype, NO_TARGET_LEFT, (), why)
        return replace(facts, decision=decision, why=why)
    decision = Decision(target, rtype, reason, (), facts.why)
    treat = {"announcement": message} if message else {}
    return replace(facts, decision=decision, treat=treat)


def _with(facts: Facts, why: str) -> Facts:
    return replace(facts, why=(*facts.why, why))


def _intercepted_type(hit: Hit) -> RouteType:
    types: dict[str, RouteType] = {"reject": "reject", "message": "announcement"}
    return types.get(hit.entry.action, hit.entry.rtype)


def _is_served(world: World, service: Service, at: float) -> bool:
    opening = world.ground.hours(service.calendar)
    return opening is None or opening.is_open(at)


def _extra(skills: Iterable[tuple[str, int]]) -> Extra:
    """Each skill once, at the greatest of its levels, in an order that is always the same."""
    levels: dict[str, int] = {}
    for skill, level in skills:
        levels[skill] = max(level, levels.get(skill, 0))
    return tuple(sorted(levels.items()))


def _followed(world: World, facts: Facts) -> str:
    """The routing point of the first service that has one, where the point follows services."""
    point = world.ground.point(facts.rp)
    if point is not None and point.follow_services:
        for code in facts.services:
            service = world.ground.service(code)
            if service and service.rp:
                return service.rp
    return facts.rp


def _met(point: Point, facts: Facts) -> tuple[str, int, Extra, str]:
    """Queue, priority and skills of the call, and the words for the condition it met."""
    prio = facts.prio + point.prio
    for index, condition in enumerate(point.when):
        if meets(condition, facts):
            extra = _extra((*facts.extra, *condition.skills.items()))
            queue = condition.queue or point.queue
            return queue, prio + condition.prio, extra, f"; condition {index + 1} is met"
    words = "; no condition is met" if point.when else ""
    return point.queue, prio, facts.extra, words
