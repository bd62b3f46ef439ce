"""What must let a request about sessions through, before its body is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.web.problems import overloaded, unavailable

if TYPE_CHECKING:
    from actors.overload import Priority
    from actors.web.auth import Principal
    from actors.web.services import Services

RETRY_AFTER_S = 1.0


def recovered(services: Services, principal: Principal | None) -> None:
    """Nobody is told of sessions before all are there again that the last process left.

    Raises:
        HttpProblem: 503 until then.
    """
    del principal
    if not services.readiness.recovered():
        raise unavailable("the sessions are being recovered", RETRY_AFTER_S)


def changing(services: Services, principal: Principal | None) -> None:
    """A change of an established call is refused after all that would begin a new one.

    Raises:
        HttpProblem: 503 while sessions are being recovered, 429 under overload.
    """
    recovered(services, principal)
    let_through(services, "established")


def reading(services: Services, principal: Principal | None) -> None:
    """Applications read as they change; operators always do.

    Raises:
        HttpProblem: 503 while sessions are being recovered, 429 under overload.
    """
    recovered(services, principal)
    if principal is not None and principal.scope == "ivr":
        let_through(services, "established")


def let_through(services: Services, who: Priority) -> None:
    """Refuse what is too much.

    Raises:
        HttpProblem: 429, with the rule.
    """
    rule = services.overload.refuses(who)
    if rule:
        raise overloaded(rule)
