"""The last step: an agent, a destination, a place in a queue, or what there is instead.

In this order: an agent or a destination of the queue that is ready; one of the queues that it
overflows to, when the wait would be long; a call back, when it would be longer; a place in the
queue, or in one that it overflows to; dissuasion; the target in the node's configuration.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from actors.routing import Decision
from actors.routing_core import steps
from actors.routing_core.agents import rank_strategy
from actors.routing_core.facts import Choice, Facts, World
from actors.routing_core.sending import sent

if TYPE_CHECKING:
    from actors.routing_core.pool import Member, Pool
    from actors.routing_core.rules import Queue
    from actors.routing_core.waiting import Extra
    from protocols.cti.messages import RouteType

QUEUED = "queued"
OVERFLOW = "overflow"
CALLBACK = "callback-offer"
DISSUASION = "dissuasion"
LAST_AGENT = "last-agent"
REROUTE = "reroute"


class Pick(Struct, frozen=True):
    """Somebody or something that is ready to take a call.

    Attributes:
        target: where it goes.
        rtype: what kind of target that is.
        choice: what this does to the floor.
        reason: why, in one word.
        why: why, for a person.
        wait_s: how long it is going to wait, where that is known.
    """

    target: str
    rtype: RouteType
    choice: Choice
    reason: str
    why: str
    wait_s: float | None = None


def select(world: World, facts: Facts) -> Facts:
    """Decide where the call goes, and what goes along with it."""
    facts = _selected(world, facts)
    point = world.ground.point(facts.rp)
    return replace(facts, send=sent(point.send, facts)) if point and point.send else facts


def _selected(world: World, facts: Facts) -> Facts:
    if not facts.queue:
        return steps.default(world, facts, "select: no queue")
    pick = (
        _kept(world, facts)
        or _ready_here(world, facts, facts.queue)
        or _ready_elsewhere(world, facts)
    )
    if pick is not None:
        return _picked(world, facts, pick)
    offered = _offered(world, facts)
    if offered is not None:
        return offered
    pick = _place(world, facts, facts.queue, QUEUED) or _place_elsewhere(world, facts)
    return _turned_away(world, facts) if pick is None else _picked(world, facts, pick)


def _kept(world: World, facts: Facts) -> Pick | None:
    """The agent who is kept for a call that has waited, if it is still routed to that queue."""
    kept = world.floor.kept_for(facts.request.call)
    if kept is None:
        return None
    rules = world.ground.rules.queue[facts.queue]
    shared = [one.queue for one in rules.destinations]
    if kept.queue not in (facts.queue, *rules.overflow, *shared):
        return None
    device = world.floor.book.agents[kept.agent].device
    if device in facts.request.tried:
        return None
    own = world.ground.rules.queue[kept.queue]
    reason = OVERFLOW if kept.queue in rules.overflow else rank_strategy(own)
    why = f"select: agent {kept.agent} of queue {kept.queue}, kept for this call that has waited"
    return Pick(device, "direct_agent", Choice("agent", kept.queue, kept.agent), reason, why)


def _ready_here(world: World, facts: Facts, queue: str) -> Pick | None:
    """Somebody of a queue who is ready, and whom no call that waits there is to have first."""
    pool = world.floor.pool(queue, facts.extra)
    if pool is None:
        return None
    rules = world.ground.rules.queue[queue]
    if rules.destinations:
        return _destination(world, facts, queue, pool)
    if len(pool) > _claims(world, facts, queue):
        return _agent(facts, queue, rules, pool)
    return None


def _agent(facts: Facts, queue: str, rules: Queue, pool: Pool) -> Pick | None:
    tried = facts.request.tried
    last = _last_agent(facts, rules, pool)
    member = last or pool.first(tried)
    if member is None:
        return None
    strategy = rules.then if rules.strategy == LAST_AGENT else rules.strategy
    reason = LAST_AGENT if last else strategy
    why = f"select: agent {member.name} of queue {queue}, {reason} of {len(pool)} ready"
    return Pick(member.target, "direct_agent", Choice("agent", queue, member.name), reason, why)


def _last_agent(facts: Facts, rules: Queue, pool: Pool) -> Member | None:
    customer = facts.request.customer
    if rules.strategy != LAST_AGENT or customer is None or not customer.last_agent:
        return None
    member = pool.available(customer.last_agent)
    return None if member is None or member.target in facts.request.tried else member


def _destination(world: World, facts: Facts, queue: str, pool: Pool) -> Pick | None:
    """A destination of a queue that has some, or somebody or a place in the queue it stands for."""
    rules = world.ground.rules.queue[queue]
    if world.floor.full:
        return None
    for member in pool.ranked():
        if member.queue:
            inner = _ready_here(world, facts, member.queue) or _place(
                world, facts, member.queue, rules.strategy
            )
        elif member.target in facts.request.tried:
            inner = None
        else:
            rtype = rules.destinations[member.order].rtype
            why = f"select: {member.name} of queue {queue}, {rules.strategy}"
            inner = Pick(member.target, rtype, Choice(queue=queue), rules.strategy, why)
        if inner is not None:
            return _shared(inner, queue, member, rules.strategy)
    return None


def _shared(pick: Pick, queue: str, member: Member, strategy: str) -> Pick:
    """A pick that comes out of the share of a destination."""
    why = f"{pick.why}; share of {member.name} in queue {queue}" if member.queue else pick.why
    choice = replace(pick.choice, shared=(queue, member.name))
    return replace(pick, choice=choice, reason=strategy, why=why)


def _ready_elsewhere(world: World, facts: Facts) -> Pick | None:
    rules = world.ground.rules.queue[facts.queue]
    wait_s = _wait_s(world, facts, facts.queue) if rules.overflow else 0.0
    if wait_s is not None and wait_s <= rules.overflow_above_s:
        return None
    for queue in rules.overflow:
        pick = _ready_here(world, facts, queue)
        if pick is not None:
            return replace(pick, reason=OVERFLOW, why=f"{pick.why}; overflow of {facts.queue}")
    return None


def _offered(world: World, facts: Facts) -> Facts | None:
    """A call back, where one is offered, was not tried, and the wait would be long."""
    offer = world.ground.rules.queue[facts.queue].callback
    if not offer.target or offer.target in facts.request.tried:
        return None
    wait_s = _wait_s(world, facts, facts.queue)
    if wait_s is None or wait_s <= offer.above_s:
        return None
    why = f"select: a call back is offered, expected wait {_said(wait_s)}"
    facts = replace(facts, why=(*facts.why, why), expected_wait_s=wait_s)
    decision = Decision(
        offer.target, offer.rtype, CALLBACK, _alternates(world, facts, offer.target), facts.why
    )
    treat = {"announcement": offer.message} if offer.message else {}
    return replace(facts, decision=decision, treat=treat)


def _place(world: World, facts: Facts, queue: str, reason: str) -> Pick | None:
    """A place in a queue that has one: it has a target, room, and an end to its wait in sight."""
    rules = world.ground.rules.queue[queue]
    lines = world.floor.lines
    waits = lines.get(facts.request.call)
    there = waits is not None and waits.queue == queue
    if not rules.target or rules.target in facts.request.tried:
        return None
    if not there and (lines.full or lines.length(queue) >= rules.max_calls):
        return None
    wait_s = _wait_s(world, facts, queue)
    if wait_s is not None and wait_s > rules.max_wait_s:
        return None
    ahead = _ahead(world, facts, queue)
    why = f"select: waits in queue {queue}, {ahead} ahead, expected wait {_said(wait_s)}"
    return Pick(rules.target, rules.rtype, Choice("wait", queue), reason, why, wait_s)


def _place_elsewhere(world: World, facts: Facts) -> Pick | None:
    for queue in world.ground.rules.queue[facts.queue].overflow:
        pick = _place(world, facts, queue, OVERFLOW)
        if pick is not None:
            return replace(pick, why=f"{pick.why}; overflow of {facts.queue}")
    return None


def _turned_away(world: World, facts: Facts) -> Facts:
    rules = world.ground.rules.queue[facts.queue]
    wait_s = _wait_s(world, facts, facts.queue)
    waiting = world.floor.lines.length(facts.queue)
    why = f"select: no place in queue {facts.queue}: {waiting} wait, expected wait {_said(wait_s)}"
    dissuasion = rules.dissuasion
    if not dissuasion.target or dissuasion.target in facts.request.tried:
        return steps.default(world, facts, why)
    return steps.treated(facts, dissuasion, DISSUASION, f"{why}: dissuasion")


def _picked(world: World, facts: Facts, pick: Pick) -> Facts:
    tried = facts.request.tried
    reason = REROUTE if tried and pick.reason != OVERFLOW else pick.reason
    why = (*facts.why, f"{pick.why}; tried: {', '.join(tried)}" if tried else pick.why)
    alternates = _alternates(world, facts, pick.target, pick.choice)
    return replace(
        facts,
        why=why,
        decision=Decision(pick.target, pick.rtype, reason, alternates, why),
        choice=pick.choice,
        expected_wait_s=pick.wait_s,
    )


def _alternates(
    world: World, facts: Facts, target: str, choice: Choice | None = None
) -> tuple[str, ...]:
    """The targets that may be tried next without asking: the queue's, then the configured ones."""
    table = world.ground.table
    point = table.points.get(facts.rp)
    configured = (point.target, *point.alternates) if point else (table.default_target,)
    queue = choice.queue if choice else facts.queue
    further = dict.fromkeys((world.ground.rules.queue[queue].target, *configured))
    return tuple(one for one in further if one and one != target and one not in facts.request.tried)


def _ahead(world: World, facts: Facts, queue: str) -> int:
    return world.floor.lines.ahead(queue, facts.request.call, facts.at, facts.prio)


def _claims(world: World, facts: Facts, queue: str) -> int:
    """How many calls are ahead that somebody who is ready could take."""
    floor = world.floor

    def counts(extra: Extra) -> bool:
        pool = floor.pool(queue, extra)
        return pool is not None and len(pool) > 0

    call = facts.request.call
    return floor.lines.ahead(queue, call, facts.at, facts.prio, counts)


def _wait_s(world: World, facts: Facts, queue: str) -> float | None:
    """Expected wait in a queue; None where nobody can know it."""
    return world.floor.expected_wait_s(queue, _ahead(world, facts, queue), facts.extra)


def _said(wait_s: float | None) -> str:
    if wait_s is None:
        return "unknown"
    return "without end, nobody is there" if math.isinf(wait_s) else f"{wait_s:.0f} s"
