"""Operations on customers: what is known of one, and having what is known forgotten."""

from __future__ import annotations

import logging
from typing import Annotated

from msgspec import Meta, Struct

from actors.customer_access import CustomerView
from actors.web import admission
from actors.web.api import Call, Operation, Reply, operation
from actors.web.parameters import ACT, Reason
from actors.web.problems import NO_SUCH_CUSTOMER, OVERLOADED
from actors.web.tokens import Scope
from protocols.http import problem
from protocols.numbering import MAX_CHARS

logger = logging.getLogger(__name__)

MAX_JOURNEYS = 100

_READERS: tuple[Scope, ...] = ("viewer", "ivr")

Msisdn = Annotated[str, Meta(min_length=1, max_length=MAX_CHARS)]


class CustomerQuery(Struct, frozen=True, kw_only=True):
    """How much is wanted.

    Attributes:
        journeys: Greatest number of journeys.
    """

    journeys: Annotated[int, Meta(ge=0, le=MAX_JOURNEYS)] = 10


class Forgetting(Reason, frozen=True, kw_only=True):
    """Whom to forget, and why.

    Attributes:
        msisdn: The number, in any notation; left out: see `all`.
        all: Whether every customer is meant.
    """

    msisdn: Msisdn | None = None
    all: bool = False


class Forgotten(Struct, frozen=True):
    """Of how many numbers something was known; it is read anew when it is asked for."""

    forgotten: int


@operation(
    "GET",
    "/api/v1/customers/{msisdn}",
    scopes=_READERS,
    query=CustomerQuery,
    response=CustomerView,
    problems=(NO_SUCH_CUSTOMER, problem.UNAVAILABLE, OVERLOADED),
    admit=admission.reading,
)
async def get_customer(call: Call[CustomerQuery, None]) -> Reply:
    """What is known of a customer: facts, platform, services, the latest calls."""
    msisdn = call.path["msisdn"]
    return Reply(value=await call.services.customers.show(msisdn, call.query.journeys))


@operation(
    "POST",
    "/api/v1/database/forget",
    scopes=ACT,
    request=Forgetting,
    response=Forgotten,
    problems=(problem.UNAVAILABLE,),
)
async def forget_customers(call: Call[None, Forgetting]) -> Reply:
    """Drop what was read of a customer, or of all: the next call has it read anew."""
    wanted = call.body
    if (wanted.msisdn is None) != wanted.all:
        raise problem.invalid("msisdn", "given, or else all, and not both")
    whom = "all customers" if wanted.msisdn is None else "a customer"
    logger.info("%s has %s forgotten: %s", call.who, whom, wanted.reason.strip())
    return Reply(value=Forgotten(await call.services.customers.forget(wanted.msisdn)))


OPERATIONS: tuple[Operation, ...] = (get_customer, forget_customers)
