"""What the description of an operation says where it takes a key of idempotency."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from protocols.http import idempotency
from protocols.http.problem import ProblemType

Rememberer: TypeAlias = Literal["sessions", "node", "nobody"]
"""Who remembers what was done under an idempotency key: the sessions, durably; the node, as long as
it runs; or nobody, and a key is refused."""

_KEY_FOR = {
    "sessions": "Done once, however often it is sent with this key; known as long as the session.",
    "node": "Done once, however often it is sent with this key; known as long as the node runs.",
}
_REPLAYED = {idempotency.REPLAYED: "true where it was done before and is only answered again."}


class Keyed(NamedTuple):
    """What is said of an operation because it takes a key."""

    headers: dict[str, str]
    response_headers: dict[str, str]
    problems: tuple[ProblemType, ...]

    @classmethod
    def by(cls, keeper: Rememberer) -> Keyed:
        """What is said of an operation that `keeper` remembers."""
        if keeper == "nobody":
            return cls({}, {}, ())
        problems = idempotency.KEY_IN_USE, idempotency.KEY_REUSED
        return cls({idempotency.HEADER: _KEY_FOR[keeper]}, _REPLAYED, problems)
