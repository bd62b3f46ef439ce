"""reference list, get, load, rollback: the tables that routing reads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from actors.cli.command import Answer
from actors.cli.peer import Peer, segment
from actors.cli.text import columns, elapsed
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from argparse import Namespace

ASK_EVERY_S = 0.5
PREFIX = "RF_"
"""What names of files may begin with; the original system's did."""


def list_tables(options: Namespace) -> Answer:
    """List the tables."""
    with Peer(options.data) as peer:
        found = peer.api("GET", "reference")
    heading = ("TABLE", "VERSION", "ROWS", "MIB", "AGE", "HITS", "MISSES", "BEFORE", "NOW")
    rows = [_row(item) for item in found["items"]]
    errors = [f"{item['table']}: {item['error']}" for item in found["items"] if item["error"]]
    return Answer(found, [*columns([heading, *rows]), *errors])


def get(options: Namespace) -> Answer:
    """Show one row."""
    path = f"reference/{segment(options.table)}/rows/{segment(options.key)}"
    with Peer(options.data) as peer:
        found = peer.api("GET", path)
    lines = columns(
        [("COLUMN", "VALUE"), *((name, _text(one)) for name, one in found["row"].items())]
    )
    return Answer(found, [f"{found['table']}, version {found['version']}", *lines])


def load(options: Namespace) -> Answer:
    """Load a file; return when it is read from, however long that takes."""
    table = options.table or options.file.stem.removeprefix(PREFIX)
    body = {
        "file": str(options.file.absolute()),
        "force": options.force,
        "reason": options.reason,
    }
    with Peer(options.data) as peer:
        info = _ended(peer, peer.api("PUT", f"reference/{segment(table)}", body=body))
    return _answer("loaded", info)


def rollback(options: Namespace) -> Answer:
    """Go back to the version before."""
    path = f"reference/{segment(options.table)}/rollback"
    with Peer(options.data) as peer:
        info = _ended(peer, peer.api("POST", path, body={"reason": options.reason}))
    return _answer("rolled back", info)


def _ended(peer: Peer, info: dict[str, Any]) -> dict[str, Any]:
    """Wait until nothing is being done with a table any more."""
    while info["doing"]:
        time.sleep(ASK_EVERY_S)
        items = peer.api("GET", "reference", {"limit": 100})["items"]
        info = next(item for item in items if item["table"] == info["table"])
        if not info["doing"] and info["error"]:
            raise Refusal(ExitCode.FAILED, f"{info['table']}: {info['error']}")
    return info


def _answer(did: str, info: dict[str, Any]) -> Answer:
    what = f"version {info['version']}, {info['rows']} rows of {info['source']}"
    return Answer(info, [f"{info['table']} {did}: {what}"])


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    age = None if item["age_s"] is None else elapsed(item["age_s"])
    size = item["bytes"] / 2**20
    keys = ("hits", "misses", "previous")
    counts = (item[key] for key in keys)
    return (item["table"], item["version"], item["rows"], size, age, *counts, item["doing"])


def _text(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
