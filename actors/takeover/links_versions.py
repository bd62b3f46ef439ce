"""What the links of a node were in earlier versions of the part ``links``, and the ways there.

1: frames of `agent.state`, `data.update`, `snapshot` and `resync`, and refusals that name a
   revision, were not known.
2: links in framing B were not known. Going back to it closes them, as a release that does not serve
   framing B does; what has been said to their peers is sent.
3: what goes along with a decision was not known: it was a target alone.
4: peers were not told of agents for calls that wait, whatever their `caps` named, and switches not
   asked to deflect these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.cti_record import without_rev
from supervision.release.versions import Conversions

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = 5

LATER_FRAMES = frozenset({"agent.state", "data.update", "resync", "snapshot"})
"""Types of frames that version 1 does not know."""


def _same(state: Any) -> Any:
    return state


def _known(message: dict[str, Any]) -> dict[str, Any]:
    """What a node that does not know a frame takes in its place: it refuses it, by its number."""
    if message["t"] not in LATER_FRAMES:
        return message
    stands_for = f"{message['t']} is not served"
    return {
        "t": "route.used",
        "i": message["i"],
        "xref": stands_for,
        "target": "-",
        "reason": stands_for,
    }


def _before_data_updates(state: Any) -> Any:
    for row in state["rows"]:
        for one in (*row["pending"], *row["events"]):
            if "message" in one:
                one["message"] = _known(one["message"])
        session = row["session"]
        if session is not None:
            for error in session.get("recent", ()):
                without_rev(error)
            for withheld in session.get("withheld", ()):
                without_rev(withheld["error"])
    return state


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


def _with_framing_b(state: Any) -> Any:
    return _each(state, lambda connection: {**connection, "csta": None})


def _before_framing_b(state: Any) -> Any:
    state["rows"] = [_row_in_framing_a(row) for row in state["rows"]]
    return _each(state, _known_to_framing_a)


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


def _untreated(state: Any) -> Any:
    for row in state["rows"]:
        for pending in row["pending"]:
            if pending["guarded"] is not None:
                _, decision = pending["guarded"]
                for key in ("treat", "send", "stale"):
                    decision.pop(key, None)
    return state


def _without_caps(state: Any) -> Any:
    for row in state["rows"]:
        if row["session"] is not None:
            row["session"].pop("caps", None)
    return _each(state, _asks_for_no_deflection)


def _asks_for_no_deflection(connection: Any) -> Any:
    """An answer that comes is about no question then: it is counted, and passed over."""
    knows = connection["csta"]
    if knows is None:
        return connection
    asked = knows.get("questions", {})
    left = {invoke: one for invoke, one in asked.items() if one["kind"] != "deflect"}
    return {**connection, "csta": {**knows, "questions": left}}


WAYS = Conversions(
    up={1: _same, 2: _with_framing_b, 3: _same, 4: _same},
    down={2: _before_data_updates, 3: _before_framing_b, 4: _untreated, 5: _without_caps},
)
