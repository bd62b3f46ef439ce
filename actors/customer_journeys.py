"""The journeys of a customer: what became of the latest calls, by the sessions of these; pure.

Whoever has views of sessions, open ones and those that PostgreSQL keeps of closed ones
(`closed_session.view`), makes journeys of them here.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from actors.session_api import JourneyStep, SessionView


class CustomerJourney(Struct, frozen=True, kw_only=True):
    """One call of a customer.

    Attributes:
        session: The id of its session.
        call: The call's id at the switch.
        state: Where the call stands; `closed` where it is over.
        opened: When it came, seconds since the epoch.
        updated: When something happened to it last; of a closed one, when it ended.
        media: Of the call: voice where it is None.
        dnis: The number dialled.
        rp: The routing point where it was last.
        target: Where it was sent last.
        reason: Why, in one word.
        auth_level: How far the caller was authenticated.
        apps: The applications that it went through, in their order.
        steps: What was noted on the way.
    """

    session: str
    call: str
    state: str
    opened: float
    updated: float
    media: str | None = None
    dnis: str | None = None
    rp: str | None = None
    target: str | None = None
    reason: str | None = None
    auth_level: int = 0
    apps: list[str] = []
    steps: list[JourneyStep] = []


def journeys(views: Iterable[SessionView], limit: int) -> list[CustomerJourney]:
    """The latest journeys, the one that began last first; each session once.

    Args:
        views: Of the sessions of one customer, in any order; a session that is there twice is on
            its way to the store, and its first view counts.
        limit: Greatest number of journeys wanted.
    """
    once: dict[str, SessionView] = {}
    for view in views:
        once.setdefault(view.session, view)
    latest = sorted(once.values(), key=lambda view: view.opened, reverse=True)
    return [journey(view) for view in latest[:limit]]


def journey(view: SessionView) -> CustomerJourney:
    """The journey of one call.

    Args:
        view: Of its session.
    """
    routing = view.routing
    return CustomerJourney(
        session=view.session,
        call=view.call,
        state=view.state,
        opened=view.opened,
        updated=view.updated,
        media=view.media,
        dnis=view.dnis,
        rp=view.rp,
        target=None if routing is None else routing.target,
        reason=None if routing is None else routing.reason,
        auth_level=view.auth_level,
        apps=list(dict.fromkeys(step.app for step in view.journey if step.app)),
        steps=list(view.journey),
    )
