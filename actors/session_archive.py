"""The store of closed sessions as the API asks it.

Where the database does not answer in time nobody is told that there is nothing: the question fails
and may be asked again. What lives, or is still on its way to the database, is found without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.closed_sessions import Closed, FindClosed
from actors.database import NOT_CONFIGURED, DatabaseDown
from actors.database_words import words
from actors.past_calls import Past
from actors.session_api import Busy
from actors.session_finder import NAME
from supervision import CallFailed

if TYPE_CHECKING:
    from actors.closed_sessions import Key
    from actors.past_calls import FindPast
    from actors.session_api import SessionView
    from supervision.eventloop.kernel import Kernel

ANSWER_S = 0.5
RETRY_AFTER_S = 1.0


class StoredSessions:
    """Implements ``Archive`` of the sessions.

    Args:
        kernel: the node.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def find(
        self, *, session: str | None, call: str | None, ani: str | None, limit: int
    ) -> list[SessionView]:
        """Closed sessions, the latest opened first; none where there is no database.

        Args:
            session: a session's id, or None.
            call: a call's id, or None.
            ani: a number in E.164, or None; exactly one of the three is given.
            limit: greatest number wanted.

        Raises:
            Busy: the store cannot tell now.
        """
        by: Key = "session" if session else "call" if call else "ani"
        wanted = FindClosed(by=by, value=session or call or ani or "", limit=limit)
        try:
            answer = await self._kernel.call(NAME, wanted, ANSWER_S)
        except CallFailed as failure:
            answer = failure
        if isinstance(answer, Closed):
            if answer.missing:
                self._not_searched(answer.missing)
            return answer.views
        if answer == DatabaseDown(NOT_CONFIGURED):
            return []
        self._not_searched(str(answer) if isinstance(answer, CallFailed) else words(answer))
        raise Busy(RETRY_AFTER_S)

    async def past(self, wanted: FindPast) -> Past:
        """Previous calls of a customer.

        Args:
            wanted: which ones.

        Returns:
            What was found, and why something may be missing.
        """
        try:
            answer = await self._kernel.call(NAME, wanted, ANSWER_S)
        except CallFailed as failure:
            answer = Past([], str(failure))
        assert isinstance(answer, Past)
        if answer.missing:
            self._not_searched(answer.missing)
        return answer

    def _not_searched(self, why: str) -> None:
        self._kernel.report("store", NAME, what="closed sessions not searched", why=why)
