"""Tickets: what a holder may do, signed, and nothing remembered (HMAC-SHA256, RFC 2104).

A ticket is `PAYLOAD.MAC` in base64url without padding (RFC 4648, 5): the payload is JSON and can be
read by everybody; only who has the secret can make one.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final, TypeVar

import msgspec

T = TypeVar("T")

MAX_CHARS: Final = 4_096


class TicketRefused(Exception):  # noqa: N818 - named for what it says of the ticket
    """What was shown is no ticket; the message has the rule."""


def make(secret: bytes, kind: str, payload: object) -> str:
    """Make a ticket.

    Args:
        secret: of who makes and takes tickets.
        kind: what it is for: a ticket of one kind is none of another.
        payload: what it says, plain or a Struct.
    """
    body = msgspec.json.encode(payload)
    return f"{_text(body)}.{_text(_mac(secret, kind, body))}"


def read(secret: bytes, kind: str, ticket: str, shape: type[T]) -> T:
    """Read a ticket; whether it has expired is for who knows what it says.

    Args:
        secret: that it was made with.
        kind: what it has to be for.
        ticket: as it was shown.
        shape: what it has to say.

    Raises:
        TicketRefused: it is none, or none of this kind.
    """
    if len(ticket) > MAX_CHARS:
        raise TicketRefused(f"at most {MAX_CHARS} characters")
    try:
        body, mac = (_bytes(part) for part in ticket.split("."))
    except (ValueError, binascii.Error):
        raise TicketRefused("PAYLOAD.MAC in base64url") from None
    if not hmac.compare_digest(mac, _mac(secret, kind, body)):
        raise TicketRefused("signed by this node, for this use")
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, RecursionError):
        raise TicketRefused("of a release that this one understands") from None


def _mac(secret: bytes, kind: str, body: bytes) -> bytes:
    return hmac.digest(secret, f"vigie {kind}\0".encode() + body, "sha256")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)
