"""What a decision is made from, and what it has come to so far: immutable records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from actors.routing import Decision, RoutingTable
from actors.routing_core.customer_use import Need, needs
from actors.routing_core.interception import NumberList, numbers
from actors.routing_core.opening import Hours, Opening, opening
from actors.routing_core.rules import Point, Service
from actors.routing_core.waiting import Extra
from protocols.numbering import Number

if TYPE_CHECKING:
    from actors.routing_core.floor import Floor
    from actors.routing_core.rules import Rules
    from actors.routing_core.rules_file import RuleSet, RulesVersion

NOBODY = Number("", "unknown")
NO_DATA: Mapping[str, str] = {}
NO_SERVICES: Mapping[str, Service] = {}
NO_POINTS: Mapping[str, Point] = {}
NO_OPENINGS: Mapping[str, Hours] = {}
LAST_EPOCH_S = 253_370_764_800.0
"""The beginning of the year 9999: calendars know no moment beyond."""


class Customer(Struct, frozen=True, kw_only=True):
    """What is known of the customer (msisdnInfos).

    Attributes:
        id: the customer's.
        segment: such as `gold`.
        products: the one that counts most first.
        services: codes of technical services, likewise.
        platform: where the customer is served, when that is known of the number (msisdnPTF).
        last_agent: who served the customer last.
        age_s: how old this is.
        stale: whether it is older than it should be.
        known: False: it is known that the number is no customer's.
        more: what else is known, as text, for what is sent along.
    """

    id: str = ""
    segment: str = ""
    products: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    platform: str = ""
    lang: str = ""
    vip: bool = False
    last_agent: str = ""
    age_s: float = 0.0
    stale: bool = False
    known: bool = True
    more: Mapping[str, str] = NO_DATA


class Request(Struct, frozen=True, kw_only=True):
    """A call that asks where to go.

    Attributes:
        call: its id.
        rp: the routing point where it waits.
        ani: the caller's number, as it came.
        number: the same, where it has been normalised already.
        dnis: the number dialled.
        digits: what the caller has typed.
        prio: its priority, the higher the sooner.
        tried: targets that did not take it; none of them is chosen again.
        customer: what is known of the customer; None: nothing.
        missing: who could not tell, or had not answered in time; empty: nobody was waited for.
        missing_why: why that one could not tell, where it has said so.
        until: when nobody waits for the decision any more, monotonic seconds; 0: is not told.
    """

    call: str
    rp: str
    ani: str = ""
    number: Number | None = None
    dnis: str = ""
    digits: str = ""
    lang: str = ""
    media: str = ""
    prio: int = 0
    tried: tuple[str, ...] = ()
    customer: Customer | None = None
    missing: str = ""
    missing_why: str = ""
    until: float = 0.0


class Choice(Struct, frozen=True):
    """What a decision does to the floor when it is taken.

    Attributes:
        kind: an agent is reserved, the call waits, or neither.
        queue: whose agent, or where it waits.
        agent: who.
        shared: the queue and the destination whose share it comes out of, if it does.
    """

    kind: Literal["agent", "wait", "away"] = "away"
    queue: str = ""
    agent: str = ""
    shared: tuple[str, str] | None = None


AWAY = Choice()

ServiceCodes: TypeAlias = tuple[str, ...]


class Facts(Struct, frozen=True):
    """What has been found out about a call, step by step.

    Attributes:
        request: what was asked.
        at: when, seconds since the epoch.
        rp: the routing point that decides, which a service may have changed.
        number: the caller.
        platform: who serves the customer.
        services: technical services of the customer's that are looked after now.
        prio: of the call, with all that adds to it.
        extra: skills and levels that its agent must have besides the queue's.
        queue: who takes the call; empty: the target in the node's configuration.
        why: a line for each step.
        decision: where it goes, once that is known: no further step is taken then.
        choice: what this does to the floor.
        expected_wait_s: of a call that is to wait; None where nobody can know.
        treat: what is announced.
        send: what is sent along.
    """

    request: Request
    at: float
    rp: str
    number: Number = NOBODY
    platform: str = ""
    services: ServiceCodes = ()
    prio: int = 0
    extra: Extra = ()
    queue: str = ""
    why: tuple[str, ...] = ()
    decision: Decision | None = None
    choice: Choice = AWAY
    expected_wait_s: float | None = None
    treat: Mapping[str, str] = NO_DATA
    send: Mapping[str, str] = NO_DATA


class Reference(Struct, frozen=True):
    """Tables from elsewhere, beside those of the rules, which win.

    Attributes:
        interceptions: lists, looked at after those of the rules.
        platforms: by product (PRDPTF).
        number_platforms: by number (msisdnPTF).
        services: by code (allSerTech).
        points: what is to be known of routing points (infoRP).
        openings: calendars by name.
    """

    interceptions: tuple[NumberList, ...] = ()
    platforms: Mapping[str, str] = NO_DATA
    number_platforms: Mapping[str, str] = NO_DATA
    services: Mapping[str, Service] = NO_SERVICES
    points: Mapping[str, Point] = NO_POINTS
    openings: Mapping[str, Hours] = NO_OPENINGS


NO_REFERENCE = Reference()


class Ground(Struct, frozen=True):
    """What decisions rest on, made ready; replaced as a whole.

    Attributes:
        version: of the rules.
        rules: checked.
        openings: calendars by name.
        interceptions: lists, in the order in which they count.
        table: the targets of the node's configuration.
        region: where numbers without a prefix are read.
        reference: tables from elsewhere.
        needs: what each routing point has to know of customers.
    """

    version: RulesVersion
    rules: Rules
    openings: Mapping[str, Opening]
    interceptions: tuple[NumberList, ...]
    table: RoutingTable
    region: str
    reference: Reference = NO_REFERENCE
    needs: Mapping[str, Need] = {}

    def point(self, rp: str) -> Point | None:
        """The rules of a routing point, if there are any."""
        return self.rules.rp.get(rp) or self.reference.points.get(rp)

    def hours(self, calendar: str) -> Hours | None:
        """When a calendar is open; None where there is none of that name."""
        return self.openings.get(calendar) or self.reference.openings.get(calendar)

    def service(self, code: str) -> Service | None:
        """A technical service, if it is known."""
        return self.rules.service.get(code) or self.reference.services.get(code)

    def product_platform(self, product: str) -> str:
        """The platform of a product, empty when it has none."""
        return self.rules.platforms.product.get(product) or self.reference.platforms.get(
            product, ""
        )

    def number_platform(self, number: str) -> str:
        """The platform of a number, empty when it has none of its own."""
        return self.rules.platforms.number.get(number) or self.reference.number_platforms.get(
            number, ""
        )


class World(Struct, frozen=True):
    """All that a decision is made from besides its request and the time."""

    ground: Ground
    floor: Floor


def ground(
    ruleset: RuleSet, table: RoutingTable, region: str, reference: Reference = NO_REFERENCE
) -> Ground:
    """Make rules ready.

    Args:
        ruleset: checked rules.
        table: the targets of the node's configuration.
        region: where numbers without a prefix are read, ISO 3166-1.
        reference: tables from elsewhere.
    """
    rules = ruleset.rules
    lists = tuple(numbers(name, entries) for name, entries in rules.interception.items())
    return Ground(
        ruleset.version,
        rules,
        {name: opening(calendar) for name, calendar in rules.calendar.items()},
        (*lists, *reference.interceptions),
        table,
        region,
        reference,
        needs(rules),
    )


def is_stale(facts: Facts) -> bool:
    """Whether a decision was made without what should be known of the customer, or from old facts.

    Args:
        facts: what was found out.
    """
    customer = facts.request.customer
    return bool(facts.request.missing) if customer is None else customer.stale
