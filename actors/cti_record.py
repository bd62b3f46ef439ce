"""What of a link session is in the journal, and how it is written there."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from actors.journal import versions
from actors.journal.records import Codec
from protocols.cti.link_session import Record
from supervision.release.versions import Conversions

KIND = "link"
VERSION = 2


def without_rev(error: dict[str, Any]) -> dict[str, Any]:
    """A refusal, or what else is repeated to a peer, as it was when none named a revision."""
    error.pop("rev", None)
    return error


def _same(record: Any) -> Any:
    return record


def _before_revisions(record: Any) -> Any:
    for one in record["record"].get("recent", ()):
        without_rev(one)
    return record


WAYS = Conversions(up={1: _same}, down={2: _before_revisions})
"""Between the versions of a record; 2: a refusal may name the current revision."""


class LinkRecord(Struct, frozen=True):
    """A link session as it survives the node.

    Attributes:
        record: its numbers, and what is repeated to its peer.
        registrations: the routing points of each registration.
        at: seconds since the epoch when this was written.
    """

    record: Record
    registrations: dict[str, tuple[str, ...]]
    at: float


_decoder = msgspec.json.Decoder(LinkRecord)


def encode(value: LinkRecord) -> bytes:
    """The JSON text of a record."""
    return msgspec.json.encode(value)


def decode(text: bytes, version: int) -> LinkRecord:
    """The record of a JSON text.

    Args:
        text: as ``encode`` made it.
        version: of the schema that it was written with.

    Raises:
        ValueError: another version, or no such record.
    """
    if version != VERSION:
        raise ValueError(f"link records of version {version} are unknown; this is {VERSION}")
    return _decoder.decode(text)


CODEC = Codec(VERSION, encode, decode, *versions.steps(KIND, WAYS))
