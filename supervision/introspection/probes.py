"""The probes that operators can install by name: of bounded size, and for a bounded time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from supervision.introspection.errors import OutOfBounds
from supervision.introspection.events import Sink

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.introspection.events import Seen

MOST_TYPES = 100
"""Types of messages that are counted apart; the others are counted together."""

OTHERS = "(others)"
SLOWEST_KEPT = 20
"""Slow handlers that are remembered, the latest ones."""


class BuiltIn(Sink):
    """A probe that is installed by its name.

    Args:
        over_s: seconds from which a handler is slow.
    """

    def __init__(self, over_s: float) -> None:
        self._over_s = over_s
        self._closed: Callable[[], None] | None = None

    @property
    def state(self) -> Any:
        """What it has found out, as plain data."""
        return None

    def at_close(self, tell: Callable[[], None]) -> None:
        """Have ``tell`` called once it is removed."""
        self._closed = tell

    def close(self) -> None:
        """Tell that it is removed."""
        tell, self._closed = self._closed, None
        if tell is not None:
            tell()


class CountTypes(BuiltIn):
    """Counts the messages that come, by their type."""

    def __init__(self, over_s: float) -> None:
        super().__init__(over_s)
        self._counts: dict[str, int] = {}

    @property
    def state(self) -> dict[str, int]:
        """How many of each type."""
        return dict(self._counts)

    def take(self, seen: Seen) -> bool:
        """Count a message."""
        if seen.kind in {"in", "timeout"}:
            name = type(seen.message).__name__
            if name not in self._counts and len(self._counts) >= MOST_TYPES:
                name = OTHERS
            self._counts[name] = self._counts.get(name, 0) + 1
        return False


class SlowHandlers(BuiltIn):
    """Remembers the handlers that held the loop for too long."""

    def __init__(self, over_s: float) -> None:
        super().__init__(over_s)
        self._count = 0
        self._latest: deque[dict[str, Any]] = deque(maxlen=SLOWEST_KEPT)

    @property
    def state(self) -> dict[str, Any]:
        """How many there were, and the latest of them."""
        return {"over_s": self._over_s, "count": self._count, "latest": list(self._latest)}

    def spent(self, message: Any, seconds: float) -> None:
        """Look at how long a handler took."""
        if seconds >= self._over_s:
            self._count += 1
            self._latest.append({"message": type(message).__name__, "seconds": round(seconds, 6)})


class _Names(dict[str, type[BuiltIn]]):
    def __missing__(self, name: str) -> type[BuiltIn]:
        raise OutOfBounds("name", f"one of {', '.join(self)}")


BUILT_IN = _Names(count=CountTypes, slow=SlowHandlers)
"""The probes by name.

Raises (when looked up):
    OutOfBounds: there is none of this name.
"""
