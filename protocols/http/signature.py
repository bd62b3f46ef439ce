"""Signed requests of webhooks: HMAC-SHA256 over time and body (RFC 2104), as many platforms do it.

The time is signed too, so that a request which somebody has kept is refused later; two secrets may
hold at once, so that one can give way to the next.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

TIMESTAMP: Final = "X-Vigie-Timestamp"
SIGNATURE: Final = "X-Vigie-Signature"
SCHEME: Final = "sha256="
_SECONDS: Final = re.compile(r"[0-9]{1,12}\Z")
_DIGEST: Final = re.compile(r"sha256=[0-9a-fA-F]{64}\Z")


class SignatureRefused(Exception):  # noqa: N818 - named for what it says of the signature
    """A request is not what it should be.

    Args:
        field: the header that is wrong.
        rule: what it should be.
    """

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """The value of the header that signs a request.

    Args:
        secret: shared with who verifies.
        timestamp: seconds since the epoch, as in the other header.
        body: as it is sent.
    """
    signed = f"{timestamp}.".encode() + body
    return SCHEME + hmac.new(secret.encode(), signed, "sha256").hexdigest()


def verify(
    secrets: Iterable[str],
    timestamp: str | None,
    signature: str | None,
    body: bytes,
    *,
    wall: float,
    max_age_s: float,
) -> None:
    """Check a request; every secret is tried, and comparing takes as long whatever is wrong.

    Args:
        secrets: one of which it should be signed with.
        timestamp: the header with the time; None where it is missing.
        signature: the header with the signature; None where it is missing.
        body: as it was received.
        wall: seconds since the epoch.
        max_age_s: how far its time may be from ours, either way, seconds.

    Raises:
        SignatureRefused: it is not signed so, or not now.
    """
    if timestamp is None or not _SECONDS.match(timestamp):
        raise SignatureRefused(TIMESTAMP, "seconds since the epoch, in decimal digits")
    if signature is None or not _DIGEST.match(signature):
        raise SignatureRefused(SIGNATURE, "sha256= and 64 hexadecimal digits")
    right = [
        hmac.compare_digest(sign(secret, int(timestamp), body), signature.lower())
        for secret in secrets
    ]
    if not any(right):
        raise SignatureRefused(SIGNATURE, "the HMAC-SHA256 of timestamp, a dot and the body")
    if abs(wall - int(timestamp)) > max_age_s:
        raise SignatureRefused(TIMESTAMP, f"within {max_age_s:g} seconds of now")
