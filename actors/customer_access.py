"""Customers as the API asks for them: what is known, by whom they are served, their latest calls.

The tables of the node come first, then what PostgreSQL has said lately, then PostgreSQL: as routing
does it, but for one thing: who asks here waits for what is newer, and gets what is stale only where
that is not to be had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from actors.customer_journeys import CustomerJourney, journeys
from actors.customer_lookup import NAME, Ask, Facts, Forget
from actors.routing_core import steps
from actors.routing_core.facts import Customer, Request
from actors.routing_customers import of_facts, of_hit, shown
from actors.session_api import Busy, FindSessions
from protocols.numbering import Number, normalise
from supervision import CallFailed

if TYPE_CHECKING:
    from actors.routing_core.facts import World
    from actors.routing_desk import RoutingDesk
    from actors.session_api import SessionView
    from actors.web.ports import Sessions
    from supervision.eventloop.kernel import Kernel

ANSWER_S = 1.0
"""How long customerFacts may take; its queries have a deadline of their own, which is shorter."""

RETRY_AFTER_S = 1.0


class CustomerService(Struct, frozen=True, kw_only=True):
    """A technical service that a customer has.

    Attributes:
        code: By which tables know it.
        label: What it is called; empty where no table knows it.
        rp: The routing point of calls about it; empty where it has none.
        open: Whether it is looked after now.
    """

    code: str
    label: str = ""
    rp: str = ""
    open: bool = False


class CustomerView(Struct, frozen=True, kw_only=True):
    """What is known of a customer.

    Attributes:
        msisdn: The number, E.164.
        facts: What is known, by name: `id`, `segment`, `products`, `vip` and what else there is.
        source: The table `msisdnInfos`, or the database.
        platform: Who serves the customer; None where that is not known.
        services: The technical services.
        journeys: The latest calls, the one that began last first.
        journeys_missing: Why there may be more journeys; empty where there are not.
        age_ms: Since the facts were read, or since they held, milliseconds.
        stale: Whether they are older than they should be, for the database cannot tell now.
    """

    msisdn: str
    facts: dict[str, Any]
    source: Literal["msisdnInfos", "database"]
    platform: str | None
    services: list[CustomerService]
    journeys: list[CustomerJourney]
    journeys_missing: str
    age_ms: float
    stale: bool


class CustomerRefused(Exception):  # noqa: N818 - named for what it says of the customer
    """A customer cannot be told of."""


class NotANumber(CustomerRefused):
    """What was given can be no number that a customer has."""


class NoSuchCustomer(CustomerRefused):
    """The number is known to be no customer's."""


class CustomersUnavailable(CustomerRefused):
    """Nobody can tell now."""


class CustomerAccess:
    """Looks customers up, and has them forgotten.

    Args:
        kernel: The node.
        desk: Of its router.
        sessions: Of its calls.
        region: Where numbers without a prefix are read, ISO 3166-1.

    Attributes:
        sessions: As given.
    """

    def __init__(self, kernel: Kernel, desk: RoutingDesk, sessions: Sessions, region: str) -> None:
        self._kernel = kernel
        self._desk = desk
        self.sessions = sessions
        self._region = region

    async def show(self, msisdn: str, limit: int) -> CustomerView:
        """Tell of a customer.

        Args:
            msisdn: The number, in any notation.
            limit: Greatest number of journeys wanted.

        Raises:
            NotANumber: It can be none.
            NoSuchCustomer: It is nobody's.
            CustomersUnavailable: The database cannot be asked, and nothing is known.
        """
        number = self._number(msisdn)
        at = self._kernel.clock.wall()
        known = self._desk.customer(number.number, at)
        source: Literal["msisdnInfos", "database"] = "msisdnInfos"
        if known is None:
            known, source = await self._looked_up(number.number), "database"
        found, missing = await self._found(number.number, limit)
        platform, services = self._served(number, known, at)
        return CustomerView(
            msisdn=number.number,
            facts=shown(known),
            source=source,
            platform=platform or None,
            services=services,
            journeys=journeys(found, limit),
            journeys_missing=missing,
            age_ms=round(known.age_s * 1000, 3),
            stale=known.stale,
        )

    async def forget(self, msisdn: str | None) -> int:
        """Drop what was read of a number, or of all: the next one who asks has it read anew.

        Args:
            msisdn: The number, in any notation; None: all.

        Returns:
            Of how many numbers something was known.

        Raises:
            NotANumber: It can be none.
            CustomersUnavailable: Nobody is looked up, or it cannot be done now.
        """
        number = None if msisdn is None else self._number(msisdn).number
        forgotten: int = await self._ask(Forget(number))
        return forgotten

    async def warm(self, number: str, rp: str) -> None:
        """Have a customer looked up whom the next decision is going to need.

        Args:
            number: E.164; nothing is done of another one.
            rp: The routing point that decides.
        """
        lookups, world = self._desk.lookups, self._desk.world
        needed = world is not None and world.ground.needs.get(rp) in ("wanted", "required")
        if lookups is None or not needed or not number.startswith("+"):
            return
        if self._desk.customer(number, self._kernel.clock.wall()) is None:
            try:
                await self._ask(Ask(number, ANSWER_S))
            except CustomersUnavailable:
                return  # the decision is made without, and says so

    def _number(self, msisdn: str) -> Number:
        number = normalise(msisdn, self._region)
        if number.type != "public":
            raise NotANumber(msisdn)
        return number

    async def _looked_up(self, number: str) -> Customer:
        lookups = self._desk.lookups
        if lookups is None:
            raise NoSuchCustomer(number)
        try:
            facts: Facts = await self._ask(Ask(number, ANSWER_S))
        except CustomersUnavailable:
            hit = lookups.cache.get(number, self._kernel.clock.monotonic())
            if hit is None:
                raise
            customer = of_hit(hit)
        else:
            if facts.outcome == "unavailable":
                raise CustomersUnavailable(facts.why)
            customer = of_facts(facts)
        if not customer.known:
            raise NoSuchCustomer(number)
        return customer

    async def _ask(self, request: Ask | Forget) -> Any:
        try:
            return await self._kernel.call(NAME, request, ANSWER_S)
        except CallFailed as failure:
            raise CustomersUnavailable(f"{NAME} does not answer now: {failure}") from failure

    async def _found(self, number: str, limit: int) -> tuple[list[SessionView], str]:
        if not limit:
            return [], ""
        try:
            return await self.sessions.find(FindSessions(ani=number, limit=limit)), ""
        except Busy:
            pass  # what lives is told all the same
        open_ones = FindSessions(ani=number, limit=limit, open_only=True)
        try:
            return await self.sessions.find(open_ones), "the store of closed sessions is silent"
        except Busy:
            return [], "a session is silent"

    def _served(
        self, number: Number, customer: Customer, at: float
    ) -> tuple[str, list[CustomerService]]:
        world = self._desk.world
        if world is None:
            return customer.platform, [CustomerService(code=code) for code in customer.services]
        request = Request(call="", rp="", number=number, customer=customer)
        facts = steps.begin(request, at)
        for step in (steps.normalise_caller, steps.find_platform, steps.find_services):
            facts = step(world, facts)
        services = [_service(world, code, facts.services) for code in customer.services]
        return facts.platform, services


def _service(world: World, code: str, served: tuple[str, ...]) -> CustomerService:
    known = world.ground.service(code)
    if known is None:
        return CustomerService(code=code)
    return CustomerService(code=code, label=known.label, rp=known.rp, open=code in served)
