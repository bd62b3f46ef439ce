"""The sessions of calls as the API sees them: requests to actors, refusals as exceptions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from msgspec.structs import replace

from actors import session_reading
from actors.call_names import ani_group, call_name, once_name
from actors.journeys import Archived
from actors.session_api import (
    AddJourneyStep,
    Busy,
    CloseSession,
    Done,
    FindSessions,
    GetSession,
    IdempotentKey,
    KeyReused,
    KeyUsedOtherwise,
    NoSuchSession,
    NotDurable,
    OpenAgain,
    OpenSession,
    PatchSession,
    Repeated,
    RevConflict,
    RevStale,
    RouteAnswer,
    RouteFromIvr,
    SessionClosed,
    SessionOver,
    SessionView,
    StepDataLimit,
    UserDataLimit,
    UserDataTooLarge,
)
from actors.session_data import user_data_bytes
from protocols.numbering import normalise
from supervision import CallFailed, NoProc, ServerDied, Started

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.session_api import OpenFromChannel
    from actors.session_opening import Opening, Openings
    from supervision.eventloop.cell import LocalAddress
    from supervision.eventloop.kernel import Kernel

ANSWER_S = 1.0
RETRY_AFTER_S = 0.2
GATHER = 64
"""Sessions asked at once."""


class Pool(Protocol):
    """What is known of the sessions that live."""

    def address_of(self, session: str) -> LocalAddress | None:
        """Where a session lives, also while it is being restarted."""


class Archive(Archived, Protocol):
    """The store of closed sessions."""

    async def find(
        self, *, session: str | None, call: str | None, ani: str | None, limit: int
    ) -> list[SessionView]:
        """Closed sessions, the latest first; raises Busy where the store cannot tell."""


class CallSessions:
    """Implements ``Sessions`` of the API.

    Args:
        kernel: the node.
        pool: the sessions that live.
        archive: the closed ones.
        openings: how a session is opened.

    Attributes:
        archive: as given.
    """

    def __init__(self, kernel: Kernel, pool: Pool, archive: Archive, openings: Openings) -> None:
        self._kernel = kernel
        self._pool = pool
        self.archive = archive
        self._openings = openings
        self._journal = openings.settings.journal

    def knows(self, call: str, once: IdempotentKey | None) -> bool:
        """Whether a request to open a session would open none, for there is one."""
        return self._known(call, once) is not None

    def _known(self, call: str, once: IdempotentKey | None) -> LocalAddress | None:
        whereis = self._kernel.registry.whereis
        asked = None if once is None else whereis(once_name(once.key))
        return asked or whereis(call_name(call))

    async def open(self, request: OpenSession) -> Done:
        """Open a session, or find the one that the call has."""
        limit = self._openings.settings.sessions.max_user_data_bytes
        if user_data_bytes(request.ud) > limit:
            raise UserDataLimit(limit)
        known = self._known(request.call, request.once)
        if known is not None:
            return await self._open_again(known, request)
        return await self._opened(
            request, self._openings.for_application(request, self._kernel.clock.wall())
        )

    async def open_from_channel(self, request: OpenFromChannel) -> Done:
        """Open a session for what has come by a channel, or find the one that it has."""
        limit = self._openings.settings.sessions.max_user_data_bytes
        if user_data_bytes(request.ud) > limit:
            raise UserDataLimit(limit)
        known = self._known(request.call, request.once)
        if known is not None:
            return await self._open_again(known, request)
        return await self._opened(
            request, self._openings.for_channel(request, self._kernel.clock.wall())
        )

    async def _opened(self, request: OpenSession | OpenFromChannel, opening: Opening) -> Done:
        if opening.request is None or self._journal.failing:
            raise Busy(RETRY_AFTER_S)
        started = await self._ask(self._openings.supervisor, opening.request)
        if isinstance(started, Started):
            return Done(await self._view(started.address), created=True)
        # Somebody else opened it at the same time.
        known = self._known(request.call, request.once)
        if known is None:
            raise Busy(RETRY_AFTER_S)
        return await self._open_again(known, request)

    async def _open_again(
        self, known: LocalAddress, request: OpenSession | OpenFromChannel
    ) -> Done:
        if request.once is None:
            return Done(await self._view(known))
        return await self._done(known, OpenAgain(request.once))

    def seen(self, session: str) -> SessionView | None:
        """The session as it is now, where that can be told at once; else ``get`` tells it."""
        address = self._pool.address_of(session)
        return None if address is None else session_reading.seen(address)

    async def get(self, session: str) -> SessionView:
        """The session as it is now."""
        return self.seen(session) or await self._view(await self._address(session))

    async def find(self, request: FindSessions) -> list[SessionView]:
        """Sessions of a call or a number: those that live, then those in the store."""
        living = await self.views(list(self._living(request)))
        if request.open_only:
            living = [view for view in living if view.state != "closed"]
            return living[: request.limit]
        if request.call is not None and living:
            return living  # the call goes on, or has just ended: no need to ask the database
        known = {view.session for view in living}
        left = max(1, request.limit - len(living))
        ani = None if request.ani is None else self._number(request.ani)
        stored = await self.archive.find(session=None, call=request.call, ani=ani, limit=left)
        return [*living, *(view for view in stored if view.session not in known)][: request.limit]

    def _living(self, request: FindSessions) -> Iterable[LocalAddress]:
        registry = self._kernel.registry
        if request.call is not None:
            address = registry.whereis(call_name(request.call))
            return [] if address is None else [address]
        assert request.ani is not None
        found = list(registry.members(ani_group(self._number(request.ani))))
        return found[-request.limit :]

    def _number(self, ani: str) -> str:
        return normalise(ani, self._openings.region).number

    async def patch(self, session: str, request: PatchSession) -> SessionView:
        """Change a session."""
        view = (await self._change(session, request, None)).value
        assert isinstance(view, SessionView)
        return view

    async def add_step(self, session: str, request: AddJourneyStep) -> Done:
        """Note a step of the caller's journey."""
        limit = self._openings.settings.sessions.max_step_data_bytes
        if user_data_bytes(request.data) > limit:
            raise StepDataLimit(limit)
        done = await self._change(session, request, request.once)
        if done.repeated:
            return done
        assert isinstance(done.value, SessionView)
        return replace(done, steps=len(done.value.journey))

    async def close(self, session: str, request: CloseSession) -> Done:
        """End the session."""
        return await self._change(session, request, request.once)

    async def route(self, session: str, request: RouteFromIvr) -> Done:
        """Decide where the call goes."""
        return await self._done(await self._asked(session, request.once), request)

    async def _change(self, session: str, request: Any, once: IdempotentKey | None) -> Done:
        address = await self._asked(session, once)
        if self._journal.failing:  # it would wait for longer than anybody does
            raise Busy(RETRY_AFTER_S)
        return await self._done(address, request)

    async def _asked(self, session: str, once: IdempotentKey | None) -> LocalAddress:
        """Where a session lives; no other may have been asked under the same key."""
        address = await self._address(session)
        owner = None if once is None else self._kernel.registry.whereis(once_name(once.key))
        if owner is not None and owner is not address:
            raise KeyUsedOtherwise(session)
        return address

    async def _done(self, address: LocalAddress, request: Any) -> Done:
        answer = await self._ask_session(address, request)
        match answer:
            case Repeated(value, detail):
                opened = isinstance(request, OpenAgain)
                created, steps = (bool(detail), 0) if opened else (False, detail)
                return Done(value, created, steps, repeated=True)
            case SessionView() | RouteAnswer():
                return Done(answer)
        raise TypeError(f"a session answered {type(answer).__name__}")

    async def _view(self, address: LocalAddress) -> SessionView:
        answer = await self._ask_session(address, GetSession())
        assert isinstance(answer, SessionView)
        return answer

    async def views(self, addresses: list[LocalAddress]) -> list[SessionView]:
        """What some sessions are now; those that have ended are left out.

        Raises:
            Busy: one cannot answer now.
        """
        views: list[SessionView | None] = []
        for first in range(0, len(addresses), GATHER):
            asked = addresses[first : first + GATHER]
            views += await asyncio.gather(*map(self._view_if_there, asked))
        return [view for view in views if view is not None]

    async def _view_if_there(self, address: LocalAddress) -> SessionView | None:
        """The session's view; None where it has ended since it was found."""
        try:
            return await self._view(address)
        except Busy as busy:
            if self._has_ended(address, busy.__cause__):
                return None
            raise

    def _has_ended(self, address: LocalAddress, failure: BaseException | None) -> bool:
        match failure:
            case ServerDied():
                return failure.reason.clean
            case NoProc():  # or between two lives: then the pool knows it
                return self._pool.address_of(str(address.name)) is None
        return False

    async def _address(self, session: str) -> LocalAddress:
        address = self._pool.address_of(session)
        if address is not None:
            return address
        if await self.archive.find(session=session, call=None, ani=None, limit=1):
            raise SessionClosed(session)
        raise NoSuchSession(session)

    async def _ask_session(self, address: LocalAddress, request: Any) -> Any:
        answer = await self._ask(address, request)
        match answer:
            case RevStale(rev):
                raise RevConflict(rev)
            case UserDataTooLarge(limit):
                raise UserDataLimit(limit)
            case SessionOver():
                raise SessionClosed(str(address.name))
            case KeyReused():
                raise KeyUsedOtherwise(str(address.name))
            case NotDurable():
                raise Busy(RETRY_AFTER_S)
        return answer

    async def _ask(self, target: LocalAddress | str, request: Any) -> Any:
        try:
            return await self._kernel.call(target, request, ANSWER_S)
        except CallFailed as failure:  # between two lives, or too busy: the caller may ask again
            raise Busy(RETRY_AFTER_S) from failure
