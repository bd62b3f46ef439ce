"""agents: who is there to take calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.cli.command import Answer
from actors.cli.peer import Peer
from actors.cli.text import columns, moment

if TYPE_CHECKING:
    from argparse import Namespace

HEADING = ("AGENT", "STATE", "SINCE", "REASON", "DEVICE", "SKILLS", "CTI")


def agents(options: Namespace) -> Answer:
    """List the agents that CTIs have told of."""
    with Peer(options.data) as peer:
        found = peer.api("GET", "agents", {"limit": options.limit})
    rows = [_row(item) for item in found["items"]]
    if not rows:
        return Answer(found, ["no agents"])
    more = found["total"] - len(rows)
    return Answer(found, [*columns([HEADING, *rows]), *([f"... {more} more"] if more else [])])


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    levels = ", ".join(f"{skill} {level}" for skill, level in (item.get("skills") or {}).items())
    told = (item.get("reason") or "", item.get("dev") or "", levels)
    return (item["agent"], item["st"], moment(item["since"]), *told, item["cti"])
