"""sessionFinder: closed sessions, found wherever they are on their way.

A session that has closed is first among what waits for the journal's commit, then in the journal's
outbox, then in PostgreSQL. It is looked for in this order, so that one which moves on meanwhile is
met later; what is found without the database is answered without it. Nothing is answered of one
that is not committed, which a crash would open again: its commit is waited for.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from actors import closed_sessions, outbox_reading, past_calls
from actors.closed_sessions import Closed, FindClosed
from actors.database import NOT_CONFIGURED, ROUTER, DatabaseDown, Query, Rows
from actors.database_words import words
from actors.journal.records import JournalError
from actors.past_calls import FindPast, Past, PastCall
from actors.session_api import SessionView
from supervision import NO_REPLY, GenServer, Response
from supervision.eventloop.calls import PendingCall

if TYPE_CHECKING:
    from actors.config import DatabaseConfig
    from actors.journal.journal import Journal

NAME = "sessionFinder"
UNWRITTEN = "the journal does not take what has been closed"
"""Why something is not answered yet."""

MARGIN_S = 5.0
"""By how much the router's deadline, which answers in words, is the shorter one, seconds."""


class FinderSettings(Struct, frozen=True):
    """What the finder starts with.

    Attributes:
        database: The configuration.
        journal: Whose outbox is looked into.
    """

    database: DatabaseConfig
    journal: Journal


class Looked(Struct, frozen=True):
    """The journal's answer to a question.

    Attributes:
        incarnation: Of the finder that asked.
        number: Of the question.
        answer: The sessions and what is damaged, or why it cannot tell.
    """

    incarnation: int
    number: int
    answer: tuple[list[SessionView], list[str]] | JournalError


class Search(Struct):
    """What is being looked for.

    Attributes:
        call: Of whoever asks.
        wanted: What.
        here: What was found so far, by id: `SessionView`s, or `PastCall`s where these are wanted.
        why: Why something may be missing among it; empty where nothing is.
    """

    call: PendingCall
    wanted: FindClosed | FindPast
    here: dict[str, Any]
    why: str = ""


class Written(Struct, frozen=True):
    """What is looked for was not written yet: it is now.

    Attributes:
        incarnation: Of the finder that has waited.
        search: To be gone on with.
    """

    incarnation: int
    search: Search


class FinderState(Struct):
    """What the finder knows.

    Attributes:
        settings: Of the finder.
        looking: What is looked for in the journal, by the question's number.
        asking: What is looked for in the database, by the request's number.
        asked: Questions so far.
    """

    settings: FinderSettings
    looking: dict[int, Search] = {}
    asking: dict[int, Search] = {}
    asked: int = 0


