"""What the router knows of a customer before it decides: by its tables, by the cache, by asking.

What is known is used at once, stale or not. What is not, and changes the decision, is looked up:
the call waits for it here, never longer than its session waits for the router, whose default answer
leaves in time whatever comes of this. A call that needs nothing is not held up by any of it.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from actors import customer_lookup
from actors.router_waiting import FactsDue, WaitingCall, WaitingCalls
from actors.routing import Decision, Routed, call_over, late_default
from actors.routing_core.facts import Request, is_stale
from actors.routing_customers import of_facts, of_hit
from supervision import NO_REPLY, GenServer

if TYPE_CHECKING:
    from actors.routing_core.core import RoutingCore, Took
    from actors.routing_core.facts import Facts
    from actors.routing_customers import Lookups
    from actors.routing_desk import RoutingDesk
    from supervision.eventloop.calls import PendingCall

WAIT_S = 0.25
"""For how long a call waits of which it is not known how long its session does, seconds."""

GRACE_S = 0.05
"""How much longer a call is known to wait here than its session waits, which then says so."""

FACTS = "facts"
"""What the time is filed under that a call has waited here."""


def with_treatment(facts: Facts, took: Took) -> Routed:
    """The decision with what goes along: an announcement, a place in a queue, user data.

    Args:
        facts: of the routing core, decided.
        took: milliseconds by the name of the step.
    """
    decision, treat = facts.decision, dict[str, str | float](facts.treat)
    assert decision is not None
    if facts.choice.kind == "wait":
        treat["queue"] = facts.choice.queue
        if facts.expected_wait_s is not None and math.isfinite(facts.expected_wait_s):
            treat["expected_wait_s"] = round(facts.expected_wait_s, 3)
    return Routed(
        decision.target,
        decision.rtype,
        decision.reason,
        decision.alt,
        decision.why,
        tuple(treat.items()),
        tuple(facts.send.items()),
        is_stale(facts),
        took,
    )


class CustomersRouter(GenServer):
    """The router as far as it knows customers; ``Router`` is the whole of it."""

    _desk: RoutingDesk
    _core: RoutingCore

    def _begin_waiting(self) -> None:
        self._waiting = self._desk.waiting = WaitingCalls()

    # To be said by the router

    @abstractmethod
    def _counted(self, decision: Decision) -> Decision:
        """Count a decision, and return it."""

    @abstractmethod
    def _over(self, call: str) -> None:
        """A call waits for no agent any more."""

    @abstractmethod
    def _expire(self, at: float) -> None:
        """Give up what has waited for too long by ``at``, seconds since the epoch."""

    @abstractmethod
    def _look_later(self) -> None:
        """Look at the floor again when something on it is due."""

    # Deciding

    def _ruled(self, request: Request, from_: PendingCall) -> Any:
        """Decide by rules, at once or when what is known of the customer has come."""
        at = self.wall()
        informed = self._informed(request, at)
        if informed is None:
            informed = self._looked_up(request, from_)
        return NO_REPLY if informed is None else self._counted(self._by_rules(informed, at))

    def _by_rules(self, request: Request, at: float, took: Took = ()) -> Decision:
        self._expire(at)
        facts, steps = self._core.decide_measured(request, at, self.now)
        self._look_later()
        return with_treatment(facts, (*took, *steps))

    # What is known

    def _informed(self, request: Request, at: float) -> Request | None:
        """The request with what is known at once; None where the customer is to be looked up."""
        number = "" if request.number is None else request.number.number
        if request.customer is not None or request.missing:
            return request
        known = self._desk.customer(number, at)
        if known is not None:
            return replace(request, customer=known)
        lookups = self._desk.lookups
        if lookups is None or not number.startswith("+"):
            return request
        if self._core.need_of(request.rp) == "none":
            return request
        return self._cached(request, number, at, lookups)

    def _told_of(self, request: Request, at: float) -> Request:
        """The request with what is known at once, for who only wants to see a decision."""
        known = self._informed(request, at)
        return _without(request, "has not been asked") if known is None else known

    def _cached(self, request: Request, number: str, at: float, lookups: Lookups) -> Request | None:
        hit = customer_lookup.at_once(lookups.cache, number, self.now())
        if hit is None:
            return None if self._core.need(request, at) in ("wanted", "required") else request
        if hit.stale:
            customer_lookup.refresh(self, number)
        return replace(request, customer=of_hit(hit))

    def _looked_up(self, request: Request, from_: PendingCall) -> Request | None:
        """Have the database asked: None; or the request as it is decided because it cannot be."""
        lookups, number, now = self._desk.lookups, request.number, self.now()
        assert lookups is not None
        assert number is not None
        limit = lookups.waiting_limit
        if len(self._waiting) >= limit:
            return _without(request, f"is not asked: {limit} calls wait (customers.waiting_limit)")
        until = request.until or now + WAIT_S
        ref = self._waiting.next_ref()
        why = customer_lookup.ask(self, number.number, until, ref)
        if why:
            return _without(request, f"cannot be asked: {why}")
        timer = self.start_timer(max(0.0, until - now) + GRACE_S, FactsDue(ref))
        self._waiting.add(ref, WaitingCall(request, from_, now, timer))
        return None

    # What comes

    def _facts_told(self, told: customer_lookup.Facts) -> None:
        one = self._waiting.take(told.ref)
        if one is None:
            return
        self.cancel_timer(one.timer)
        if self.now() >= (one.request.until or math.inf):
            self._late(one)
            return
        if told.outcome == "unavailable":
            request = _without(one.request, f"could not tell: {told.why}")
        else:
            request = replace(one.request, customer=of_facts(told))
        took = ((FACTS, round((self.now() - one.since) * 1000, 3)),)
        self._give(one, self._counted(self._by_rules(request, self.wall(), took)))

    def _facts_due(self, due: FactsDue) -> None:
        """Nobody waits any more."""
        one = self._waiting.take(due.ref)
        if one is not None:
            self._late(one)

    def _late(self, one: WaitingCall) -> None:
        """Decide nothing, so that no agent is kept for a call that has its default answer."""
        request, path = one.request, self._facts_path()
        self._give(one, late_default(self._desk.table, request.rp, path, request.tried))

    def _call_over(self, call: str) -> None:
        """A call is over: it waits for nothing."""
        for one in self._waiting.take_all(call):
            self.cancel_timer(one.timer)
            self._give(one, call_over())

    def _give(self, one: WaitingCall, decision: Decision) -> None:
        if not one.from_.settled:
            self.reply(one.from_, decision)

    def _facts_path(self) -> str:
        address = self.whereis(customer_lookup.NAME)
        return customer_lookup.NAME if address is None else address.path


def _without(request: Request, why: str) -> Request:
    return replace(request, missing=customer_lookup.NAME, missing_why=why)
