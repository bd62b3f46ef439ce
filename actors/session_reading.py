"""Reading a session without a message, where the message would be answered the same and at once.

Most sessions that an application reads have nothing to do: a message to one is the next thing that
it handles, and changes nothing. Then the node's loop is spared the message, the turn, the answer
and the future that waits for it. Where anything else comes first nothing is told here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.call_session import CallSession
from actors.session_data import Session

if TYPE_CHECKING:
    from actors.session_api import SessionView
    from supervision.eventloop.cell import LocalAddress


def seen(address: LocalAddress) -> SessionView | None:
    """What a session would answer ``GetSession`` now.

    None where it has to be asked: where messages wait before that one; where it is suspended, ends,
    hibernates or is between two lives; while the node stands still; where the answer waits for a
    commit; and where somebody watches it, who is to see each message.

    Args:
        address: of the session.
    """
    cell = address.cell
    if cell is None or cell.mailbox is not None or cell.task is not None or cell.suspended:
        return None
    session = cell.actor
    # One that is watched is of another class, the data of one that hibernates are packed.
    if type(session) is not CallSession or type(session.data) is not Session:
        return None
    if cell.exiting is not None or session.kernel.frozen:
        return None
    cell.handled += 1  # for who counts what it is asked, or looks for those that are idle
    return _told(session, session.data)


def _told(session: CallSession, data: Session) -> SessionView | None:
    """What ``GetSession`` is answered without waiting: of data that are saved."""
    if not session._is_saved(data):  # noqa: SLF001 - this is a part of the session, as its others are
        return None
    return session._view(session.state, data)  # noqa: SLF001 - likewise