class SessionFinder(GenServer):
    """The finder; its argument is the `FinderSettings`."""

    state: FinderState

    def init(self, args: FinderSettings) -> None:
        """Be known."""
        self.state = FinderState(args)
        self.register(NAME)

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        """Look closed sessions up."""
        if not isinstance(request, FindClosed | FindPast):
            return super().handle_call(request, from_)
        search = Search(from_, request, {})
        if request.by == "ucid":  # the journal has no such column
            self._look_on(search)
        elif isinstance(request, FindPast) or not self._is_unwritten(request):
            self._look(search)
        elif self.state.settings.journal.failing:
            return DatabaseDown(UNWRITTEN)
        else:
            self._when_written(search)
        return NO_REPLY

    def handle_info(self, message: Any, sender: Any) -> None:
        """Hear from the journal or from the database."""
        match message:
            case Written(incarnation, search):
                if incarnation == self.address.incarnation:
                    self._look(search)
            case Looked(incarnation, number, answer):
                if incarnation == self.address.incarnation:
                    self._looked(self.state.looking.pop(number), answer)
            case Response(request_id, value, error):
                told = DatabaseDown(str(error)) if error is not None else value
                self._answered(self.state.asking.pop(request_id), told)
            case _:
                super().handle_info(message, sender)

    def format_status(self, state: FinderState) -> dict[str, Any]:
        """Numbers; not the sessions, which are callers' data."""
        return {
            "looking": len(state.looking),
            "asking": len(state.asking),
            "asked": state.asked,
        }

    # In the journal

    def _is_unwritten(self, wanted: FindClosed) -> bool:
        """Whether something that is looked for waits for its commit: a crash would take it back."""
        unwritten = self.state.settings.journal.unwritten()
        return any(getattr(item, wanted.by) == wanted.value for item in unwritten)

    def _when_written(self, search: Search) -> None:
        kernel, address = self.kernel, self.address
        written = Written(address.incarnation, search)
        self.state.settings.journal.after(lambda: kernel.send(address, written, None))

    def _look(self, search: Search) -> None:
        state = self.state
        state.asked += 1
        state.looking[state.asked] = search
        wanted = search.wanted
        assert wanted.by != "ucid"
        question = partial(
            outbox_reading.found,
            by=wanted.by,
            value=wanted.value,
            limit=_limit(wanted),
        )
        kernel, address = self.kernel, self.address
        asked, incarnation = state.asked, address.incarnation

        def heard(answer: Any) -> None:
            kernel.send(address, Looked(incarnation, asked, answer), None)

        state.settings.journal.read(question, heard)

    def _looked(
        self, search: Search, answer: tuple[list[SessionView], list[str]] | JournalError
    ) -> None:
        if isinstance(answer, JournalError):
            search.why = str(answer)
        else:
            views, damaged = answer
            search.why = "; ".join(damaged)
            found = {view.session: _kept(search.wanted, view) for view in views}
            search.here.update({name: one for name, one in found.items() if one is not None})
        self._look_on(search)

    def _look_on(self, search: Search) -> None:
        """Go on where the journal has been looked into."""
        if search.wanted.by == "session" and search.here:
            self._tell(search)
        elif not self.state.settings.database.dsn:
            self._not_searched(search, DatabaseDown(NOT_CONFIGURED))
        else:
            self._ask(search)

    # In the database

    def _ask(self, search: Search) -> None:
        timeout_s = self.state.settings.database.query_timeout_ms / 1000 + MARGIN_S
        request_id = self.request(ROUTER, _query(search.wanted), timeout_s)
        self.state.asking[request_id] = search

    def _answered(self, search: Search, answer: Any) -> None:
        if not isinstance(answer, Rows):
            self._not_searched(search, answer)
            return
        read = self._view if isinstance(search.wanted, FindClosed) else self._past
        views = {row["session"]: read(row) for row in answer.rows}
        search.here = {**{key: view for key, view in views.items() if view}, **search.here}
        if search.why and not search.here and isinstance(search.wanted, FindClosed):
            self.reply(search.call, DatabaseDown(search.why))
        else:
            self._tell(search)

    def _not_searched(self, search: Search, failure: Any) -> None:
        """Tell what was found without the database; nothing found may be there all the same."""
        if search.here or isinstance(search.wanted, FindPast):
            search.why = words(failure)
            self._tell(search)
        else:
            self.reply(search.call, failure)

    def _tell(self, search: Search) -> None:
        found = sorted(search.here.values(), key=lambda one: one.opened, reverse=True)
        found = found[: _limit(search.wanted)]
        told = Closed if isinstance(search.wanted, FindClosed) else Past
        self.reply(search.call, told(found, search.why))

    def _past(self, row: dict[str, Any]) -> PastCall | None:
        try:
            return past_calls.read(row)
        except msgspec.ValidationError as invalid:
            self._unreadable(row, invalid)
            return None

    def _view(self, row: dict[str, Any]) -> SessionView | None:
        try:
            return msgspec.json.decode(row["view"], type=SessionView)
        except msgspec.ValidationError as invalid:
            self._unreadable(row, invalid)
            return None

    def _unreadable(self, row: dict[str, Any], invalid: msgspec.ValidationError) -> None:
        why = f"session {row['session']} cannot be read: {invalid}"
        self.kernel.report("degraded", self.address.path, part="session finder", why=why)


def _kept(wanted: FindClosed | FindPast, view: SessionView) -> SessionView | PastCall | None:
    """What is told of a session that the journal has; None where it is not wanted."""
    return view if isinstance(wanted, FindClosed) else past_calls.of_view(view, wanted)


def _query(wanted: FindClosed | FindPast) -> Query:
    if isinstance(wanted, FindClosed):
        return closed_sessions.query(wanted)
    return past_calls.query(wanted)


def _limit(wanted: FindClosed | FindPast) -> int:
    return closed_sessions.limit_of(wanted) if isinstance(wanted, FindClosed) else wanted.calls
