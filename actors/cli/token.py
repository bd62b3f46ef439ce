"""token create, list, revoke."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.cli.command import Answer
from actors.cli.peer import Peer, segment
from actors.cli.text import columns, moment

if TYPE_CHECKING:
    from argparse import Namespace

MAX_LISTED = 500


def create(options: Namespace) -> Answer:
    """Make a token; its secret is shown this once."""
    wanted = {"scope": options.scope, "name": options.name, "expires_s": options.expires}
    with Peer(options.data) as peer:
        made = peer.api("POST", "tokens", body=wanted)
    return Answer(made, [made["token"]])


def list_tokens(options: Namespace) -> Answer:
    """List the tokens, without their secrets."""
    with Peer(options.data) as peer:
        found = peer.api("GET", "tokens", {"limit": MAX_LISTED})
    heading = ("ID", "SCOPE", "NAME", "CREATED", "EXPIRES")
    rows = [
        (item["id"], item["scope"], item["name"], moment(item["created"]), moment(item["expires"]))
        for item in found["items"]
    ]
    return Answer(found, columns([heading, *rows]))


def revoke(options: Namespace) -> Answer:
    """Revoke a token."""
    with Peer(options.data) as peer:
        peer.api("DELETE", f"tokens/{segment(options.id)}")
    return Answer({"revoked": options.id}, [f"revoked {options.id}"])
