"""Server-Sent Events (WHATWG HTML, 9.2): what goes on the wire, and what a client sends back."""

from __future__ import annotations

import re

from protocols.http import problem

KEEPALIVE = b":\n\n"
"""A comment: keeps proxies and clients from closing a quiet stream."""

_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_ID = re.compile(r"(?P<epoch>[0-9a-f]{1,16})-(?P<number>0|[1-9][0-9]{0,17})")
_LINE_END = re.compile(r"\r\n|\r|\n")


def event(name: str, data: str, *, event_id: str | None = None) -> bytes:
    r"""Format one event.

    Args:
        name: Name of the event: lower case, at most 64 characters.
        data: Text; each of its lines becomes a field `data`.
        event_id: What a reconnecting client sends as `Last-Event-ID`; None leaves the client's
            position as it is.

    Raises:
        ValueError: The name or the id would break the framing.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name of an event: {name!r}")
    if event_id is not None and not _ID.fullmatch(event_id):
        raise ValueError(f"not an id of an event: {event_id!r}")
    head = [] if event_id is None else [f"id: {event_id}"]
    lines = [*head, f"event: {name}", *(f"data: {line}" for line in _LINE_END.split(data))]
    return "\n".join([*lines, "", ""]).encode()


def retry(delay_ms: int) -> bytes:
    """Tell the client how long to wait before it reconnects, in milliseconds."""
    return f"retry: {delay_ms}\n\n".encode()


def make_id(epoch: str, number: int) -> str:
    """Make the id of an event.

    Args:
        epoch: Hexadecimal name of the source's life: numbers are comparable within one only.
        number: Number of the event in that life, from 1.
    """
    return f"{epoch}-{number}"


def last_event_id(header: str | None) -> tuple[str, int] | None:
    """Read the header `Last-Event-ID` of a client that reconnects.

    Args:
        header: The header, or None when there is none; an empty one counts as none.

    Returns:
        Epoch and number of the last event seen, None for a client without a position.

    Raises:
        HttpProblem: 400 when it is not an id that `make_id` makes.
    """
    if not header:
        return None
    match = _ID.fullmatch(header)
    if match is None:
        raise problem.invalid("Last-Event-ID", "the id of an event of this stream")
    return match["epoch"], int(match["number"])
