"""How a peer is let in by a link's actor: its token, a new link session or one that goes on."""

from __future__ import annotations

import secrets
from abc import abstractmethod
from typing import TYPE_CHECKING

from msgspec import Struct

from actors.call_names import link_name
from actors.cti_pressure import PressedLink
from actors.cti_table import Resumed
from actors.web.tokens import includes
from supervision.reasons import shutdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.cti_row import LinkRow
    from protocols.csta.events import Event
    from protocols.csta.link import Link as CstaLink
    from protocols.cti.events import HelloReceived
    from protocols.cti.link import Link

SESSION_BYTES = 12
LISTENER = "ctiListener"


class EnsureLink(Struct, frozen=True):
    """Asks the listener that a link session has an actor.

    Attributes:
        number: of its row in the table.
    """

    number: int


class GreetingLink(PressedLink):
    """The greeting of one link; ``CtiLink`` is the whole actor."""

    @abstractmethod
    def _take(self, events: Sequence[Event]) -> None:
        """Carry out what the link says."""

    @abstractmethod
    def _set_timer_anew(self) -> None:
        """The link is due at another time."""

    def _hello(self, event: HelloReceived) -> None:
        connection, hello = self._row.connection, event.hello
        if connection is None or connection.link.state.phase != "verifying":
            return
        link = connection.link
        token = self._args.tokens.authenticate(hello.token, self.wall())
        if token is None:
            self._take(link.refuse(401, "token is unknown or has expired", "token"))
        elif not includes(token.scope, ("cti",)):
            self._take(link.refuse(401, "token must be of scope cti or admin", "token"))
        elif hello.resume is None:
            self._let_in(link, hello.caps)
        else:
            self._let_go_on(link, hello.resume.session, hello.caps)
        self._set_timer_anew()

    def _let_in(self, link: Link | CstaLink, caps: Sequence[str]) -> None:
        events = link.accept(secrets.token_hex(SESSION_BYTES), self._now, caps)
        assert link.session is not None
        self._table.begin(self._row, link.session)
        self.register(link_name(self._row.id))
        self._opened_connection()
        self._take(events)

    @abstractmethod
    def _opened_connection(self) -> None:
        """A peer has been let in."""

    def _let_go_on(self, link: Link | CstaLink, session: str, caps: Sequence[str]) -> None:
        row = self._table.find(session)
        goes_on = row is not None and row.lasting
        if row is None or row.session is None or not (goes_on and link.can_resume(row.session)):
            self._table.lose()
            self._take(link.resume_lost(self._now))
            return
        self._hand_over(row, link.resume(row.session, self._now, caps))

    def _hand_over(self, row: LinkRow, events: Sequence[Event]) -> None:
        """Give the connection to the actor of its link session; this one is not needed."""
        connection, self._row.connection = self._row.connection, None
        assert connection is not None
        connection.detach()
        self._table.resume(row, connection, events)
        self._table.end(self._row)
        actor = self.whereis(link_name(row.id))
        if actor is not None:
            self.send(actor, Resumed())
        else:
            self.cast(LISTENER, EnsureLink(row.number))
        self.stop(shutdown("resumed"))
