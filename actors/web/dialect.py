"""What differs for operations that speak another protocol than the rest of the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from actors.web.exchange import ApiResponse
from protocols.http.problem import HttpProblem

Refusal: TypeAlias = Callable[[HttpProblem], ApiResponse]
"""Makes the answer of a problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How an operation of another protocol is asked and refused.

    Its handler gets the body as the bytes that came, and reads keys of idempotency itself.

    Attributes:
        media_type: Of what is asked, answered and refused.
        query: Reads the query as it was sent.
        content_type: Raises `HttpProblem` for a `Content-Type` that is not understood.
        refusal: Makes the answer of a problem.
    """

    media_type: str
    query: Callable[[str], Mapping[str, str]]
    content_type: Callable[[str | None], object]
    refusal: Refusal
