"""How much a peer may ask at once: frames in a second, and requests that wait for their answer."""

from __future__ import annotations

from msgspec import Struct, field


class TokenBucket(Struct):
    """A rate with room for one second's worth at once.

    Attributes:
        per_s: tokens added in a second, and the most that the bucket holds.
        level: tokens in it.
        filled_at: until when it has been filled, monotonic seconds.
    """

    per_s: float
    level: float
    filled_at: float


def new_bucket(per_s: float, now: float) -> TokenBucket:
    """Make a full bucket."""
    return TokenBucket(per_s=per_s, level=per_s, filled_at=now)


def take(bucket: TokenBucket, now: float) -> bool:
    """Take one token; False when there is none."""
    level, passed = bucket.level, now - bucket.filled_at
    if passed > 0:
        level += passed * bucket.per_s
    level = min(level, bucket.per_s)
    bucket.filled_at = now
    taken = level >= 1
    bucket.level = level - 1 if taken else level
    return taken


class Request(Struct, frozen=True):
    """A request that waits for its answer; after `until` it gets none and counts no more."""

    xref: str
    until: float


class Window(Struct):
    """The requests of a link that wait for their answer, oldest first.

    Attributes:
        limit: how many there may be.
        open: by the number `i` of their frame.
        by_xref: the number of the last request of each dialogue; one that is sent again takes the
            place of the earlier one, for both get the same answer.
        repeated: numbers of requests in it that were sent again after a resume: they do not count,
            for their peer may know them to be durable and have sent others instead.
    """

    limit: int
    open: dict[int, Request] = field(default_factory=dict)
    by_xref: dict[str, int] = field(default_factory=dict)
    repeated: set[int] = field(default_factory=set)


def admit(window: Window, i: int, request: Request, now: float) -> bool:
    """Let a request in; False when the window is full."""
    if window.open:
        _drop_expired(window, now)
    if request.xref in window.by_xref:
        answered(window, request.xref)
    if len(window.open) - len(window.repeated) >= window.limit:
        return False
    window.open[i] = request
    window.by_xref[request.xref] = i
    return True


def repeat(window: Window, i: int, request: Request) -> None:
    """Let a request in again, whatever the window holds."""
    answered(window, request.xref)
    window.open[i] = request
    window.by_xref[request.xref] = i
    window.repeated.add(i)


def answered(window: Window, xref: str) -> tuple[int, Request | None]:
    """The dialogue got its answer.

    Returns:
        Its request and that frame's number; 0 and None where none waited.
    """
    i = window.by_xref.get(xref, 0)
    return i, close(window, i)


def close(window: Window, i: int) -> Request | None:
    """The request in frame `i` waits no more; None where there is none of this number."""
    request = window.open.pop(i, None)
    if request is not None:
        del window.by_xref[request.xref]
        window.repeated.discard(i)
    return request


def _drop_expired(window: Window, now: float) -> None:
    # From the oldest only, to be fast: one with a shorter time than those before it waits for them.
    while window.open:
        i, request = next(iter(window.open.items()))
        if request.until > now:
            return
        close(window, i)
