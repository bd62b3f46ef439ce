"""The header `Idempotency-Key` of requests that are to be done once, however often they are sent.

Follows draft-ietf-httpapi-idempotency-key-header: the key is a structured field string (RFC 8941,
3.3.3); a plain token is taken as well, for many clients send one.
"""

from __future__ import annotations

import re

from protocols.http import problem
from protocols.http.problem import ProblemType

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
"""Header of an answer that was given before: the request has not been done again."""

MAX_CHARS = 255

KEY_IN_USE = ProblemType("idempotency-key-in-use", 409, "A request with this key is under way")
KEY_REUSED = ProblemType("idempotency-key-reused", 422, "The key came with another request before")

_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_TOKEN = re.compile(r"[\x21\x23-\x7e]+")
_ESCAPED = re.compile(r'\\(["\\])')
_RULE = (
    f'one key of 1 to {MAX_CHARS} printable ASCII characters: in double quotes (RFC 8941), "8e03", '
    "or without spaces and quotes"
)


def key(header: str | None) -> str | None:
    """Read the header `Idempotency-Key`.

    Args:
        header: The header, or None when there is none.

    Returns:
        The key; None when there is none. With and without quotes it is the same key.

    Raises:
        HttpProblem: 400 for a header that is no key.
    """
    if header is None:
        return None
    given = header.strip()
    if match := _STRING.fullmatch(given):
        value = _ESCAPED.sub(r"\1", match[1])
    else:
        value = given if _TOKEN.fullmatch(given) else ""
    if not 0 < len(value) <= MAX_CHARS:
        raise problem.invalid(HEADER, _RULE)
    return value
