"""The end of a session whose machine cannot end it: an operator terminates it, or it is given up.

It is closed all the same, in one commit: what is stored of it says so, its row leaves the journal,
and no later process finds it there and takes it for one that goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from actors import session_data
from actors.call_messages import StoreSession
from actors.call_saving import KIND
from actors.journal.records import OutboxItem

if TYPE_CHECKING:
    from actors.call_messages import CallSettings
    from actors.session_data import Session

FAILED = "failed"
"""Why it was closed."""


def item(data: Session, wall: float, why: str) -> OutboxItem:
    """Make what is stored of a session that closes.

    Args:
        data: of the session.
        wall: seconds since the epoch.
        why: what closes it.
    """
    stored = StoreSession(session_data.view(data, "closed", None), wall, why)
    return OutboxItem(data.session, data.call, data.ani, stored)


def close(settings: CallSettings, data: Session, wall: float) -> bool:
    """Close a session that nobody handles any more.

    Args:
        settings: of the sessions.
        data: as it was handled last.
        wall: seconds since the epoch.

    Returns:
        Whether it was open.
    """
    was_open = data.closed is None
    if was_open:
        settings.count.ended(data.session)
        data = replace(data, closed=(wall, FAILED), updated=wall)
        settings.journal.append(item(data, wall, FAILED))
    settings.journal.delete(KIND, data.session)
    return was_open
