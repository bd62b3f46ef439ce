"""What the links of a node were in earlier versions of the part ``links``, and the ways there.

1: frames of `agent.state`, `data.update`, `snapshot` and `resync`, and refusals that name a
revision, were not known.
"""

from __future__ import annotations

from typing import Any

from actors.cti_record import without_rev
from supervision.release.versions import Conversions

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


WAYS = Conversions(up={1: _same}, down={2: _before_data_updates})
