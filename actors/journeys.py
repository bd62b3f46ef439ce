"""A customer's journey across calls: what was done in this call, and in those before it.

Previous calls are linked by the call that this one comes of (``prev_call``), by the universal call
id, or by the caller's number where that is a public one. Those that live are asked; closed ones are
looked for by sessionFinder, beside the calls and never for a routing answer. What cannot be told in
time is left out, and the answer says so.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import msgspec
from msgspec import Struct, structs

from actors import past_calls
from actors.call_names import ani_group, call_name, ucid_group
from actors.past_calls import FindPast, Past, PastCall, PastKey
from actors.session_api import Busy, JourneyStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from actors.journey_config import JourneyConfig
    from actors.session_api import SessionView
    from supervision.eventloop.cell import LocalAddress
    from supervision.eventloop.kernel import Kernel

CallLink: TypeAlias = Literal["prev_call", "ucid", "ani"]
"""By what a call is known to be of the same customer, what is surest first."""

GROUP_LOOKED = 1_000
"""Sessions of one number that are looked at, the latest: some numbers stand for a whole firm."""

_KEYS: dict[CallLink, PastKey] = {"prev_call": "call", "ucid": "ucid", "ani": "ani"}

_encode = msgspec.json.Encoder().encode


class PreviousCall(PastCall, frozen=True, kw_only=True):
    """A previous call of the same customer.

    Attributes:
        link: By what it is known to be.
    """

    link: CallLink


class SessionJourney(Struct, frozen=True, kw_only=True):
    """What a customer did, in this call and across calls.

    Attributes:
        session: The session's id.
        call: Its call's id.
        journey: Steps of this call.
        previous: Calls before it, the latest opened first.
        complete: Whether all previous calls are there that there should be.
        missing: Why that is not so; empty where it is.
    """

    session: str
    call: str
    journey: list[JourneyStep] = []
    previous: list[PreviousCall] = []
    complete: bool = True
    missing: str = ""


class Views(Protocol):
    """The sessions that live, as the API asks them."""

    async def get(self, session: str) -> SessionView:
        """The session as it is now."""

    async def views(self, addresses: list[LocalAddress]) -> list[SessionView]:
        """What some sessions are now; those that have ended are left out."""


class Archived(Protocol):
    """The closed sessions."""

    async def past(self, wanted: FindPast) -> Past:
        """Previous calls; what cannot be told is said."""


class Journeys:
    """Puts journeys together.

    Args:
        kernel: the node.
        sessions: those that live.
        archive: the closed ones.
        config: the bounds.
    """

    def __init__(
        self, kernel: Kernel, sessions: Views, archive: Archived, config: JourneyConfig
    ) -> None:
        self._kernel = kernel
        self._sessions = sessions
        self._archive = archive
        self._config = config
        self._reading = 0

    async def of(self, session: str, *, across: bool, calls: int | None = None) -> SessionJourney:
        """The journey of a session's customer.

        Args:
            session: its id.
            across: whether previous calls are wanted too.
            calls: how many at most; None, or more than there may be, is as configured.

        Raises:
            NoSuchSession: there is none.
            SessionClosed: it is closed, and answers no longer.
            Busy: it cannot answer now.
        """
        view = await self._sessions.get(session)
        journey = SessionJourney(session=view.session, call=view.call, journey=view.journey)
        most = min(calls or self._config.max_calls, self._config.max_calls)
        return await self._across(journey, view, most) if across else journey

    async def _across(
        self, journey: SessionJourney, view: SessionView, calls: int
    ) -> SessionJourney:
        found: dict[str, PreviousCall] = {}
        wanted = list(self._wanted(view, calls))
        missing: dict[str, None] = {}
        for link, past in zip(wanted, await self._past(view, wanted), strict=True):
            missing |= {past.missing: None} if past.missing else {}
            for call in past.calls:
                found.setdefault(call.session, _previous(call, link[0]))
        found.pop(view.session, None)
        latest = sorted(found.values(), key=lambda call: call.opened, reverse=True)[:calls]
        return structs.replace(
            journey,
            previous=list(_within(latest, self._config.max_bytes)),
            complete=not missing,
            missing="; ".join(missing),
        )

    def _wanted(self, view: SessionView, calls: int) -> Iterator[tuple[CallLink, FindPast]]:
        config = self._config
        for link, key in _KEYS.items():
            value = _value(view, link)
            if value:
                yield (
                    link,
                    FindPast(
                        by=key,
                        value=value,
                        before=view.opened,
                        since=max(0.0, view.opened - config.max_age_s),
                        calls=calls,
                        steps=config.max_steps,
                        max_bytes=config.max_bytes,
                    ),
                )

    async def _past(self, view: SessionView, wanted: list[tuple[CallLink, FindPast]]) -> list[Past]:
        """What lives and what is closed, for each link; what lives goes before."""
        living = [await self._living(view, link, one) for link, one in wanted]
        closed = await self._closed([one for _, one in wanted])
        return [_both(here, there) for here, there in zip(living, closed, strict=True)]

    async def _closed(self, wanted: list[FindPast]) -> list[Past]:
        """Ask the store; not more often at once than it may be, for calls need it too."""
        if self._reading >= self._config.reads:
            return [Past([], f"journey.reads is {self._config.reads}") for _ in wanted]
        self._reading += 1
        try:
            return [await self._archive.past(one) for one in wanted]
        finally:
            self._reading -= 1

    async def _living(self, view: SessionView, link: CallLink, wanted: FindPast) -> Past:
        registry = self._kernel.registry
        found: Iterable[LocalAddress]
        if link == "prev_call":
            address = registry.whereis(call_name(wanted.value))
            found = () if address is None else (address,)
        else:
            group = ani_group if link == "ani" else ucid_group
            found = reversed(deque(registry.members(group(wanted.value)), maxlen=GROUP_LOOKED))
        # Their names are ids, which begin with the time.
        earlier = (one for one in found if str(one.name) < view.session)
        try:
            views = await self._sessions.views(list(islice(earlier, wanted.calls)))
        except Busy as busy:
            return Past([], f"sessions that live do not answer: {busy}")
        calls = [past_calls.of_view(one, wanted) for one in views]
        return Past([call for call in calls if call is not None])


def _value(view: SessionView, link: CallLink) -> str | None:
    """What other calls of the customer have too; a number that may be anybody's is none."""
    if link == "ani" and view.ani_type != "public":
        return None
    value = getattr(view, link)
    return value if isinstance(value, str) else None


def _both(here: Past, there: Past) -> Past:
    missing = "; ".join(filter(None, (here.missing, there.missing)))
    return Past([*here.calls, *there.calls], missing)


def _previous(call: PastCall, link: CallLink) -> PreviousCall:
    return PreviousCall(**structs.asdict(call), link=link)


def _within(calls: list[PreviousCall], max_bytes: int) -> Iterator[PreviousCall]:
    """Leave out the steps of calls further back than there is room for."""
    size = 0
    for call in calls:
        size += len(_encode(call.journey)) if call.journey else 0
        if size <= max_bytes:
            yield call
        else:
            yield structs.replace(call, journey=[], cut=call.cut or bool(call.journey))
