"""alarms: what is wrong now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.cli.command import Answer
from actors.cli.peer import Peer
from actors.cli.text import columns, moment

if TYPE_CHECKING:
    from argparse import Namespace


def alarms(options: Namespace) -> Answer:
    """List the alarms that are active, the oldest first."""
    with Peer(options.data) as peer:
        found = peer.api("GET", "alarms", {"limit": options.limit})
    heading = ("SINCE", "ALARM", "SEVERITY", "RAISED BY", "REPEATS", "TEXT")
    keys = ("name", "severity", "path", "repeats", "text")
    rows = [(moment(item["since"]), *(item[key] for key in keys)) for item in found["items"]]
    if not rows:
        return Answer(found, ["no alarms"])
    more = found["total"] - len(rows)
    return Answer(found, [*columns([heading, *rows]), *([f"... {more} more"] if more else [])])
