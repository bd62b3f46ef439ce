"""actor trace, statistics, log, probe: watch one actor."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from actors.cli.command import Answer
from actors.cli.peer import Peer, segment
from actors.cli.text import columns, event_line
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from argparse import Namespace

WAIT_S = 1.0
"""How long the node waits for the next event of a trace before it answers with none."""


def trace(options: Namespace) -> Answer:
    """Print what passes through an actor as it comes; who goes, by Ctrl-C too, ends the trace."""
    body = {
        "messages": options.messages,
        "seconds": options.seconds,
        "under": options.under,
        "class": options.of_class,
        "actors": options.actors,
        "reason": options.reason,
    }
    with Peer(options.data) as peer:
        row = peer.api("POST", f"actors/{segment(options.path)}/trace", body=body)
        ended = False
        try:
            row, items = _follow(peer, row, silent=options.json)
            ended = True
        finally:
            if not ended:
                _stop(options, row["id"])
    told = f"{row['events']} events of {row['path']}: ended by {row['ended']}"
    return Answer({"trace": row, "items": items}, [told])


def _follow(
    peer: Peer, row: dict[str, Any], *, silent: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read a trace to its end."""
    items: list[dict[str, Any]] = []
    while row["ended"] is None or len(items) < row["events"]:
        query = {"after": len(items), "wait_s": WAIT_S}
        told = peer.api("GET", f"traces/{segment(row['id'])}", query)
        row = told["trace"]
        items += told["items"]
        if not silent:
            for event in told["items"]:
                print(event_line(event), flush=True)
    return row, items


def _stop(options: Namespace, trace: str) -> None:
    """End a trace on a connection of its own: that of the reader may wait for an answer."""
    with suppress(Refusal), Peer(options.data) as peer:
        peer.api("DELETE", f"traces/{segment(trace)}")


def traces(options: Namespace) -> Answer:
    """List the traces that run, and the latest that have ended."""
    with Peer(options.data) as peer:
        found = peer.api("GET", "traces")
    keys = ("id", "path", "actors", "events", "messages", "seconds", "ended", "by", "reason")
    heading = ("TRACE", "ACTOR", "ACTORS", "EVENTS", "OF", "SECONDS", "ENDED", "BY", "REASON")
    rows = [tuple(item.get(key) for key in keys) for item in found["items"]]
    return Answer(found, columns([heading, *rows]))


def untrace(options: Namespace) -> Answer:
    """End a trace before its limits do."""
    with Peer(options.data) as peer:
        row = peer.api("DELETE", f"traces/{segment(options.id)}")
    return Answer(row, [f"{row['id']} of {row['path']}: {row['events']} events"])


def statistics(options: Namespace) -> Answer:
    """Switch the statistics of an actor, or show them."""
    row = _switched(options, "statistics", {})
    if not row["on"]:
        return Answer(row, ["no_statistics"])
    since = row["current_time"] - row["start_time"]
    counts = [f"{key:<14} {row[key]}" for key in row if key not in {"start_time", "current_time"}]
    return Answer(row, [*counts, f"{'seconds':<14} {since:.1f}"])


def log(options: Namespace) -> Answer:
    """Switch the log of an actor, or show it."""
    row = _switched(options, "log", {"size": options.size, "file": options.file})
    if not row["on"]:
        return Answer(row, ["no log"])
    head = [f"the latest {row['size']} events" + (f", and {row['file']}" if row["file"] else "")]
    return Answer(row, [*head, *map(event_line, row["events"])])


def _switched(options: Namespace, what: str, settings: dict[str, Any]) -> dict[str, Any]:
    path = f"actors/{segment(options.path)}/{what}"
    with Peer(options.data) as peer:
        if options.switch is None:
            row: dict[str, Any] = peer.api("GET", path)
        else:
            body = {"on": options.switch == "on", "reason": options.reason, **settings}
            row = peer.api("POST", path, body=body)
    return row


def probe(options: Namespace) -> Answer:
    """Install a probe that is built in, remove it, or show what the probes have found."""
    path = f"actors/{segment(options.path)}/probes"
    if options.remove and options.name is None:
        raise Refusal(ExitCode.USAGE, "--remove needs the name of the probe", "name")
    with Peer(options.data) as peer:
        if options.name is None:
            found = peer.api("GET", path)
            return Answer(found, [_found(item) for item in found["items"]] or ["no probes"])
        if options.remove:
            peer.api("DELETE", f"{path}/{segment(options.name)}")
            return Answer({"removed": options.name}, [f"removed {options.name}"])
        body = {"name": options.name, "seconds": options.seconds, "reason": options.reason}
        row = peer.api("POST", path, body={**body, "over_s": options.over})
    return Answer(row, [f"{row['id']} of {options.path} for {options.seconds:g} s"])


def _found(item: dict[str, Any]) -> str:
    return f"{item['id']:<8} {json.dumps(item['state'], ensure_ascii=False)}"


def no_debug(options: Namespace) -> Answer:
    """Stop everything that an actor is watched for."""
    with Peer(options.data) as peer:
        path = f"actors/{segment(options.path)}/no_debug"
        peer.api("POST", path, body={"reason": options.reason})
    return Answer({"path": options.path}, [f"{options.path} is not watched any more"])
