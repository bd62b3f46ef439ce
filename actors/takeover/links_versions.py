"""The versions of the part ``links``, and the ways between them.

1: links in framing A. 2: those in framing B as well, and how agents are.

A release that knows version 1 does not serve framing B. Going back to it closes such
connections, as that release does with each of them; what has been said to their peers is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.release.versions import Conversions

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = 2

_CLOSED = {
    "type": "closed",
    "reason": "framing-b",
    "msg": "the release that goes on does not serve framing B",
    "code": None,
}
_NOTHING: dict[str, Any] = {
    "session": None,
    "pending": [],
    "questions": [],
    "handed": [],
    "released": 0,
    "registrations": {},
    "events": [_CLOSED],
}


def _up(state: Any) -> Any:
    state = _each(state, lambda connection: {**connection, "csta": None})
    return {**state, "agents": []}


def _down(state: Any) -> Any:
    state["rows"] = [_row_in_framing_a(row) for row in state["rows"]]
    state = _each(state, _known_to_framing_a)
    del state["agents"]
    return state


def _each(state: Any, change: Callable[[Any], Any]) -> Any:
    """Change every connection."""
    for row in state["rows"]:
        if row["connection"] is not None:
            row["connection"] = change(row["connection"])
    return {**state, "closing": [change(connection) for connection in state["closing"]]}


def _row_in_framing_a(row: Any) -> Any:
    """A connection in framing B has said nothing there yet, and ends."""
    connection = row["connection"]
    if connection is None or connection["csta"] is None:
        return row
    return {**row, **_NOTHING}


def _known_to_framing_a(connection: Any) -> Any:
    knows = connection.pop("csta")
    if knows is None:
        return connection
    at = knows["received_at"]
    link = {
        "opened_at": knows["opened_at"],
        "wall_offset": knows["wall_offset"],
        "watch": {"received": at, "sent": at, "asked": at},
        "bucket": knows["bucket"],
        "phase": "closed",
        "framing": "B",
        "name": knows["name"],
        "side": knows["side"],
    }
    return {**connection, "link": link, "arrived": b"", "unread": []}


WAYS = Conversions(up={1: _up}, down={2: _down})
